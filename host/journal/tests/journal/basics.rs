//! Every kind of write, read back at once and after a restart.

use std::sync::Arc;

use plugbus_bus::journal::{Cursor, Journal, Retry, StateWrite, Write};
use plugbus_bus::{AttemptRecord, DeadLetter, DeadReason, Event};
use plugbus_journal::{JournalConfig, SyncMode};

use crate::support::{Outcome, Rig, append, event, name, open, set, settle, until, wait};

fn new(id: &str, seq: u64) -> Outcome {
    Outcome::New { id: id.into(), seq }
}

#[test]
fn events_come_back_as_they_were_with_rising_numbers_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::open(dir.path());
    assert_eq!(rig.journal.span(), (1, 0));
    assert_eq!((rig.read(1).unwrap().first, rig.read(1).unwrap().last), (1, 0));
    rig.append("a");
    rig.append("b");
    assert_eq!(rig.told.wait(2), [new("a", 1), new("b", 2)]);
    assert_eq!(rig.journal.span(), (1, 2));
    let expected = [Event { seq: 1, ..event("a") }, Event { seq: 2, ..event("b") }].map(Arc::new);
    assert_eq!(rig.read(0).unwrap().events, expected);
    rig.close();

    let rig = Rig::open(dir.path());
    assert_eq!(rig.journal.span(), (1, 2));
    assert_eq!(rig.read(0).unwrap().events, expected);
    rig.append("c");
    assert_eq!(rig.told.wait(1), [new("c", 3)]);
    let batch = rig.read(3).unwrap();
    assert_eq!((batch.first, batch.last, batch.events.len()), (1, 3, 1));
    assert!(rig.read(4).unwrap().events.is_empty());
    assert!(rig.read(u64::MAX).unwrap().events.is_empty());
}

#[test]
fn a_read_is_bounded_in_events_and_bytes_but_gives_at_least_one() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::open(dir.path());
    rig.fill(0..10);
    let count = |events_max, bytes_max| wait(rig.journal.read(3, events_max, bytes_max)).unwrap().events.len();
    assert_eq!(count(4, usize::MAX), 4);
    assert_eq!(count(100, usize::MAX), 8);
    assert_eq!(count(100, 0), 1);
    let one = event("0").size_bytes();
    assert_eq!(count(100, 3 * one), 3);
}

#[test]
fn times_of_acceptance_lead_to_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::open(dir.path());
    let now = || u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos()).unwrap();
    assert_eq!(wait(rig.journal.seq_at(now())).unwrap(), 1);
    rig.fill(0..5);
    let between = now();
    until("the clock goes on", || now() > between);
    rig.fill(5..9);
    assert_eq!(wait(rig.journal.seq_at(0)).unwrap(), 1);
    assert_eq!(wait(rig.journal.seq_at(between)).unwrap(), 6);
    assert_eq!(wait(rig.journal.seq_at(u64::MAX)).unwrap(), 10);
}

#[test]
fn a_settlement_keeps_everything_it_leads_to() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::open(dir.path());
    rig.fill(0..5);
    rig.write(open("c", 1));
    rig.write(Write::Settle(Box::new(settle("c", 4, 1))));
    let mut last = settle("c", 2, 2);
    last.published = vec![append(event("out"))];
    last.state = vec![set("count", "1"), set("gone", "x")];
    last.dead = Some(Box::new(letter(7)));
    rig.write(Write::Settle(Box::new(last)));
    let mut replayed = settle("c", 0, 0);
    replayed.state = vec![StateWrite::Delete { bucket: "b".into(), key: "gone".into() }];
    rig.write(Write::Settle(Box::new(replayed)));
    assert_eq!(rig.told.wait(6)[5], new("out", 6));
    rig.flush();
    let check = |rig: &Rig| {
        let state: Vec<_> = rig.state("c").iter().map(|entry| (entry.key.to_string(), entry.value.clone())).collect();
        assert_eq!(state, [("count".to_owned(), "1".into())]);
        assert_eq!(rig.state("nobody"), []);
    };
    check(&rig);
    rig.close();

    let rig = Rig::open(dir.path());
    check(&rig);
    let cursor = Cursor { name: name("c"), floor: 2, settled: vec![4], retries: vec![], absent_since_ns: None };
    assert_eq!(rig.recovered.cursors, [cursor]);
    assert_eq!(rig.recovered.dead.len(), 1);
    let (read, written) = (&rig.recovered.dead[0], letter(7));
    assert_eq!((read.id, &read.event, &read.subscription), (7, &written.event, &written.subscription));
    assert_eq!((read.reason.name(), read.reason.to_string()), ("rejected", "rejected: no".into()));
    assert_eq!((&read.attempts, read.time_ns), (&written.attempts, written.time_ns));
}

