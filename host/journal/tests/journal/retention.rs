//! What is old or too much goes, and what a cursor has not settled stays.

use std::time::Duration;

use plugbus_bus::journal::Write;
use plugbus_bus::{Event, Payload};
use plugbus_journal::{JournalConfig, OnFull};

use crate::support::{Outcome, Rig, append, event, name, open, settle, until};

const MIB: u64 = 1 << 20;

fn big(id: usize) -> Write {
    let payload = Payload::new("application/octet-stream", vec![1; 10_000]);
    Write::Append(Box::new(append(Event { payload, ..event(id) })))
}

fn small(dir: &std::path::Path) -> JournalConfig {
    JournalConfig { bytes_max: MIB, ..JournalConfig::new(dir) }
}

/// Appends big events with these ids, one after another.
fn publish(rig: &Rig, ids: std::ops::Range<usize>) -> Vec<Outcome> {
    let before = rig.told.wait(0).len();
    for (done, id) in ids.enumerate() {
        rig.write(big(id));
        rig.told.wait(before + done + 1);
    }
    rig.told.wait(before)[before..].to_vec()
}

fn is_new(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::New { .. })
}

#[test]
fn the_oldest_go_when_it_is_full_and_the_file_does_not_grow() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::with(small(dir.path())).unwrap();
    let mut sizes = Vec::new();
    for round in 0..10 {
        assert!(publish(&rig, round * 100..round * 100 + 100).iter().all(is_new));
        sizes.push(std::fs::metadata(dir.path().join("journal.db")).unwrap().len());
    }
    let stats = rig.journal.stats();
    assert!(stats.bytes < MIB + 200_000 && stats.file_bytes < MIB + 200_000, "{stats:?}");
    assert!(sizes.iter().all(|bytes| *bytes < MIB + 200_000), "{sizes:?}");
    assert_eq!((stats.last, stats.last - stats.first + 1 + stats.retired), (1000, 1000));
    let batch = rig.read(1).unwrap();
    assert_eq!((batch.first, batch.last), (stats.first, 1000));
    assert_eq!(batch.events[0].seq, batch.first);
    assert!(batch.events.len() > 50, "{}", batch.events.len());
    rig.close();
    let rig = Rig::with(small(dir.path())).unwrap();
    assert_eq!(rig.read(1).unwrap().first, batch.first);
}

#[test]
fn a_cursor_that_holds_everything_back_makes_it_refuse_until_it_moves() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::with(small(dir.path())).unwrap();
    rig.write(open("slow", 0));
    let told = publish(&rig, 0..200);
    let taken = told.iter().take_while(|outcome| is_new(outcome)).count();
    assert!((60..120).contains(&taken), "{taken}");
    for outcome in &told[taken..] {
        let Outcome::Refused { error, .. } = outcome else { panic!("{outcome:?}") };
        assert!(error.starts_with("the journal is full (") && error.contains("of 1048576 bytes"), "{error}");
    }
    assert!(rig.journal.stats().trouble.is_some_and(|trouble| trouble.contains("is full")));
    // What a handler did is written all the same.
    let mut settled = settle("slow", 1, 1);
    settled.published = vec![append(event("out"))];
    rig.write(Write::Settle(Box::new(settled)));
    let last = u64::try_from(taken).unwrap() + 1;
    assert_eq!(rig.told.wait(201)[200], Outcome::New { id: "out".into(), seq: last });
    rig.write(Write::Floors(vec![(name("slow"), 50)]));
    until("there is room", || rig.journal.stats().trouble.is_none());
    assert!(publish(&rig, 1000..1002).iter().all(is_new));
    assert_eq!(rig.journal.stats().dropped, []);
}

#[test]
fn one_that_is_full_when_it_is_opened_refuses_the_first_event() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::with(small(dir.path())).unwrap();
    rig.write(open("slow", 0));
    publish(&rig, 0..200);
    rig.close();
    let rig = Rig::with(small(dir.path())).unwrap();
    assert!(matches!(publish(&rig, 1000..1001)[..], [Outcome::Refused { .. }]));
}

#[test]
fn the_oldest_go_past_a_cursor_where_that_is_the_policy_and_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::with(JournalConfig { on_full: OnFull::DropOldest, ..small(dir.path()) }).unwrap();
    rig.write(open("slow", 0));
    rig.write(open("quick", 1_000_000));
    publish(&rig, 0..20);
    rig.write(Write::Settle(Box::new(settle("slow", 5, 2))));
    assert!(publish(&rig, 20..300).iter().all(is_new));
    let stats = rig.journal.stats();
    // Up to 2 and the one in the middle were settled.
    assert_eq!(stats.dropped, [(name("slow"), stats.retired - 3)]);
    rig.close();
    let rig = Rig::with(small(dir.path())).unwrap();
    let slow = &rig.recovered.cursors[0];
    assert_eq!((slow.floor, &slow.settled[..]), (stats.first - 1, &[][..]));
}

#[test]
fn old_events_go_but_not_past_a_cursor_and_numbers_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::open(dir.path());
    rig.fill(0..5000);
    rig.write(open("c", 4000));
    rig.close();
    let aged = JournalConfig { age_max: Duration::ZERO, on_full: OnFull::DropOldest, ..JournalConfig::new(dir.path()) };
    let rig = Rig::with(aged.clone()).unwrap();
    until("all that may go is gone", || rig.journal.stats().first == 4001);
    rig.write(Write::Retire(vec![name("c")]));
    until("everything is gone", || rig.journal.stats().first == 5001);
    assert_eq!(rig.journal.stats().retired, 5000);
    let batch = rig.read(1).unwrap();
    assert_eq!((batch.first, batch.last, batch.events.len()), (5001, 5000, 0));
    rig.close();
    let rig = Rig::open(dir.path());
    rig.append("next");
    assert_eq!(rig.told.wait(1), [Outcome::New { id: "next".into(), seq: 5001 }]);
}
