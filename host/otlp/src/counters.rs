//! What became of spans.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;

/// What became of the spans since the start. Each one is waiting, exported, dropped, failed or rejected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ExportStats {
    /// Spans that the collector took.
    pub exported: u64,
    /// Spans that found no room in the queue.
    pub dropped: u64,
    /// Spans that were given up: the collector could not be reached or refused the whole request.
    pub failed: u64,
    /// Spans that the collector refused out of a request that it took.
    pub rejected: u64,
    /// Spans that wait now, those under way included.
    pub waiting: u64,
    /// Requests sent, successful or not.
    pub requests: u64,
    /// Requests that failed.
    pub requests_failed: u64,
}

/// The same, being counted.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) queued: AtomicU64,
    pub(crate) exported: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) requests_failed: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Relaxed);
    }

    pub(crate) fn take(counter: &AtomicU64) {
        counter.fetch_sub(1, Relaxed);
    }

    pub(crate) fn read(&self) -> ExportStats {
        let [exported, failed, rejected] =
            [&self.exported, &self.failed, &self.rejected].map(|count| count.load(Relaxed));
        let ended = exported.saturating_add(failed).saturating_add(rejected);
        ExportStats {
            exported,
            dropped: self.dropped.load(Relaxed),
            failed,
            rejected,
            // Read last: what has ended was queued before.
            waiting: self.queued.load(Relaxed).saturating_sub(ended),
            requests: self.requests.load(Relaxed),
            requests_failed: self.requests_failed.load(Relaxed),
        }
    }
}
