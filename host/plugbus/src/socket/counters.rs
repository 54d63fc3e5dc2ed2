//! What the socket counted: each bound that was hit has its number.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use plugbus_bus::WatchCounters;
use serde::Serialize;

/// Live counters.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) accepted: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) accept_failed: AtomicU64,
    pub(super) open: AtomicU64,
    pub(super) watchers: AtomicU64,
    pub(super) http: AtomicU64,
    pub(super) requests: AtomicU64,
    pub(super) bad_lines: AtomicU64,
    pub(super) long_lines: AtomicU64,
    pub(super) half_lines: AtomicU64,
    pub(super) read_timeouts: AtomicU64,
    pub(super) write_timeouts: AtomicU64,
    /// Watches ever begun; numbers their subscriptions.
    pub(super) watches: AtomicU64,
    pub(super) watching: Arc<WatchCounters>,
}

/// A reading of the counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SocketStats {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections turned away because there were too many.
    pub refused: u64,
    /// Times that the system could not accept a connection (no descriptors left, say).
    pub accept_failed: u64,
    /// Connections open now.
    pub open: u64,
    /// Of these, watchers.
    pub watchers: u64,
    /// Connections that spoke HTTP: what they did is in the gateway's counters.
    pub http: u64,
    /// Requests understood.
    pub requests: u64,
    /// Lines that were not a request.
    pub bad_lines: u64,
    /// Connections closed because of a line over the limit.
    pub long_lines: u64,
    /// Connections that ended in the middle of a line.
    pub half_lines: u64,
    /// Connections closed because a line was not finished, or none begun, in time.
    pub read_timeouts: u64,
    /// Connections closed because an answer was not read in time.
    pub write_timeouts: u64,
    /// Events queued for watchers.
    pub watched: u64,
    /// Events that watchers missed.
    pub missed: u64,
}

impl Counters {
    pub(super) fn read(&self) -> SocketStats {
        SocketStats {
            accepted: self.accepted.load(Relaxed),
            refused: self.refused.load(Relaxed),
            accept_failed: self.accept_failed.load(Relaxed),
            open: self.open.load(Relaxed),
            watchers: self.watchers.load(Relaxed),
            http: self.http.load(Relaxed),
            requests: self.requests.load(Relaxed),
            bad_lines: self.bad_lines.load(Relaxed),
            long_lines: self.long_lines.load(Relaxed),
            half_lines: self.half_lines.load(Relaxed),
            read_timeouts: self.read_timeouts.load(Relaxed),
            write_timeouts: self.write_timeouts.load(Relaxed),
            watched: self.watching.watched.load(Relaxed),
            missed: self.watching.missed.load(Relaxed),
        }
    }
}

/// Adds one, and says how many there are now.
pub(super) fn count(counter: &AtomicU64) -> u64 {
    counter.fetch_add(1, Relaxed) + 1
}

/// Counts something that is there as long as this lives.
#[derive(Debug)]
pub(super) struct Gauge<'a>(&'a AtomicU64);

impl<'a> Gauge<'a> {
    pub(super) fn enter(gauge: &'a AtomicU64) -> Self {
        gauge.fetch_add(1, Relaxed);
        Self(gauge)
    }
}

impl Drop for Gauge<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
