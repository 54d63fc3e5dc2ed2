//! What is not as it was written stops the start, with the file and the place.

use std::path::{Path, PathBuf};

use plugbus_bus::journal::{Retry, Write};
use plugbus_bus::{DeadLetter, DeadReason};
use plugbus_journal::{Damage, JournalConfig, OpenError};
use std::sync::Arc;

use crate::support::{Rig, event, name, open, set, settle};

pub fn database(dir: &Path) -> PathBuf {
    dir.join("journal.db")
}

/// A closed journal with something in each table, some of it over many pages.
pub fn filled() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::open(dir.path());
    rig.fill(0..400);
    for cursor in ["one", "two"] {
        rig.write(open(cursor, 10));
        rig.write(Write::Settle(Box::new(settle(cursor, 17, 11))));
        let retry = Retry { cursor: name(cursor), seq: 19, attempt: 2, due_ns: 5, history: Vec::new() };
        rig.write(Write::Retry(Box::new(retry)));
        for key in 0..100 {
            let mut stored = settle(cursor, 0, 0);
            stored.state = vec![set(&format!("key-{key}"), &format!("value of {cursor} {key} {}", "v".repeat(100)))];
            rig.write(Write::Settle(Box::new(stored)));
        }
    }
    for id in 1..=40 {
        rig.write(Write::Dead(Box::new(DeadLetter {
            id,
            event: Arc::new(event(format!("dead-{id}"))),
            subscription: Some(name("one")),
            reason: DeadReason::Rejected(format!("reason {id}")),
            attempts: Vec::new(),
            time_ns: 1,
        })));
    }
    rig.close();
    dir
}

/// Where a text lies in the database: once as it counts, perhaps more often where nothing is any more.
fn places(bytes: &[u8], text: &str) -> Vec<usize> {
    (0..bytes.len()).filter(|place| bytes[*place..].starts_with(text.as_bytes())).collect()
}

pub fn damage(dir: &Path) -> (Damage, String) {
    let error = Rig::with(JournalConfig::new(dir)).unwrap_err();
    let text = error.to_string();
    let OpenError::Damaged(damage) = error else { panic!("{text}") };
    (damage, text)
}

#[test]
fn a_changed_row_of_any_table_is_named_with_file_and_page() {
    for (text, table) in [
        ("data of 123", "row 124 of `events`: event 124: its checksum is"),
        ("value of two 77", "of `state`: key `key-77`: its checksum does not hold"),
        ("reason 33", "row 33 of `dead`: its checksum does not hold"),
        ("data of dead-21", "row 21 of `dead`: its checksum is"),
    ] {
        let dir = filled();
        let whole = std::fs::read(database(dir.path())).unwrap();
        let named = places(&whole, text).into_iter().filter(|place| {
            let mut bytes = whole.clone();
            bytes[*place] ^= 1;
            std::fs::write(database(dir.path()), bytes).unwrap();
            let Err(error) = Rig::with(JournalConfig::new(dir.path())) else { return false };
            let text = error.to_string();
            let OpenError::Damaged(damage) = error else { panic!("{text}") };
            assert!(damage.what.contains(table), "{text}");
            let page = *place as u64 / 4096 * 4096;
            assert_eq!((damage.path, damage.offset), (database(dir.path()), page), "{text}");
            assert!(text.contains("plugbus journal repair"), "{text}");
            true
        });
        assert_eq!(named.count(), 1, "{text}");
    }
}

