//! Dead letters: deliveries that were given up, with the reason and every attempt.
//!
//! Held in memory, bounded in number and bytes. When full, the oldest make room: each eviction is counted and logged, so
//! that no loss is silent. Nobody waits here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::event::Event;
use crate::handler::HandlerError;
use crate::name::Name;
use crate::topic::Filter;

/// Bounds on the dead letters of a bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadLetterLimits {
    /// Number. Default 10,000.
    pub letters_max: usize,
    /// Bytes of their events, approximately; events are shared, so this is an upper bound. Default 64 MiB.
    pub bytes_max: usize,
}

impl Default for DeadLetterLimits {
    fn default() -> Self {
        Self { letters_max: 10_000, bytes_max: 64 << 20 }
    }
}

/// Most attempts of one delivery that are kept on record.
pub const ATTEMPTS_KEPT: usize = 32;

/// One delivery that was given up.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// Number of the letter on this bus, from 1.
    pub id: u64,
    /// The event, whole.
    pub event: Arc<Event>,
    /// Whose delivery it was; none where the event reached no subscription (too many hops, refused).
    pub subscription: Option<Name>,
    /// Why.
    pub reason: DeadReason,
    /// The attempts, first to last; of more than [`ATTEMPTS_KEPT`] the first and the latest.
    pub attempts: Vec<AttemptRecord>,
    /// When it was given up, nanoseconds since the Unix epoch.
    pub time_ns: u64,
}

/// Why a delivery was given up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeadReason {
    /// The handler rejected the event.
    #[error("rejected: {0}")]
    Rejected(String),
    /// The last attempt of the policy did not succeed either.
    #[error("{attempts} attempts used up, the last: {last}")]
    Exhausted {
        /// How many attempts.
        attempts: u32,
        /// What the last one came to.
        last: HandlerError,
    },
    /// The queue was full, and there was no room within the policy's wait.
    #[error("queue full ({waiting} events waiting{})", if *held { ", subscription paused or suspended" } else { "" })]
    QueueFull {
        /// Events that were waiting.
        waiting: usize,
        /// Whether the subscription was paused or suspended.
        held: bool,
    },
    /// Dropped by `DropOldest` or `DropNewest`, kept on request.
    #[error("dropped by the queue's policy")]
    Dropped,
    /// The subscription ended with the event still queued.
    #[error("the subscription ended before the event was handled")]
    Unsubscribed,
    /// An inline handler's subscription was paused or suspended.
    #[error("the inline handler was paused or suspended")]
    Paused,
    /// Over the bound on how many handlers may stand between an event and its origin.
    #[error("{hops} hops, at most {max} are allowed: do two handlers publish to each other?")]
    TooManyHops {
        /// Hops of the event.
        hops: u8,
        /// The bound.
        max: u8,
    },
    /// What a handler published was refused when it was released: malformed, not declared, held back by a full hold, or the
    /// bus was closed. Nobody could take it back.
    #[error("published by `{by}` and refused: {reason}")]
    Refused {
        /// Whose handler.
        by: Name,
        /// Why, in the bus's words.
        reason: String,
    },
    /// The publisher stopped waiting for room (its future was dropped).
    #[error("the publisher went away while it waited for room in the queue")]
    PublisherGone,
    /// The journal refused an event whose publisher did not wait for it.
    #[error("not in the journal: {0}")]
    NotJournaled(String),
    /// Read back from a journal, in the words it had then.
    #[error("{text}")]
    Recorded {
        /// As [`DeadReason::name`] gave it.
        name: &'static str,
        /// As it was shown.
        text: String,
    },
}

/// Every name that [`DeadReason::name`] gives.
const REASONS: [&str; 10] = [
    "rejected",
    "exhausted",
    "queue-full",
    "dropped",
    "unsubscribed",
    "paused",
    "too-many-hops",
    "publisher-gone",
    "not-journaled",
    "refused",
];

/// Every name that [`HandlerError::kind_name`] gives.
const KINDS: [&str; 12] = [
    "retry",
    "reject",
    "trap",
    "panic",
    "fuel",
    "deadline",
    "memory",
    "stack",
    "table",
    "host-call",
    "contract",
    "cancelled",
];

