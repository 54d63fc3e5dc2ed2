//! The seam to a durable log: what a bus asks of one, and what it is told back. `plugbus-journal` implements it.
//!
//! The bus hands over [`Write`]s, in order; the journal carries each out whole or not at all, in that order, many in one
//! commit, and tells the bus through a [`Sink`] what became of the events among them. Only then is an event accepted: its
//! publisher gets its receipt, and subscriptions get the event. Everything that a delivery leads to (that it is settled,
//! what the handler published, what it wrote into its key-value store, the dead letter) is one write, so that a crash keeps
//! all of it or nothing.
//!
//! What bounds it: [`Journal::capacity`] writes are on their way at one time; each holds a [`Permit`] until it is committed.
//! Who waits: publishers and workers, for a permit. What happens when the journal fails: the events of the failed writes are
//! refused, and so is all that follows until it recovers; what was not settled in it comes again after a restart.

use std::fmt::Debug;
use std::sync::{Arc, Weak};

use crate::dead::{AttemptRecord, DeadLetter};
use crate::event::Event;
use crate::handler::BoxFuture;
use crate::name::Name;

mod error;
mod ticket;

pub use error::JournalError;
pub(crate) use ticket::Stub;
pub use ticket::{Permit, Ticket};

/// A durable log of events, with the cursors of its readers. See the module.
pub trait Journal: Debug + Send + Sync + 'static {
    /// Whom to tell of what was committed. Called once, before the first write.
    fn attach(&self, sink: Weak<dyn Sink>);

    /// What was found at the start. Called once, before the first write; later calls give the default.
    fn recovered(&self) -> Recovered;

    /// Writes that may be on their way at one time.
    fn capacity(&self) -> usize;

    /// Takes a write. Never blocks. A journal that is closed or has failed for good drops it, and gives its tickets back to
    /// the sink as refused.
    fn submit(&self, write: Queued);

    /// Reads committed events in the order of their numbers, from `from` on (included), at most `events_max` of them and
    /// about `bytes_max` bytes, at least one where there is one. Where the range was retired, the batch begins later and
    /// [`Batch::first`] says where the journal begins.
    fn read(&self, from: u64, events_max: usize, bytes_max: usize) -> BoxFuture<'_, Result<Batch, JournalError>>;

    /// The number of the first event accepted at a time (nanoseconds since the Unix epoch) or later; the next number to be
    /// given where there is none.
    fn seq_at(&self, time_ns: u64) -> BoxFuture<'_, Result<u64, JournalError>>;

    /// Everything in the key-value store of a subscription, as committed.
    fn state<'a>(&'a self, cursor: &'a Name) -> BoxFuture<'a, Result<Vec<StateEntry>, JournalError>>;

    /// The numbers of the first and last event that are kept, as committed: `(1, 0)` for an empty journal.
    fn span(&self) -> (u64, u64);

    /// Writes out everything and stops. What is submitted later is refused. Says how many deliveries have ended that it could
    /// not write down: they come again after a restart.
    fn close(&self) -> BoxFuture<'_, u64>;
}

/// What a journal tells the bus. Called on the journal's own thread, one call at a time, in the order of commits: must not
/// block.
pub trait Sink: Debug + Send + Sync {
    /// The events of one commit, in order, with what became of each. The commit is durable as configured.
    fn committed(&self, appended: Vec<Appended>);
}

/// One event that was to be appended.
#[derive(Debug)]
pub struct Appended {
    /// The ticket that came with it.
    pub ticket: Ticket,
    /// What became of it.
    pub outcome: AppendOutcome,
}

/// What became of an event.
#[derive(Debug)]
pub enum AppendOutcome {
    /// It is in the journal, with its number.
    New(Arc<Event>),
    /// An event of this id and source was appended within the window: nothing is delivered. The event has the number of the
    /// one before.
    Duplicate(Arc<Event>),
    /// It is not in the journal.
    Refused {
        /// The event, with number 0.
        event: Box<Event>,
        /// Why.
        error: JournalError,
    },
}