fn letter(id: u64) -> DeadLetter {
    DeadLetter {
        id,
        event: Arc::new(Event { seq: 2, ..event("poison") }),
        subscription: Some(name("c")),
        reason: DeadReason::Rejected("no".into()),
        attempts: vec![attempt()],
        time_ns: 5,
    }
}

fn attempt() -> AttemptRecord {
    let (stderr, backtrace) = (Some("panic".into()), vec!["frame".into()]);
    AttemptRecord { attempt: 1, kind: "trap", reason: "trap: x".into(), stderr, backtrace, time_ns: 4 }
}

fn retry(seq: u64, attempt_no: u32) -> Retry {
    Retry { cursor: name("c"), seq, attempt: attempt_no, due_ns: u64::MAX, history: vec![attempt()] }
}

#[test]
fn retries_live_until_they_are_settled_or_passed() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::open(dir.path());
    rig.fill(0..9);
    rig.write(open("c", 0));
    for (seq, attempt) in [(3, 2), (3, 3), (5, 2), (7, 2), (8, 2)] {
        rig.write(Write::Retry(Box::new(retry(seq, attempt))));
    }
    rig.write(Write::Settle(Box::new(settle("c", 7, 0))));
    rig.close();
    let rig = Rig::open(dir.path());
    assert_eq!(rig.recovered.cursors[0].retries, [retry(3, 3), retry(5, 2), retry(8, 2)]);
    rig.write(Write::Floors(vec![(name("c"), 5), (name("unknown"), 9)]));
    rig.close();
    let rig = Rig::open(dir.path());
    let [cursor] = &rig.recovered.cursors[..] else { panic!("{:?}", rig.recovered) };
    assert_eq!((cursor.floor, &cursor.settled[..], &cursor.retries[..]), (5, &[7][..], &[retry(8, 2)][..]));
}

#[test]
fn a_cursor_is_made_once_is_absent_and_retired_with_all_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::open(dir.path());
    rig.fill(0..3);
    rig.write(open("c", 1));
    rig.write(open("c", 3));
    rig.write(Write::Floors(vec![(name("c"), 0)]));
    rig.write(Write::Absent { cursor: name("c"), since_ns: 77 });
    rig.close();
    let rig = Rig::open(dir.path());
    let absent = Cursor { name: name("c"), floor: 1, settled: vec![], retries: vec![], absent_since_ns: Some(77) };
    assert_eq!(rig.recovered.cursors, std::slice::from_ref(&absent));
    rig.write(open("c", 2));
    let mut counted = settle("c", 3, 1);
    counted.state = vec![set("k", "v")];
    rig.write(Write::Settle(Box::new(counted)));
    rig.write(Write::Retry(Box::new(retry(2, 2))));
    rig.close();
    let rig = Rig::open(dir.path());
    let back = Cursor { settled: vec![3], retries: vec![retry(2, 2)], absent_since_ns: None, ..absent };
    assert_eq!(rig.recovered.cursors, [back]);
    rig.write(Write::Retire(vec![name("c"), name("unknown")]));
    let mut late = settle("c", 2, 2);
    late.state = vec![set("late", "v")];
    late.published = vec![append(event("kept"))];
    rig.write(Write::Settle(Box::new(late)));
    rig.write(open("c", 2));
    assert_eq!(rig.told.wait(1), [new("kept", 4)]);
    rig.close();
    let rig = Rig::open(dir.path());
    let fresh = Cursor { name: name("c"), floor: 2, settled: vec![], retries: vec![], absent_since_ns: None };
    assert_eq!(rig.recovered.cursors, [fresh]);
    assert_eq!(rig.state("c"), []);
}

#[test]
fn dead_letters_stay_until_they_are_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::open(dir.path());
    for id in [1, 2, 3] {
        let subscription = if id == 2 { None } else { Some(name("c")) };
        rig.write(Write::Dead(Box::new(DeadLetter { subscription, ..letter(id) })));
    }
    rig.write(Write::DeadGone(vec![1, 9]));
    rig.close();
    let rig = Rig::open(dir.path());
    let found: Vec<_> = rig.recovered.dead.iter().map(|letter| (letter.id, letter.subscription.clone())).collect();
    assert_eq!(found, [(2, None), (3, Some(name("c")))]);
}

