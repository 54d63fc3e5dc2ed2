//! What a subscription may choose, each with its default, unit and bound.

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use crate::event::Event;
use crate::outbox::OutboxLimits;
use crate::retry::RetryPolicy;
use crate::state::StateLimits;

/// Most handlers that one subscription may run at once.
pub const CONCURRENCY_MAX: u32 = 1024;

/// The settings of one subscription.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Deliveries in flight at once, 1 to [`CONCURRENCY_MAX`]. Default 1: strict order.
    pub concurrency: NonZeroU32,
    /// Events with one key stay in order at any concurrency. Default none.
    pub ordering_key: Option<OrderingKey>,
    /// Events that may wait, those waiting for a retry included, those in flight not. Default 1024.
    pub queue_events_max: NonZeroUsize,
    /// Bytes that may wait; one event is always taken. Default 64 MiB. Events are shared, so the sum over subscriptions
    /// may be well over what is really held.
    pub queue_bytes_max: usize,
    /// What a publisher meets when the queue is full.
    pub when_full: WhenFull,
    /// What happens after an attempt that did not succeed.
    pub retry: RetryPolicy,
    /// Only events of this source. Default all.
    pub source: Option<SourceFilter>,
    /// Wall-clock time for one attempt of a native handler; sandboxed ones have their own deadline. Default none.
    pub timeout: Option<Duration>,
    /// Bounds on what one delivery may publish.
    pub outbox: OutboxLimits,
    /// Bounds on what its handlers remember.
    pub state: StateLimits,
    /// Whether events that `DropOldest` and `DropNewest` drop are kept as dead letters. Default false: only counted.
    pub dead_letter_drops: bool,
    /// Ends the subscription after so many events. Default none.
    pub events_max: Option<NonZeroU64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            concurrency: NonZeroU32::MIN,
            ordering_key: None,
            queue_events_max: NonZeroUsize::MIN.saturating_add(1023),
            queue_bytes_max: 64 << 20,
            when_full: WhenFull::default(),
            retry: RetryPolicy::default(),
            source: None,
            timeout: None,
            outbox: OutboxLimits::default(),
            state: StateLimits::default(),
            dead_letter_drops: false,
            events_max: None,
        }
    }
}

/// What happens to an event that finds a queue full. Whatever happens is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// `publish` waits for room, at most `max`; then the event becomes a dead letter of this subscription, and publishers
    /// do not wait for it again until its queue has fallen to half. Nobody waits for a subscription that is paused or
    /// suspended: its overflow goes to the dead letters at once. `try_publish` refuses.
    Wait {
        /// Longest wait for one event. Default 1 s.
        max: Duration,
    },
    /// The event that has waited longest makes room.
    DropOldest,
    /// The new event is dropped.
    DropNewest,
    /// The publisher gets its event back, and no other subscription sees it. What comes while the subscription is paused or
    /// suspended, from a handler or the host, or at the same moment as others for the last room, becomes a dead letter.
    Refuse,
    /// The event stays in the journal and is read from there when there is room: nobody waits and nothing is dropped. What
    /// every durable subscription does, and only those can.
    Spill,
}

impl Default for WhenFull {
    fn default() -> Self {
        Self::Wait { max: Duration::from_secs(1) }
    }
}

/// By what events are kept in order where handlers run concurrently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderingKey {
    /// By subject.
    Subject,
    /// By source.
    Source,
    /// By topic.
    Topic,
    /// By the value of an extension.
    Extension(Arc<str>),
}

impl OrderingKey {
    /// The key of an event. Events that have none share one lane and so stay in order too.
    #[must_use]
    pub fn of(&self, event: &Event) -> Arc<str> {
        match self {
            Self::Subject => event.subject.clone().unwrap_or_default(),
            Self::Source => event.source.clone(),
            Self::Topic => event.topic.as_str().into(),
            Self::Extension(name) => {
                let found = event.extensions.iter().find(|(key, _)| key == name);
                found.map(|(_, value)| value.clone()).unwrap_or_default()
            }
        }
    }
}

/// Which sources a subscription listens to: one exactly, or, with a final `*`, all that begin so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFilter(Arc<str>);

impl SourceFilter {
    /// A filter from its text, for example `hook/*`.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a source passes.
    #[must_use]
    pub fn matches(&self, source: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => source.starts_with(prefix),
            None => source == &*self.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_match_exactly_or_by_prefix() {
        for (filter, source, expected) in
            [("a", "a", true), ("a", "ab", false), ("a*", "ab", true), ("*", "", true), ("a/*", "a", false)]
        {
            assert_eq!(SourceFilter::new(filter).matches(source), expected, "{filter} on {source}");
        }
    }
}
