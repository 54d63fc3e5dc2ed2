//! A bus that only listens, and short ways to write and read.

use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use plugbus_bus::journal::{
    Append, AppendOutcome, Appended, Batch, Journal, JournalError, Permit, Queued, Recovered, Settle, Sink, StateEntry,
    StateWrite, Ticket, Write,
};
use plugbus_bus::{Event, Name, Payload, Topic};
use plugbus_journal::{DiskJournal, JournalConfig, OpenError};

/// Longest wait for anything: machines are slow, and a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What was told, in order, one entry for each call.
#[derive(Debug, Default)]
pub struct Told {
    calls: Mutex<Vec<Vec<Outcome>>>,
    changed: Condvar,
}

/// An outcome without its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    New { id: String, seq: u64 },
    Duplicate { id: String, seq: u64 },
    Refused { id: String, error: String },
}

impl Sink for Told {
    fn committed(&self, appended: Vec<Appended>) {
        let outcomes = appended.into_iter().map(|appended| outcome(appended.outcome)).collect();
        self.calls.lock().unwrap().push(outcomes);
        self.changed.notify_all();
    }
}

fn outcome(outcome: AppendOutcome) -> Outcome {
    match outcome {
        AppendOutcome::New(event) => Outcome::New { id: event.id.to_string(), seq: event.seq },
        AppendOutcome::Duplicate(event) => Outcome::Duplicate { id: event.id.to_string(), seq: event.seq },
        AppendOutcome::Refused { event, error } => {
            assert_eq!(event.seq, 0, "a refused event has no number");
            Outcome::Refused { id: event.id.to_string(), error: error.to_string() }
        }
    }
}

impl Told {
    /// Waits until so many outcomes were told, and gives them all.
    pub fn wait(&self, outcomes: usize) -> Vec<Outcome> {
        let deadline = Instant::now() + PATIENCE;
        let mut calls = self.calls.lock().unwrap();
        loop {
            let flat: Vec<_> = calls.iter().flatten().cloned().collect();
            if flat.len() >= outcomes {
                return flat;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "only {} of {outcomes} outcomes were told", flat.len());
            calls = self.changed.wait_timeout(calls, left).unwrap().0;
        }
    }

    /// Calls so far.
    pub fn calls(&self) -> usize {
        self.calls.lock().unwrap().len()
    }
}

/// A journal with a listener.
#[derive(Debug)]
pub struct Rig {
    pub journal: DiskJournal,
    pub told: Arc<Told>,
    pub recovered: Recovered,
}

impl Rig {
    pub fn open(dir: &Path) -> Self {
        Self::with(JournalConfig::new(dir)).unwrap()
    }

    pub fn with(config: JournalConfig) -> Result<Self, OpenError> {
        let journal = DiskJournal::open(config)?;
        let told = Arc::new(Told::default());
        let sink: Arc<dyn Sink> = told.clone();
        journal.attach(Arc::downgrade(&sink));
        let recovered = journal.recovered();
        Ok(Self { journal, told, recovered })
    }

    pub fn write(&self, write: Write) {
        self.journal.submit(Queued { write, permit: Permit::free() });
    }

    /// Appends an event of this id.
    pub fn append(&self, id: impl std::fmt::Display) {
        self.write(Write::Append(Box::new(append(event(id)))));
    }

    /// Appends events with these numbers as ids, and waits until they are in, a thousand at a time: more than its capacity
    /// would be refused, as there are no permits here.
    pub fn fill(&self, ids: std::ops::Range<usize>) {
        let (before, count) = (self.told.wait(0).len(), ids.len());
        for (done, id) in ids.enumerate() {
            self.append(id);
            self.told.wait((before + done).saturating_sub(1000));
        }
        self.told.wait(before + count);
    }

    /// Waits until everything that was submitted is carried out.
    pub fn flush(&self) {
        let before = self.journal.stats().writes;
        self.write(Write::Floors(Vec::new()));
        until("the writer is done", || self.journal.stats().queued == 0 && self.journal.stats().writes > before);
    }

    pub fn read(&self, from: u64) -> Result<Batch, JournalError> {
        wait(self.journal.read(from, usize::MAX, usize::MAX))
    }

    /// The ids of all events, with their numbers.
    pub fn ids(&self) -> Vec<(u64, String)> {
        self.read(1).unwrap().events.iter().map(|event| (event.seq, event.id.to_string())).collect()
    }

    pub fn state(&self, cursor: &str) -> Vec<StateEntry> {
        wait(self.journal.state(&name(cursor))).unwrap()
    }

    /// Closes it, and waits for that.
    pub fn close(self) {
        wait(self.journal.close());
    }
}

/// Runs a future to its end.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Waits for a condition, with a bound.
pub fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub fn event(id: impl std::fmt::Display) -> Event {
    Event {
        id: id.to_string().into(),
        source: "test".into(),
        topic: Topic::parse("a.b").unwrap(),
        subject: Some("subject".into()),
        time_ns: 1_700_000_000_000_000_000,
        payload: Payload::text(format!("data of {id}")),
        extensions: vec![("traceparent".into(), "00".into())],
        seq: 0,
        hops: 3,
    }
}

pub fn append(event: Event) -> Append {
    Append { event, ticket: Ticket::free() }
}

/// The end of a delivery that leads to nothing.
pub fn settle(cursor: &str, seq: u64, floor: u64) -> Settle {
    Settle { cursor: name(cursor), seq, floor, published: Vec::new(), state: Vec::new(), dead: None }
}

pub fn set(key: &str, value: &str) -> StateWrite {
    StateWrite::Set { bucket: "b".into(), key: key.into(), value: value.to_owned().into() }
}

pub fn open(cursor: &str, floor: u64) -> Write {
    Write::Open { cursor: name(cursor), floor }
}
