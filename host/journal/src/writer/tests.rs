//! A journal that has no room or a broken system under it, with limits set from inside.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use plugbus_bus::journal::{
    Append, AppendOutcome, Appended, Journal, JournalError, Permit, Queued, Settle, Sink, StateWrite, Ticket, Write,
};
use plugbus_bus::{Event, Name, Payload, Topic};

use super::Command;
use super::inject::Inject;
use crate::{DiskJournal, JournalConfig};

const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct Told {
    outcomes: Mutex<Vec<Result<(String, u64), JournalError>>>,
    changed: Condvar,
}

impl Sink for Told {
    fn committed(&self, appended: Vec<Appended>) {
        let outcomes = appended.into_iter().map(|appended| match appended.outcome {
            AppendOutcome::New(event) | AppendOutcome::Duplicate(event) => Ok((event.id.to_string(), event.seq)),
            AppendOutcome::Refused { error, .. } => Err(error),
        });
        self.outcomes.lock().unwrap().extend(outcomes);
        self.changed.notify_all();
    }
}

impl Told {
    fn until(
        &self,
        done: impl Fn(&[Result<(String, u64), JournalError>]) -> bool,
    ) -> Vec<Result<(String, u64), JournalError>> {
        let deadline = Instant::now() + PATIENCE;
        let mut outcomes: MutexGuard<'_, Vec<_>> = self.outcomes.lock().unwrap();
        while !done(&outcomes) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited in vain: {outcomes:?}");
            outcomes = self.changed.wait_timeout(outcomes, left).unwrap().0;
        }
        std::mem::take(&mut *outcomes)
    }
}

fn event(id: &str, bytes: usize) -> Append {
    let event = Event {
        id: id.into(),
        source: "s".into(),
        topic: Topic::parse("a").unwrap(),
        subject: None,
        time_ns: 0,
        payload: Payload::new("x/y", vec![0; bytes]),
        extensions: Vec::new(),
        seq: 0,
        hops: 0,
    };
    Append { event, ticket: Ticket::free() }
}

fn append(id: &str, bytes: usize) -> Write {
    Write::Append(Box::new(event(id, bytes)))
}

fn settle(seq: u64, published: Vec<Append>, count: &str) -> Write {
    let value = bytes::Bytes::copy_from_slice(count.as_bytes());
    let state = vec![StateWrite::Set { bucket: "b".into(), key: "count".into(), value }];
    Write::Settle(Box::new(Settle { cursor: cursor(), seq, floor: seq, published, state, dead: None }))
}

fn cursor() -> Name {
    Name::parse("c").unwrap()
}