/// A write with the right to be on its way.
#[derive(Debug)]
pub struct Queued {
    /// What to write.
    pub write: Write,
    /// Released once it is committed.
    pub permit: Permit,
}

/// Something to be written whole or not at all.
#[derive(Debug)]
pub enum Write {
    /// An event from outside. Its number is 0; the journal gives it one.
    Append(Box<Append>),
    /// A delivery has ended.
    Settle(Box<Settle>),
    /// A delivery comes again later.
    Retry(Box<Retry>),
    /// Cursors go forward over events that they do not want. Never back.
    Floors(Vec<(Name, u64)>),
    /// A cursor is made where there is none of that name; it starts behind this number. One that is there lives on, and is
    /// no longer absent.
    Open {
        /// Of which subscription.
        cursor: Name,
        /// The last number that it does not want.
        floor: u64,
    },
    /// The subscription of a cursor went away at this time (nanoseconds since the Unix epoch). The cursor stays until it is
    /// retired.
    Absent {
        /// Of which subscription.
        cursor: Name,
        /// When.
        since_ns: u64,
    },
    /// Cursors are forgotten, with their retries and their key-value buckets.
    Retire(Vec<Name>),
    /// A dead letter that no durable delivery led to.
    Dead(Box<DeadLetter>),
    /// Dead letters are forgotten: dropped, replayed, or pushed out by newer ones.
    DeadGone(Vec<u64>),
}

/// An event to be appended.
#[derive(Debug)]
pub struct Append {
    /// The event, with number 0.
    pub event: Event,
    /// Comes back with the outcome.
    pub ticket: Ticket,
}

/// The end of a delivery, with everything that it leads to.
#[derive(Debug)]
pub struct Settle {
    /// Of which subscription.
    pub cursor: Name,
    /// The event's number; 0 where the delivery is none of the cursor's (a replay).
    pub seq: u64,
    /// Every event up to this number is settled after this write. At most the number it had, never back.
    pub floor: u64,
    /// What the handler published.
    pub published: Vec<Append>,
    /// What the handler wrote into its store.
    pub state: Vec<StateWrite>,
    /// The dead letter, if that is how it ended.
    pub dead: Option<Box<DeadLetter>>,
}

/// A delivery that comes again.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// Of which subscription.
    pub cursor: Name,
    /// The event's number.
    pub seq: u64,
    /// Number of the attempt to come.
    pub attempt: u32,
    /// When, nanoseconds since the Unix epoch.
    pub due_ns: u64,
    /// What earlier attempts came to.
    pub history: Vec<AttemptRecord>,
}

/// A change in the key-value store of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateWrite {
    /// The key has this value from now on.
    Set {
        /// Which store of the subscription's.
        bucket: Arc<str>,
        /// The key.
        key: Arc<str>,
        /// The value.
        value: bytes::Bytes,
    },
    /// The key is gone.
    Delete {
        /// Which store of the subscription's.
        bucket: Arc<str>,
        /// The key.
        key: Arc<str>,
    },
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateEntry {
    /// Which store of the subscription's.
    pub bucket: Arc<str>,
    /// The key.
    pub key: Arc<str>,
    /// The value.
    pub value: bytes::Bytes,
}

/// What a journal found when it was opened.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Every cursor.
    pub cursors: Vec<Cursor>,
    /// Every dead letter, oldest first.
    pub dead: Vec<DeadLetter>,
}

/// Where a durable subscription stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Cursor {
    /// Of which subscription.
    pub name: Name,
    /// Every event up to this number is settled.
    pub floor: u64,
    /// Numbers over the floor that are settled too, rising.
    pub settled: Vec<u64>,
    /// Deliveries that have been attempted and come again, by number.
    pub retries: Vec<Retry>,
    /// Since when the subscription is away, nanoseconds since the Unix epoch; none while it is there.
    pub absent_since_ns: Option<u64>,
}

/// Events read back.
#[derive(Debug, Default)]
pub struct Batch {
    /// In order, without a gap.
    pub events: Vec<Arc<Event>>,
    /// The first number that the journal still has (the next to be given, for an empty one).
    pub first: u64,
    /// The last number committed when this was read.
    pub last: u64,
}
