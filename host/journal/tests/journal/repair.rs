//! A damaged journal is looked at and mended, and nothing of it is thrown away.

use std::path::Path;

use plugbus_bus::journal::Write;
use plugbus_journal::{JournalConfig, LOST_TOPIC, OpenError, Repair, repair, verify};

use crate::damage::{content, database, filled};
use crate::support::{Outcome, Rig, open, settle};

fn flip(path: &Path, place: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[place] ^= 0x20;
    std::fs::write(path, bytes).unwrap();
}

/// Flips a bit at the place of a text that counts: the first that makes the journal unsound.
fn flip_text(dir: &Path, text: &str) {
    let bytes = std::fs::read(database(dir)).unwrap();
    for place in (0..bytes.len()).filter(|place| bytes[*place..].starts_with(text.as_bytes())) {
        flip(&database(dir), place);
        if !verify(dir).unwrap().is_sound() {
            return;
        }
        flip(&database(dir), place);
    }
    panic!("{text} is nowhere");
}

/// The numbers of events that stand in for lost ones; all others must be as they were.
fn lost(rig: &Rig) -> Vec<u64> {
    let events = rig.read(1).unwrap().events;
    let lost = |event: &&std::sync::Arc<plugbus_bus::Event>| event.topic.as_str() == LOST_TOPIC;
    for event in events.iter().filter(|event| !lost(event)) {
        assert_eq!(event.payload.data, format!("data of {}", event.seq - 1));
    }
    events.iter().filter(lost).map(|event| event.seq).collect()
}

fn mend(dir: &Path) -> Repair {
    let mended = repair(dir).unwrap();
    assert!(!mended.before.is_sound() && mended.after.is_sound(), "{mended}");
    mended
}

#[test]
fn a_sound_journal_is_left_alone() {
    let dir = filled();
    let before = content(dir.path());
    let report = verify(dir.path()).unwrap();
    assert!(report.is_sound());
    assert_eq!((report.first, report.last, report.torn_bytes), (1, 400, 0));
    let count = |table| report.rows.iter().find(|(name, _)| *name == table).unwrap().1;
    assert_eq!(["events", "cursors", "settled", "retries", "state", "dead"].map(count), [400, 2, 2, 2, 200, 40]);
    let text = format!(
        "{}: 400 events (1 to 400)\n2 cursors, 40 dead letters, 200 keys with a value\nsound",
        dir.path().display()
    );
    assert_eq!(report.to_string(), text);
    let mended = repair(dir.path()).unwrap();
    assert_eq!((mended.aside.as_ref(), mended.to_string()), (None, "sound: nothing to repair".into()));
    assert_eq!(content(dir.path()), before);
}

