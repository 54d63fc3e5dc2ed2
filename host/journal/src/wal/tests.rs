//! Logs that SQLite wrote, whole, cut and changed.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rusqlite::Connection;

use super::*;
use crate::config::SyncMode;

/// A log of so many transactions, each of some pages, and where each ends in frames.
fn log(dir: &Path, transactions: usize) -> (PathBuf, Vec<u64>) {
    let path = dir.join("x.db");
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (x)").unwrap();
    let wal = dir.join("x.db-wal");
    let mut ends = vec![Wal::read(&wal).unwrap().good];
    for _ in 0..transactions {
        conn.execute("INSERT INTO t VALUES (randomblob(10000))", []).unwrap();
        ends.push(Wal::read(&wal).unwrap().good);
    }
    let copy = dir.join("copy");
    std::fs::copy(&wal, &copy).unwrap();
    (copy, ends)
}

fn flip(path: &Path, offset: u64) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[usize::try_from(offset).unwrap()] ^= 0x10;
    std::fs::write(path, bytes).unwrap();
}

fn verdict(path: &Path) -> Verdict {
    judge(&Wal::read(path).unwrap(), Boot::Same, SyncMode::Group)
}

#[test]
fn a_whole_log_is_read_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let (path, ends) = log(dir.path(), 3);
    let wal = Wal::read(&path).unwrap();
    assert_eq!((wal.good, wal.committed), (ends[3], ends[3]));
    assert_eq!(wal.behind, Behind::default());
    assert_eq!(wal.bytes, wal.offset(wal.good));
    assert!(wal.pages > 6 && wal.latest.len() > 6, "{wal:?}");
    assert_eq!(verdict(&path), Verdict::Whole);
}

#[test]
fn no_file_an_empty_one_and_a_short_one_are_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    assert_eq!(verdict(&path), Verdict::Whole);
    for bytes in [0, 5, 31, 32, 40] {
        std::fs::write(&path, vec![0; bytes]).unwrap();
        assert_eq!(verdict(&path), Verdict::Whole, "{bytes}");
    }
}

#[test]
fn a_change_before_the_last_transaction_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let (path, ends) = log(dir.path(), 3);
    let wal = Wal::read(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for frame in 0..ends[2] {
        for within in [0, 4, 9, 13, 17, 23, 24, 600, 4119] {
            flip(&path, wal.offset(frame) + within);
            assert!(
                matches!(verdict(&path), Verdict::Damaged { frame: Some(bad) } if bad == frame),
                "{frame} {within}"
            );
            std::fs::write(&path, &whole).unwrap();
        }
    }
    for byte in 0..32 {
        flip(&path, byte);
        assert_eq!(verdict(&path), Verdict::Damaged { frame: None }, "{byte}");
        std::fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn a_change_in_the_last_transaction_is_damage_unless_the_machine_died() {
    let dir = tempfile::tempdir().unwrap();
    let (path, ends) = log(dir.path(), 3);
    let wal = Wal::read(&path).unwrap();
    flip(&path, wal.offset(ends[2]) + 100);
    let wal = Wal::read(&path).unwrap();
    let frames = ends[3] - ends[2];
    let torn = Verdict::Torn { frames, bytes: frames * 4120 };
    assert_eq!(judge(&wal, Boot::Same, SyncMode::Group), Verdict::Damaged { frame: Some(ends[2]) });
    assert_eq!(judge(&wal, Boot::Other, SyncMode::Group), torn);
    assert_eq!(judge(&wal, Boot::Other, SyncMode::Os), torn);
}

#[test]
fn what_was_synced_before_the_machine_died_must_be_there_unless_nothing_is_synced() {
    let dir = tempfile::tempdir().unwrap();
    let (path, ends) = log(dir.path(), 3);
    let wal = Wal::read(&path).unwrap();
    // The frame that ends the second transaction: one more transaction ends behind it.
    flip(&path, wal.offset(ends[2] - 1) + 100);
    let wal = Wal::read(&path).unwrap();
    assert_eq!(wal.behind.commits, 1);
    assert_eq!(judge(&wal, Boot::Other, SyncMode::Group), Verdict::Damaged { frame: Some(ends[2] - 1) });
    assert!(matches!(judge(&wal, Boot::Other, SyncMode::Os), Verdict::Torn { .. }));
}

#[test]
fn frames_of_an_older_generation_mean_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let conn = Connection::open(dir.path().join("x.db")).unwrap();
    conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (x)").unwrap();
    for _ in 0..9 {
        conn.execute("INSERT INTO t VALUES (randomblob(10000))", []).unwrap();
    }
    conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
    conn.execute("INSERT INTO t VALUES (1)", []).unwrap();
    let path = dir.path().join("x.db-wal");
    let wal = Wal::read(&path).unwrap();
    assert!(wal.bytes > wal.offset(wal.good + 5), "the older frames are still there: {wal:?}");
    assert_eq!(wal.behind, Behind::default());
    assert_eq!(verdict(&path), Verdict::Whole);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_cut_log_is_torn_or_whole_and_keeps_what_lies_before_the_cut(cut in 0u64..=100_000) {
        let dir = tempfile::tempdir().unwrap();
        let (path, ends) = log(dir.path(), 3);
        let whole = Wal::read(&path).unwrap();
        let keep = whole.bytes * cut / 100_000;
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(keep).unwrap();
        let wal = Wal::read(&path).unwrap();
        let end = ends.iter().copied().filter(|end| whole.offset(*end) <= keep).max().unwrap_or(0);
        prop_assert_eq!(wal.committed, end);
        match verdict(&path) {
            Verdict::Whole => prop_assert!(keep < 32 + 24 || keep - whole.offset(end) < 24),
            // Less than a frame's header at the end is not counted.
            Verdict::Torn { bytes, .. } => prop_assert!((keep - whole.offset(end) - bytes) < 24),
            Verdict::Damaged { .. } => prop_assert!(false),
        }
    }
}