impl DeadReason {
    /// A reason as a journal recorded it. A name that this version does not know (an older or newer one wrote it) becomes
    /// `other`; the text says what it was.
    #[must_use]
    pub fn recorded(name: &str, text: impl Into<String>) -> Self {
        let known = REASONS.into_iter().find(|known| *known == name);
        Self::Recorded { name: known.unwrap_or("other"), text: text.into() }
    }

    /// A short stable name, for labels and filters.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rejected(_) => "rejected",
            Self::Exhausted { .. } => "exhausted",
            Self::QueueFull { .. } => "queue-full",
            Self::Dropped => "dropped",
            Self::Unsubscribed => "unsubscribed",
            Self::Paused => "paused",
            Self::TooManyHops { .. } => "too-many-hops",
            Self::Refused { .. } => "refused",
            Self::PublisherGone => "publisher-gone",
            Self::NotJournaled(_) => "not-journaled",
            Self::Recorded { name, .. } => name,
        }
    }
}

/// What one attempt came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttemptRecord {
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// `retry`, `reject`, or the kind of the fault.
    pub kind: &'static str,
    /// The handler's or the host's words.
    pub reason: String,
    /// What the guest wrote to stderr, cut to the log limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stderr: Option<String>,
    /// The wasm backtrace.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub backtrace: Vec<String>,
    /// When the attempt ended, nanoseconds since the Unix epoch.
    pub time_ns: u64,
}

impl AttemptRecord {
    pub(crate) fn new(attempt: u32, error: &HandlerError, time_ns: u64) -> Self {
        let fault = error.fault();
        Self {
            attempt,
            kind: error.kind_name(),
            reason: error.to_string(),
            stderr: fault.and_then(|fault| fault.stderr.clone()),
            backtrace: fault.map(|fault| fault.backtrace.clone()).unwrap_or_default(),
            time_ns,
        }
    }

    /// The kind of that name, for what a journal recorded; `other` where this version does not know it.
    #[must_use]
    pub fn recorded_kind(name: &str) -> &'static str {
        KINDS.into_iter().find(|known| *known == name).unwrap_or("other")
    }

    /// Adds a record to those of the attempts before: where there are too many, the second makes room.
    pub(crate) fn add_to(self, history: &mut Vec<Self>) {
        if history.len() >= ATTEMPTS_KEPT {
            history.remove(1);
        }
        history.push(self);
    }

    /// Bytes of its texts.
    pub(crate) fn size_bytes(&self) -> usize {
        let backtrace: usize = self.backtrace.iter().map(String::len).sum();
        self.reason.len() + self.stderr.as_ref().map_or(0, String::len) + backtrace
    }
}

/// Which dead letters are meant; empty means all.
#[derive(Debug, Clone, Default)]
pub struct DeadFilter {
    /// Of this subscription.
    pub subscription: Option<Name>,
    /// Whose event's topic this filter matches.
    pub topic: Option<Filter>,
    /// With a number over this one.
    pub after_id: Option<u64>,
    /// At most so many, oldest first.
    pub limit: Option<usize>,
}

impl DeadFilter {
    fn matches(&self, letter: &DeadLetter) -> bool {
        self.subscription.as_ref().is_none_or(|name| letter.subscription.as_ref() == Some(name))
            && self.topic.as_ref().is_none_or(|filter| filter.matches(&letter.event.topic))
            && self.after_id.is_none_or(|id| letter.id > id)
    }
}

/// The dead letters of a bus. See [`Bus::dead_letters`](crate::Bus::dead_letters).
#[derive(Debug)]
pub(crate) struct DeadLetters {
    limits: DeadLetterLimits,
    store: Mutex<Store>,
}

/// A letter that was recorded.
#[derive(Debug)]
pub(crate) struct Added {
    pub(crate) letter: DeadLetter,
    /// The numbers of those that made room for it.
    pub(crate) evicted: Vec<u64>,
}

#[derive(Debug, Default)]
struct Store {
    letters: BTreeMap<u64, DeadLetter>,
    bytes: usize,
    next_id: u64,
    total: u64,
    evicted: u64,
}

