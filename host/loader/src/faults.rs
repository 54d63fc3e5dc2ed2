//! The last faults of a plugin, for `plugbus plugins inspect`.
//!
//! Bounded by [`FAULTS_KEPT_MAX`]: the oldest makes room. What is in one is cut, so that it fits into an event.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use plugbus_bus::{Delivery, Fault};
use serde::Serialize;

use crate::clock::unix_ns;

/// Faults that are kept for one plugin.
pub const FAULTS_KEPT_MAX: usize = 8;

/// Most characters of a message or of one frame.
const LINE_CHARS_MAX: usize = 2048;
/// Most characters of standard error: the last ones, where the panic message stands.
const STDERR_CHARS_MAX: usize = 16 << 10;

/// One fault of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FaultRecord {
    /// When, in nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// Which generation.
    pub generation: u64,
    /// The id of the event.
    pub event_id: String,
    /// The source of the event.
    pub event_source: String,
    /// The topic of the event.
    pub topic: String,
    /// Which attempt at the event it was, counted from 1.
    pub attempt: u32,
    /// The kind of fault, in one word.
    pub kind: &'static str,
    /// The limit that was hit, with its unit, where the kind has one.
    pub limit: Option<String>,
    /// One line for people.
    pub message: String,
    /// What the guest wrote to stderr.
    pub stderr: Option<String>,
    /// The wasm backtrace, innermost frame first.
    pub backtrace: Vec<String>,
}

impl FaultRecord {
    /// The record of a fault at a delivery.
    pub(crate) fn of(generation: u64, delivery: &Delivery, fault: &Fault) -> Self {
        Self {
            time_ns: unix_ns(),
            generation,
            event_id: delivery.event.id.to_string(),
            event_source: delivery.event.source.to_string(),
            topic: delivery.event.topic.to_string(),
            attempt: delivery.attempt,
            kind: fault.kind.name(),
            limit: fault.kind.limit(),
            message: cut(&fault.message),
            stderr: cut_stderr(fault),
            backtrace: cut_backtrace(fault),
        }
    }
}

/// The first characters of a line that a guest may have had a hand in.
pub(crate) fn cut(text: &str) -> String {
    text.chars().take(LINE_CHARS_MAX).collect()
}

/// The last characters of standard error. A manifest may allow far more log than an event can carry.
pub(crate) fn cut_stderr(fault: &Fault) -> Option<String> {
    let text = fault.stderr.as_deref()?;
    let skipped = text.chars().count().saturating_sub(STDERR_CHARS_MAX);
    Some(text.chars().skip(skipped).collect())
}

/// The frames, each cut: the names in them are the guest's.
pub(crate) fn cut_backtrace(fault: &Fault) -> Vec<String> {
    fault.backtrace.iter().map(|frame| cut(frame)).collect()
}

/// The last faults of one plugin, over all its generations.
#[derive(Debug, Default)]
pub(crate) struct FaultLog(Mutex<VecDeque<FaultRecord>>);

impl FaultLog {
    /// Adds one; the oldest makes room.
    pub(crate) fn push(&self, record: FaultRecord) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= FAULTS_KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(record);
    }

    /// All there are, oldest first.
    pub(crate) fn list(&self) -> Vec<FaultRecord> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use plugbus_bus::{Event, FaultKind, Name, Outbox, OutboxLimits, Payload, Topic};

    use super::*;

    #[test]
    fn the_last_faults_are_kept() {
        let event = Event {
            id: "1".into(),
            source: "s".into(),
            topic: Topic::parse("a").unwrap(),
            subject: None,
            time_ns: 0,
            payload: Payload::empty(),
            extensions: Vec::new(),
            seq: 1,
            hops: 0,
        };
        let delivery = Delivery {
            event: Arc::new(event),
            attempt: 2,
            subscription: Name::parse("plugin/p").unwrap(),
            outbox: Outbox::new(OutboxLimits::default()),
            state: plugbus_bus::State::detached(plugbus_bus::StateLimits::default()),
            notes: plugbus_bus::Notes::default(),
        };
        let log = FaultLog::default();
        for n in 0..20 {
            log.push(FaultRecord::of(n, &delivery, &Fault::new(FaultKind::Fuel { limit: 7 }, "spins")));
        }
        let kept = log.list();
        assert_eq!(kept.len(), FAULTS_KEPT_MAX);
        assert_eq!((kept[0].generation, kept[7].generation), (12, 19));
        let long = Fault {
            stderr: Some("x".repeat(1 << 20) + "end"),
            backtrace: vec!["y".repeat(1 << 20)],
            ..Fault::new(FaultKind::Trap, "z".repeat(1 << 20))
        };
        let record = FaultRecord::of(1, &delivery, &long);
        assert!(record.stderr.unwrap().ends_with("end"));
        assert!(record.message.len() + record.backtrace[0].len() <= 2 * LINE_CHARS_MAX);
        assert_eq!((kept[0].kind, kept[0].limit.as_deref(), kept[0].attempt), ("fuel", Some("7 fuel"), 2));
    }
}
