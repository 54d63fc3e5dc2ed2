//! What a killed process leaves: the files as they are at some moment.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use plugbus_bus::journal::Write;
use plugbus_journal::{JournalConfig, SyncMode};

use crate::support::{Outcome, Rig, append, event, open, set, settle, until};

/// Copies a journal that somebody writes.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in ["journal.db", "journal.db-wal", "journal.lock"] {
        std::fs::copy(from.join(file), to.join(file)).unwrap();
    }
}

fn wal(dir: &Path) -> PathBuf {
    dir.join("journal.db-wal")
}

/// Publishes, and settles what was published with a counter, while the files are copied again and again.
#[test]
fn what_was_acknowledged_before_the_crash_is_there_in_order_once() {
    for sync in [SyncMode::Group, SyncMode::Os] {
        let dir = tempfile::tempdir().unwrap();
        let config = JournalConfig { sync, batch_writes_max: 20, ..JournalConfig::new(dir.path()) };
        let rig = Rig::with(config.clone()).unwrap();
        rig.write(open("c", 0));
        let rounds = AtomicUsize::new(1);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut at = 0;
                while at < 20 * 50 {
                    // A little for each copy, so that nothing has to be written back into the database in the meantime.
                    until("the next copy is made", || at < 50 * rounds.load(Ordering::Relaxed));
                    rig.fill(at..at + 10);
                    at += 10;
                    for seq in at - 9..=at {
                        let seq = u64::try_from(seq).unwrap();
                        let mut counted = settle("c", seq, seq);
                        counted.state = vec![set("count", &seq.to_string())];
                        rig.write(Write::Settle(Box::new(counted)));
                    }
                }
            });
            for round in 0..20 {
                let acknowledged = rig.told.wait(0).len();
                let crashed = dir.path().join(format!("crash-{round}"));
                // These copies are of one moment: that at which the log was read, to which is only added.
                copy(dir.path(), &crashed);
                check(&config, &crashed, acknowledged);
                rounds.store(round + 2, Ordering::Relaxed);
            }
        });
        assert_eq!(rig.journal.stats().checkpoints, 0);
    }
}

fn check(config: &JournalConfig, dir: &Path, acknowledged: usize) {
    let rig = Rig::with(JournalConfig { dir: dir.into(), ..config.clone() }).unwrap();
    let ids = rig.ids();
    assert!(ids.len() >= acknowledged, "{} of {acknowledged} acknowledged events are there", ids.len());
    for (place, (seq, id)) in ids.iter().enumerate() {
        assert_eq!((*seq, id), (u64::try_from(place).unwrap() + 1, &place.to_string()));
    }
    let floor = rig.recovered.cursors.first().map_or(0, |cursor| cursor.floor);
    let counted = rig.state("c").first().map_or("0".into(), |entry| String::from_utf8_lossy(&entry.value).into_owned());
    assert_eq!(floor.to_string(), counted, "the counter is what was settled");
    rig.append("next");
    let next = Outcome::New { id: "next".into(), seq: u64::try_from(ids.len()).unwrap() + 1 };
    assert_eq!(rig.told.wait(1), [next]);
}

/// A journal whose files were copied before it was closed: its log is not written back.
fn crashed(events: std::ops::Range<usize>) -> tempfile::TempDir {
    let (dir, copied) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let config = JournalConfig { batch_writes_max: 1, ..JournalConfig::new(dir.path()) };
    let rig = Rig::with(config).unwrap();
    rig.fill(events);
    copy(dir.path(), copied.path());
    copied
}

#[test]
fn a_torn_tail_is_cut_off_at_any_place() {
    let dir = crashed(0..6);
    let whole = std::fs::read(wal(dir.path())).unwrap();
    let database = std::fs::read(dir.path().join("journal.db")).unwrap();
    let mut before = 6;
    for cut in (0..whole.len()).rev().step_by(1777) {
        std::fs::write(wal(dir.path()), &whole[..cut]).unwrap();
        std::fs::write(dir.path().join("journal.db"), &database).unwrap();
        let rig = Rig::open(dir.path());
        let ids: Vec<_> = rig.ids().into_iter().map(|(_, id)| id).collect();
        assert_eq!(ids, (0..ids.len()).map(|id| id.to_string()).collect::<Vec<_>>());
        assert!(ids.len() <= before && ids.len() + 1 >= before, "{} events at {cut}, {before} before", ids.len());
        before = ids.len();
        rig.append("goes on");
        rig.told.wait(1);
        rig.close();
        let rig = Rig::open(dir.path());
        assert_eq!(rig.ids().len(), before + 1);
        rig.close();
    }
    assert_eq!(before, 0);
}

#[test]
fn rubbish_behind_the_last_transaction_is_cut_off() {
    let dir = crashed(0..3);
    let mut bytes = std::fs::read(wal(dir.path())).unwrap();
    bytes.extend((0..10_000u32).map(|n| n.to_le_bytes()[0]));
    std::fs::write(wal(dir.path()), bytes).unwrap();
    let rig = Rig::open(dir.path());
    assert_eq!(rig.ids().len(), 3);
    rig.fill(3..9);
    rig.close();
    assert_eq!(Rig::open(dir.path()).ids().len(), 9);
}

#[test]
fn half_a_new_journal_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("journal.db.new"), "half").unwrap();
    std::fs::write(dir.path().join("journal.db.new-journal"), "half").unwrap();
    let rig = Rig::open(dir.path());
    rig.write(Write::Append(Box::new(append(event("a")))));
    rig.told.wait(1);
    assert!(!dir.path().join("journal.db.new").exists());
}