#[test]
fn what_queued_during_a_commit_shares_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::open(dir.path());
    rig.fill(0..2000);
    let stats = rig.journal.stats();
    assert_eq!((stats.appended, stats.queued, stats.trouble), (2000, 0, None));
    assert!(stats.commits < 500, "{} commits for 2000 events that came at once", stats.commits);
    assert_eq!(rig.told.calls(), usize::try_from(stats.commits).unwrap());
    assert_eq!(rig.ids().len(), 2000);
}

#[test]
fn each_write_has_a_commit_of_its_own_where_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::with(JournalConfig { sync: SyncMode::Always, ..JournalConfig::new(dir.path()) }).unwrap();
    rig.fill(0..50);
    assert_eq!(rig.journal.stats().commits, 50);
}

#[test]
fn a_batch_is_bounded_in_writes_and_bytes() {
    for config in [(7, usize::MAX), (1000, 7 * event("0").size_bytes())] {
        let dir = tempfile::tempdir().unwrap();
        let (batch_writes_max, batch_bytes_max) = (config.0, config.1.min(1 << 30));
        let config = JournalConfig { batch_writes_max, batch_bytes_max, ..JournalConfig::new(dir.path()) };
        let rig = Rig::with(config).unwrap();
        rig.fill(0..70);
        assert!(rig.journal.stats().commits >= 10, "{}", rig.journal.stats().commits);
    }
}

#[test]
fn an_event_that_comes_twice_has_the_number_of_the_first_even_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::open(dir.path());
    rig.append("a");
    rig.append("a");
    rig.write(Write::Append(Box::new(append(Event { source: "other".into(), ..event("a") }))));
    let twice = Outcome::Duplicate { id: "a".into(), seq: 1 };
    assert_eq!(rig.told.wait(3), [new("a", 1), twice.clone(), new("a", 2)]);
    assert_eq!(rig.journal.stats().duplicates, 1);
    rig.close();
    let rig = Rig::open(dir.path());
    rig.append("a");
    assert_eq!(rig.told.wait(1), [twice]);
    let mut settled = settle("c", 0, 0);
    settled.published = vec![append(event("a")), append(event("b")), append(event("b"))];
    rig.write(Write::Settle(Box::new(settled)));
    let b_twice = Outcome::Duplicate { id: "b".into(), seq: 3 };
    assert_eq!(rig.told.wait(4)[1..], [Outcome::Duplicate { id: "a".into(), seq: 1 }, new("b", 3), b_twice]);
    assert_eq!(rig.ids().len(), 3);
}

#[test]
fn the_window_for_duplicates_is_bounded_in_number_and_age() {
    let dir = tempfile::tempdir().unwrap();
    // One write in each commit, as the bound on the number is held between commits.
    let small = JournalConfig { dedupe_events_max: 3, sync: SyncMode::Always, ..JournalConfig::new(dir.path()) };
    let rig = Rig::with(small.clone()).unwrap();
    rig.fill(0..4);
    rig.fill(0..4);
    assert_eq!(rig.journal.stats().appended, 8, "each was forgotten when it came again");
    rig.close();
    let rig = Rig::with(small).unwrap();
    rig.fill(1..4);
    assert_eq!(rig.journal.stats().duplicates, 3);
    rig.close();
    let short = JournalConfig { dedupe_age: std::time::Duration::ZERO, ..JournalConfig::new(dir.path()) };
    let rig = Rig::with(short).unwrap();
    rig.fill(1..4);
    rig.fill(1..4);
    assert_eq!(rig.journal.stats().duplicates, 0);
}

#[test]
fn a_closed_journal_refuses_and_a_dropped_one_has_written_everything() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::open(dir.path());
    (0..100).for_each(|id| rig.append(id));
    wait(rig.journal.close());
    wait(rig.journal.close());
    rig.append("late");
    let told = rig.told.wait(101);
    assert_eq!(told[100], Outcome::Refused { id: "late".into(), error: "the journal is closed".into() });
    assert_eq!(rig.read(1).unwrap_err().to_string(), "the journal is closed");
    let again = Rig::open(dir.path());
    assert_eq!(again.ids().len(), 100);
    drop(rig);
    (100..200).for_each(|id| again.append(id));
    drop(again);
    assert_eq!(Rig::open(dir.path()).ids().len(), 200);
}

#[test]
fn a_second_opener_is_told_who_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::open(dir.path());
    let error = Rig::with(JournalConfig::new(dir.path())).unwrap_err().to_string();
    assert!(error.contains(&format!("in use by process {}", std::process::id())), "{error}");
    drop(rig);
    Rig::open(dir.path());
}