struct Rig {
    journal: DiskJournal,
    told: Arc<Told>,
    dir: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let journal = DiskJournal::open(JournalConfig::new(dir.path())).unwrap();
        let told = Arc::new(Told::default());
        let sink: Arc<dyn Sink> = told.clone();
        journal.attach(Arc::downgrade(&sink));
        Self { journal, told, dir }
    }

    fn write(&self, write: Write) {
        self.journal.submit(Queued { write, permit: Permit::free() });
    }

    /// Lets the database have so many pages, once everything so far is carried out.
    fn limit(&self, pages: u32) {
        let deadline = Instant::now() + PATIENCE;
        while pages == 1 && self.journal.stats().queued > 0 {
            assert!(Instant::now() < deadline);
            std::thread::sleep(Duration::from_millis(1));
        }
        self.journal.command(Command::Inject(Inject::PagesMax(pages)));
    }

    fn numbers(&self) -> Vec<(u64, String)> {
        let read = self.journal.read(1, usize::MAX, usize::MAX);
        let batch = wait(read).unwrap();
        batch.events.iter().map(|event| (event.seq, event.id.to_string())).collect()
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn a_full_disk_refuses_events_keeps_settlements_and_ends() {
    let rig = Rig::new();
    rig.write(append("1", 10));
    rig.write(Write::Open { cursor: cursor(), floor: 0 });
    rig.told.until(|told| told.len() == 1);
    rig.limit(1);
    rig.write(append("too much", 100_000));
    let told = rig.told.until(|told| told.len() == 1);
    assert!(matches!(told[..], [Err(JournalError::DiskFull)]), "{told:?}");
    // What the handler of the first event did is held: its events are told when they are in.
    rig.write(settle(1, vec![event("a", 100_000)], "1"));
    rig.write(settle(2, vec![event("b", 10)], "2"));
    rig.write(append("outside", 10));
    let told = rig.told.until(|told| !told.is_empty());
    assert!(matches!(told[..], [Err(JournalError::DiskFull)]), "only the event from outside: {told:?}");
    assert!(rig.journal.stats().trouble.is_some_and(|trouble| trouble.contains("no room left")));
    rig.limit(1_000_000);
    let told = rig.told.until(|told| told.len() == 2);
    let told: Vec<_> = told.into_iter().map(Result::unwrap).collect();
    assert_eq!(told, [("a".into(), 2), ("b".into(), 3)]);
    rig.write(append("outside", 10));
    assert_eq!(rig.told.until(|told| !told.is_empty()).remove(0).unwrap(), ("outside".into(), 4));
    assert_eq!(rig.journal.stats().trouble, None);
    // What was refused is new when it comes again.
    rig.write(append("too much", 10));
    assert_eq!(rig.told.until(|told| !told.is_empty()).remove(0).unwrap(), ("too much".into(), 5));
    let numbers = [(1, "1"), (2, "a"), (3, "b"), (4, "outside"), (5, "too much")];
    let expected = numbers.map(|(seq, id)| (seq, id.to_owned()));
    assert_eq!(rig.numbers(), expected);
    assert_eq!(wait(rig.journal.state(&cursor())).unwrap()[0].value, "2");
    wait(rig.journal.close());
    let again = DiskJournal::open(JournalConfig::new(rig.dir.path())).unwrap();
    assert_eq!(again.recovered().cursors[0].floor, 2);
}

#[test]
fn a_journal_closed_while_the_disk_is_full_opens_again_with_what_was_acknowledged() {
    let rig = Rig::new();
    rig.write(append("1", 10));
    rig.write(Write::Open { cursor: cursor(), floor: 0 });
    rig.told.until(|told| told.len() == 1);
    rig.limit(1);
    rig.write(settle(1, vec![event("a", 100_000)], "1"));
    wait(rig.journal.close());
    let told = rig.told.until(|told| !told.is_empty());
    assert!(matches!(told[..], [Err(JournalError::Closed)]), "{told:?}");
    let again = DiskJournal::open(JournalConfig::new(rig.dir.path())).unwrap();
    assert_eq!(again.span(), (1, 1));
    let recovered = again.recovered();
    assert_eq!((recovered.cursors.len(), recovered.cursors[0].floor), (1, 0));
}

#[test]
fn after_an_error_of_the_system_the_files_are_opened_anew_and_it_goes_on() {
    let rig = Rig::new();
    rig.write(append("1", 10));
    rig.told.until(|told| told.len() == 1);
    assert_eq!(rig.numbers().len(), 1);
    rig.journal.command(Command::Inject(Inject::Fail));
    // The first events may be refused; then it works as before.
    let deadline = Instant::now() + PATIENCE;
    loop {
        rig.write(append("2", 10));
        match rig.told.until(|told| !told.is_empty()).remove(0) {
            Ok(told) => break assert_eq!(told, ("2".into(), 2)),
            Err(error) => assert_eq!(error.to_string(), "cannot sync the journal: injected"),
        }
        assert!(Instant::now() < deadline);
    }
    assert_eq!(rig.numbers(), [(1, "1".into()), (2, "2".into())]);
    assert_eq!(rig.journal.stats().trouble, None);
}

#[test]
fn what_a_failed_sync_left_in_the_log_is_never_taken_for_acknowledged() {
    for checkpointed in [false, true] {
        let rig = Rig::new();
        rig.write(append("1", 10));
        rig.told.until(|told| told.len() == 1);
        if checkpointed {
            // The failed transaction will begin the log anew.
            rig.journal.command(Command::Inject(Inject::WriteBack));
        }
        rig.journal.command(Command::Inject(Inject::FailSync));
        rig.write(append("refused", 10));
        let told = rig.told.until(|told| told.len() == 1);
        assert!(matches!(&told[..], [Err(JournalError::Failed { doing: "sync", .. })]), "{told:?}");
        rig.write(settle(1, vec![event("2", 10)], "1"));
        let told = rig.told.until(|told| !told.is_empty()).remove(0);
        assert_eq!(told.unwrap(), ("2".into(), 2), "checkpointed: {checkpointed}");
        rig.write(append("refused", 10));
        let told = rig.told.until(|told| !told.is_empty()).remove(0);
        assert_eq!(told.unwrap(), ("refused".into(), 3), "what was refused is new when it comes again");
        let numbers = [(1, "1"), (2, "2"), (3, "refused")];
        assert_eq!(rig.numbers(), numbers.map(|(seq, id)| (seq, id.to_owned())));
        wait(rig.journal.close());
        let again = DiskJournal::open(JournalConfig::new(rig.dir.path())).unwrap();
        assert_eq!(again.span(), (1, 3));
    }
}
