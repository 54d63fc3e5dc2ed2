//! The settings in force of a plugin, named as in its manifest.

use std::time::Duration;

use plugbus_bus::{OrderingKey, Settings, WhenFull};
use serde::Serialize;

use crate::supervise::SupervisionPolicy;

/// `[queue]`: what waits for the plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueueStatus {
    /// Events that may wait.
    pub events_max: usize,
    /// Bytes that may wait.
    pub bytes_max: usize,
    /// `wait`, `drop_oldest`, `drop_newest` or `refuse`.
    pub when_full: &'static str,
    /// Longest wait of a publisher, in milliseconds; none where nobody waits.
    pub wait_max_ms: Option<u64>,
    /// Whether what is dropped is kept as a dead letter.
    pub dead_letter_drops: bool,
}

/// `[retry]`: what follows a failed attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RetryStatus {
    /// Attempts in all.
    pub attempts: u32,
    /// Delay before the second attempt, in milliseconds.
    pub backoff_min_ms: u64,
    /// Bound on its doubling, in milliseconds.
    pub backoff_max_ms: u64,
    /// Bound on the delay that the plugin itself asks for, in milliseconds.
    pub retry_after_max_ms: u64,
}

/// `[supervision]`: when the plugin is suspended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SupervisionStatus {
    /// Different events that fault within the window.
    pub budget: u32,
    /// The sliding window, in milliseconds.
    pub window_ms: u64,
    /// First suspension, in milliseconds.
    pub suspend_min_ms: u64,
    /// Bound on its doubling, in milliseconds.
    pub suspend_max_ms: u64,
}

impl From<&Settings> for QueueStatus {
    fn from(settings: &Settings) -> Self {
        let (when_full, wait) = match settings.when_full {
            WhenFull::Wait { max } => ("wait", Some(max)),
            WhenFull::DropOldest => ("drop_oldest", None),
            WhenFull::DropNewest => ("drop_newest", None),
            WhenFull::Refuse => ("refuse", None),
            WhenFull::Spill => ("spill", None),
        };
        Self {
            events_max: settings.queue_events_max.get(),
            bytes_max: settings.queue_bytes_max,
            when_full,
            wait_max_ms: wait.map(ms),
            dead_letter_drops: settings.dead_letter_drops,
        }
    }
}

impl From<&Settings> for RetryStatus {
    fn from(settings: &Settings) -> Self {
        let policy = &settings.retry;
        Self {
            attempts: policy.attempts.get(),
            backoff_min_ms: ms(policy.backoff_min),
            backoff_max_ms: ms(policy.backoff_max),
            retry_after_max_ms: ms(policy.retry_after_max),
        }
    }
}

impl From<&SupervisionPolicy> for SupervisionStatus {
    fn from(policy: &SupervisionPolicy) -> Self {
        Self {
            budget: policy.budget.get(),
            window_ms: ms(policy.window),
            suspend_min_ms: ms(policy.suspend_min),
            suspend_max_ms: ms(policy.suspend_max),
        }
    }
}

/// `ordering_key` as the manifest writes it.
pub(crate) fn ordering_key(settings: &Settings) -> Option<String> {
    settings.ordering_key.as_ref().map(|key| match key {
        OrderingKey::Subject => "subject".into(),
        OrderingKey::Source => "source".into(),
        OrderingKey::Topic => "topic".into(),
        OrderingKey::Extension(name) => format!("extension:{name}"),
    })
}

/// A time in milliseconds.
pub(crate) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