#[test]
fn a_lost_event_is_stood_in_for_and_everything_else_stays() {
    let dir = filled();
    let cursors = Rig::open(dir.path()).recovered.cursors;
    flip_text(dir.path(), "data of 199");
    let damaged = std::fs::read(database(dir.path())).unwrap();
    let report = verify(dir.path()).unwrap();
    assert_eq!(report.damages.len(), 1, "{report}");
    assert!(report.damages[0].what.starts_with("row 200 of `events`: event 200: its checksum is"), "{report}");
    let mended = mend(dir.path());
    assert_eq!(mended.losses.events, [(200, 200)]);
    assert_eq!((&mended.losses.rows[..], &mended.losses.rewound[..]), (&[][..], &[][..]));
    assert_eq!(std::fs::read(mended.aside.as_ref().unwrap().join("journal.db")).unwrap(), damaged);
    assert!(mended.to_string().starts_with("lost: events 200 to 200\nthe damaged files are in "), "{mended}");
    let rig = Rig::open(dir.path());
    assert_eq!(lost(&rig), [200]);
    let event = &rig.read(200).unwrap().events[0];
    assert_eq!((&*event.id, &event.payload.data[..]), ("lost-200", &br#"{"seq":200}"#[..]));
    assert_eq!(rig.recovered.cursors, cursors);
    rig.append("next");
    assert_eq!(rig.told.wait(1), [Outcome::New { id: "next".into(), seq: 401 }]);
}

#[test]
fn the_first_and_the_last_event_can_be_lost_too() {
    for (text, lost_events, first, stands_in) in
        [("data of 0", (1, 1), 2, &[][..]), ("data of 399", (400, 400), 1, &[400][..])]
    {
        let dir = filled();
        flip_text(dir.path(), text);
        assert_eq!(mend(dir.path()).losses.events, [lost_events]);
        let rig = Rig::open(dir.path());
        assert_eq!((rig.read(1).unwrap().first, lost(&rig)), (first, stands_in.to_vec()));
        rig.append("next");
        assert_eq!(rig.told.wait(1), [Outcome::New { id: "next".into(), seq: 401 }]);
    }
}

#[test]
fn a_cursor_that_lost_its_place_begins_again_and_lost_rows_are_counted() {
    let dir = filled();
    let conn = rusqlite::Connection::open(database(dir.path())).unwrap();
    conn.execute_batch(
        "UPDATE cursors SET floor = 300 WHERE name = 'two';
         UPDATE settled SET seq = 18 WHERE cursor = 1;
         UPDATE retries SET due_ns = 6 WHERE cursor = 1;
         UPDATE state SET value = x'00' WHERE key = 'key-7';
         UPDATE dead SET text = 'no' WHERE id IN (3, 4, 5);",
    )
    .unwrap();
    drop(conn);
    let mended = mend(dir.path());
    let rows = [("cursors", 1), ("settled", 1), ("retries", 1), ("state", 2), ("dead", 3)];
    assert_eq!((&mended.losses.rows[..], &mended.losses.events[..]), (&rows[..], &[][..]));
    assert_eq!(mended.losses.rewound.iter().map(plugbus_bus::Name::as_str).collect::<Vec<_>>(), ["two"]);
    let rig = Rig::open(dir.path());
    let floors: Vec<_> = rig.recovered.cursors.iter().map(|cursor| (cursor.name.as_str(), cursor.floor)).collect();
    assert_eq!(floors, [("one", 11), ("two", 0)]);
    assert_eq!((rig.state("one").len(), rig.recovered.dead.len()), (99, 37));
}

/// Pages of all kinds, changed at some places each: what comes out is sound, and little is lost.
#[test]
fn any_changed_byte_costs_little() {
    let dir = filled();
    let whole = std::fs::read(database(dir.path())).unwrap();
    let mut mended = 0;
    for place in (0..whole.len()).step_by(1013) {
        std::fs::write(database(dir.path()), &whole).unwrap();
        flip(&database(dir.path()), place);
        match verify(dir.path()) {
            Ok(report) if report.is_sound() => continue,
            Ok(_) => {}
            Err(OpenError::Format { .. } | OpenError::NotAJournal { .. }) => continue,
            Err(error) => panic!("byte {place}: {error}"),
        }
        let losses = mend(dir.path()).losses;
        let events: u64 = losses.events.iter().map(|(first, last)| last - first + 1).sum();
        assert!(events < 60, "byte {place}: {losses:?}");
        let rig = Rig::open(dir.path());
        let stood_in = lost(&rig).len() as u64;
        assert!(stood_in <= events, "byte {place}: {losses:?}");
        assert_eq!(rig.journal.stats().last, 400, "byte {place}");
        mended += 1;
    }
    assert!(mended > 50, "{mended}");
}

#[test]
fn half_a_database_gives_back_half() {
    let dir = filled();
    let whole = std::fs::read(database(dir.path())).unwrap();
    std::fs::write(database(dir.path()), &whole[..whole.len() / 2]).unwrap();
    mend(dir.path());
    let rig = Rig::open(dir.path());
    let batch = rig.read(1).unwrap();
    let saved = batch.events.len() - lost(&rig).len();
    assert!((10..400).contains(&saved), "{saved}");
    rig.fill(1000..1100);
}

#[test]
fn a_changed_log_loses_one_event_at_most() {
    for within in [30, 1000, 4000] {
        let (dir, copied) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let rig = Rig::with(JournalConfig { batch_writes_max: 1, ..JournalConfig::new(dir.path()) }).unwrap();
        rig.fill(0..200);
        rig.write(open("c", 0));
        rig.write(Write::Settle(Box::new(settle("c", 5, 5))));
        rig.flush();
        for file in ["journal.db", "journal.db-wal", "journal.lock"] {
            std::fs::copy(dir.path().join(file), copied.path().join(file)).unwrap();
        }
        let log = copied.path().join("journal.db-wal");
        flip(&log, 32 + 40 * 4120 + within);
        let mended = mend(copied.path());
        assert_eq!(mended.before.damages[0].path, log, "{mended}");
        assert!(mended.aside.as_ref().unwrap().join("journal.db-wal").exists());
        let rig = Rig::open(copied.path());
        assert_eq!(rig.journal.stats().last, 200);
        assert!(lost(&rig).len() <= 1, "{:?}", lost(&rig));
        assert_eq!(rig.recovered.cursors[0].floor, 5);
    }
}

#[test]
fn an_interrupted_repair_is_done_again_from_the_copies() {
    let dir = filled();
    flip_text(dir.path(), "data of 199");
    let aside = dir.path().join("damaged-1");
    std::fs::create_dir(&aside).unwrap();
    std::fs::copy(database(dir.path()), aside.join("journal.db")).unwrap();
    std::fs::write(dir.path().join("journal.repairing"), "damaged-1").unwrap();
    std::fs::write(database(dir.path()), "half of it").unwrap();
    let refused = Rig::with(JournalConfig::new(dir.path())).unwrap_err();
    assert!(matches!(refused, OpenError::HalfRepaired { .. }), "{refused}");
    assert!(refused.to_string().contains("run `plugbus journal repair` again"));
    assert!(matches!(verify(dir.path()), Err(OpenError::HalfRepaired { .. })));
    let mended = mend(dir.path());
    assert_eq!((mended.losses.events, mended.aside), (vec![(200, 200)], Some(aside)));
    assert_eq!(lost(&Rig::open(dir.path())), [200]);
}

#[test]
fn nobody_looks_at_a_journal_that_is_in_use_or_mends_what_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::open(dir.path());
    assert!(matches!(verify(dir.path()), Err(OpenError::Locked { .. })));
    assert!(matches!(repair(dir.path()), Err(OpenError::Locked { .. })));
    rig.close();
    let other = tempfile::tempdir().unwrap();
    std::fs::write(database(other.path()), [7; 9000]).unwrap();
    assert!(matches!(verify(other.path()), Err(OpenError::NotAJournal { .. })));
    assert!(matches!(repair(other.path()), Err(OpenError::NotAJournal { .. })));
    assert!(verify(&other.path().join("nowhere")).is_err());
    let empty = tempfile::tempdir().unwrap();
    let none = verify(empty.path()).unwrap_err().to_string();
    assert_eq!(none, format!("cannot find {}", database(empty.path()).display()));
    assert!(repair(empty.path()).is_err());
    assert!(!database(empty.path()).exists());
}