/// How many dead letters there are and were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DeadStats {
    /// Held now.
    pub held: usize,
    /// Bytes held now, approximately.
    pub held_bytes: usize,
    /// Ever recorded.
    pub total: u64,
    /// Pushed out by newer ones because of the bounds.
    pub evicted: u64,
}

impl DeadLetters {
    pub(crate) fn new(limits: DeadLetterLimits) -> Self {
        Self { limits, store: Mutex::default() }
    }

    /// Records a letter, whose number is over every one before it.
    pub(crate) fn add(
        &self,
        event: Arc<Event>,
        subscription: Option<Name>,
        reason: DeadReason,
        attempts: Vec<AttemptRecord>,
        time_ns: u64,
    ) -> Added {
        let mut store = self.lock();
        store.next_id += 1;
        store.total += 1;
        let id = store.next_id;
        let letter = DeadLetter { id, event, subscription, reason, attempts, time_ns };
        let mut evicted = Vec::new();
        store.bytes += letter_bytes(&letter);
        store.letters.insert(id, letter.clone());
        while store.letters.len() > self.limits.letters_max
            || (store.bytes > self.limits.bytes_max && store.letters.len() > 1)
        {
            let Some((_, oldest)) = store.letters.pop_first() else { break };
            store.bytes -= letter_bytes(&oldest);
            store.evicted += 1;
            evicted.push(oldest.id);
            // At 1, 2, 4, 8 …: a flood of dead letters must not become a flood of log lines.
            if store.evicted.is_power_of_two() {
                tracing::warn!(
                    evicted = store.evicted,
                    topic = %oldest.event.topic,
                    event = %oldest.event.id,
                    reason = %oldest.reason,
                    "dead letters evicted: the store is full"
                );
            }
        }
        Added { letter, evicted }
    }

    /// Takes in what a journal kept.
    pub(crate) fn restore(&self, letters: Vec<DeadLetter>) {
        let mut store = self.lock();
        for letter in letters {
            store.next_id = store.next_id.max(letter.id);
            store.total += 1;
            store.bytes += letter_bytes(&letter);
            store.letters.insert(letter.id, letter);
        }
    }

    pub(crate) fn list(&self, filter: &DeadFilter) -> Vec<DeadLetter> {
        let store = self.lock();
        let found = store.letters.values().filter(|letter| filter.matches(letter));
        found.take(filter.limit.unwrap_or(usize::MAX)).cloned().collect()
    }

    pub(crate) fn get(&self, id: u64) -> Option<DeadLetter> {
        self.lock().letters.get(&id).cloned()
    }

    pub(crate) fn remove(&self, id: u64) -> Option<DeadLetter> {
        let mut store = self.lock();
        let letter = store.letters.remove(&id)?;
        store.bytes -= letter_bytes(&letter);
        Some(letter)
    }

    /// Puts a removed letter back under its number.
    pub(crate) fn put_back(&self, letter: DeadLetter) {
        let mut store = self.lock();
        store.bytes += letter_bytes(&letter);
        store.letters.insert(letter.id, letter);
    }