/// Every page of a small journal, changed at some places: the start is refused, or nothing that counts was changed.
#[test]
fn no_changed_byte_goes_unnoticed_and_matters() {
    let dir = filled();
    let expected = content(dir.path());
    let whole = std::fs::read(database(dir.path())).unwrap();
    let (mut seen, mut harmless) = (0, 0);
    for place in (0..whole.len()).step_by(331) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x20;
        std::fs::write(database(dir.path()), bytes).unwrap();
        match Rig::with(JournalConfig::new(dir.path())) {
            Err(OpenError::Damaged(damage)) => {
                assert!(damage.offset <= whole.len() as u64);
                seen += 1;
            }
            Err(OpenError::NotAJournal { .. } | OpenError::Format { .. }) => seen += 1,
            Err(error) => panic!("byte {place}: {error:?}"),
            Ok(rig) => {
                drop(rig);
                assert_eq!(content(dir.path()), expected, "byte {place}");
                harmless += 1;
            }
        }
    }
    assert!(seen > harmless, "{seen} were seen, {harmless} lay where nothing is");
}

/// Everything in a journal, as text.
pub fn content(dir: &Path) -> String {
    let rig = Rig::open(dir);
    let batch = rig.read(1).unwrap();
    let state = ["one", "two"].map(|cursor| rig.state(cursor));
    format!("{} {:?} {:?} {:?} {state:?}", batch.first, batch.events, rig.recovered.cursors, rig.recovered.dead)
}

#[test]
fn a_database_that_was_cut_off_is_refused_with_the_place() {
    let dir = filled();
    let whole = std::fs::read(database(dir.path())).unwrap();
    for keep in [whole.len() - 1, whole.len() - 4096, whole.len() / 2, 4096, 50, 0] {
        std::fs::write(database(dir.path()), &whole[..keep]).unwrap();
        let (damage, text) = damage(dir.path());
        assert_eq!((damage.path, damage.offset), (database(dir.path()), keep as u64), "{text}");
    }
}

#[test]
fn a_change_in_the_log_is_refused_with_the_frame() {
    let dir = tempfile::tempdir().unwrap();
    let copied = tempfile::tempdir().unwrap();
    let rig = Rig::with(JournalConfig { batch_writes_max: 1, ..JournalConfig::new(dir.path()) }).unwrap();
    rig.fill(0..20);
    for file in ["journal.db", "journal.db-wal", "journal.lock"] {
        std::fs::copy(dir.path().join(file), copied.path().join(file)).unwrap();
    }
    let log = copied.path().join("journal.db-wal");
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[32 + 3 * 4120 + 1000] ^= 4;
    std::fs::write(&log, &bytes).unwrap();
    let (damage, text) = damage(copied.path());
    assert_eq!((damage.path, damage.offset), (log.clone(), 32 + 3 * 4120), "{text}");
    assert_eq!(std::fs::read(&log).unwrap(), bytes, "nothing was changed");
}

#[test]
fn a_missing_event_is_noticed() {
    let dir = filled();
    let conn = rusqlite::Connection::open(database(dir.path())).unwrap();
    conn.execute("DELETE FROM events WHERE seq = 200", []).unwrap();
    drop(conn);
    let (damage, _) = damage(dir.path());
    assert_eq!(damage.what, "row 200 of `events`: event 200 is missing: event 201 follows");
}

#[test]
fn other_files_and_formats_are_refused_with_a_word() {
    let refused = |bytes: &[u8]| {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(database(dir.path()), bytes).unwrap();
        Rig::with(JournalConfig::new(dir.path())).unwrap_err().to_string()
    };
    assert!(refused(&[7; 5000]).ends_with("is no journal: it does not begin as a SQLite database does"));
    let dir = filled();
    let mut bytes = std::fs::read(database(dir.path())).unwrap();
    bytes[63] = 9;
    let format = refused(&bytes);
    assert!(
        format.ends_with("has format 9, and this plugbus knows format 1: use the version that wrote it"),
        "{format}"
    );
    bytes[68] = 0;
    assert!(refused(&bytes).contains("is no journal: its application id is 0x00"));
}

#[test]
fn a_log_without_its_database_is_not_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("journal.db-wal"), "something").unwrap();
    let (damage, _) = damage(dir.path());
    assert_eq!(damage.what, "the database beside it is gone");
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Rig::with(JournalConfig::new(file.join("below"))).unwrap_err().to_string();
    assert_eq!(error, format!("cannot make the folder {}", file.join("below").display()));
}