    pub(crate) fn stats(&self) -> DeadStats {
        let store = self.lock();
        DeadStats { held: store.letters.len(), held_bytes: store.bytes, total: store.total, evicted: store.evicted }
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn letter_bytes(letter: &DeadLetter) -> usize {
    let attempts: usize = letter.attempts.iter().map(AttemptRecord::size_bytes).sum();
    size_of::<DeadLetter>() + letter.event.size_bytes() + attempts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Payload;
    use crate::handler::{Failure, Fault, FaultKind};
    use crate::topic::Topic;

    fn event(topic: &str, bytes: usize) -> Arc<Event> {
        Arc::new(Event {
            id: "1".into(),
            source: "s".into(),
            topic: Topic::parse(topic).unwrap(),
            subject: None,
            time_ns: 0,
            payload: Payload::text("x".repeat(bytes)),
            extensions: Vec::new(),
            seq: 1,
            hops: 0,
        })
    }

    fn add(letters: &DeadLetters, topic: &str, bytes: usize) -> u64 {
        letters.add(event(topic, bytes), Name::parse("n").ok(), DeadReason::Dropped, Vec::new(), 0).letter.id
    }

    #[test]
    fn the_oldest_makes_room_and_is_counted() {
        let letters = DeadLetters::new(DeadLetterLimits { letters_max: 2, bytes_max: usize::MAX });
        for _ in 0..5 {
            add(&letters, "a", 1);
        }
        let stats = letters.stats();
        assert_eq!((stats.held, stats.total, stats.evicted), (2, 5, 3));
        assert_eq!(letters.list(&DeadFilter::default()).iter().map(|l| l.id).collect::<Vec<_>>(), [4, 5]);
    }

    #[test]
    fn bytes_are_bounded_but_one_letter_always_stays() {
        let letters = DeadLetters::new(DeadLetterLimits { letters_max: 10, bytes_max: 1000 });
        add(&letters, "a", 5000);
        assert_eq!(letters.stats().held, 1);
        add(&letters, "a", 10);
        assert_eq!((letters.stats().held, letters.stats().evicted), (1, 1));
        letters.remove(2);
        assert_eq!((letters.stats().held, letters.stats().held_bytes), (0, 0));
    }

    #[test]
    fn what_a_journal_recorded_keeps_its_name_and_words() {
        let limit_bytes = 1;
        let last = HandlerError::from(Fault::new(FaultKind::HostCall { limit_bytes }, "too much"));
        for reason in [
            DeadReason::Rejected("no".into()),
            DeadReason::Exhausted { attempts: 5, last },
            DeadReason::QueueFull { waiting: 2, held: true },
            DeadReason::Dropped,
            DeadReason::Unsubscribed,
            DeadReason::Paused,
            DeadReason::TooManyHops { hops: 17, max: 16 },
            DeadReason::PublisherGone,
        ] {
            let read = DeadReason::recorded(reason.name(), reason.to_string());
            assert_eq!((read.name(), read.to_string()), (reason.name(), reason.to_string()));
            assert_eq!(DeadReason::recorded(read.name(), read.to_string()), read);
        }
        assert_eq!(DeadReason::recorded("of the future", "x").name(), "other");
    }

    #[test]
    fn every_kind_of_fault_has_a_recorded_name() {
        let limit = std::time::Duration::ZERO;
        for kind in [
            FaultKind::Trap,
            FaultKind::Panic,
            FaultKind::Fuel { limit: 1 },
            FaultKind::Deadline { limit },
            FaultKind::Memory { limit_bytes: 1 },
            FaultKind::Stack { limit_bytes: 1 },
            FaultKind::Table { limit: 1 },
            FaultKind::HostCall { limit_bytes: 1 },
            FaultKind::Contract,
            FaultKind::Cancelled,
        ] {
            assert_eq!(AttemptRecord::recorded_kind(kind.name()), kind.name());
        }
        for failure in [Failure::retry("x"), Failure::reject("x")] {
            let error = HandlerError::from(failure);
            assert_eq!(AttemptRecord::recorded_kind(error.kind_name()), error.kind_name());
        }
        assert_eq!(AttemptRecord::recorded_kind("of the future"), "other");
    }

    #[test]
    fn letters_are_found_by_topic_and_number() {
        let letters = DeadLetters::new(DeadLetterLimits::default());
        for topic in ["a.b", "a.c", "b"] {
            add(&letters, topic, 1);
        }
        let ids = |filter: DeadFilter| letters.list(&filter).iter().map(|l| l.id).collect::<Vec<_>>();
        assert_eq!(ids(DeadFilter { topic: Filter::parse("a.*").ok(), ..DeadFilter::default() }), [1, 2]);
        assert_eq!(ids(DeadFilter { after_id: Some(1), ..DeadFilter::default() }), [2, 3]);
        assert_eq!(ids(DeadFilter { limit: Some(1), ..DeadFilter::default() }), [1]);
        assert_eq!(
            ids(DeadFilter { subscription: Name::parse("other").ok(), ..DeadFilter::default() }),
            [] as [u64; 0]
        );
    }
}
