//! What the gateway counted: each bound that was hit has its number.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;

/// Live counters.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: AtomicU64,
    pub(crate) connections_refused: AtomicU64,
    pub(crate) connections_open: AtomicU64,
    pub(crate) connections_broken: AtomicU64,
    pub(crate) accept_failed: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) events: AtomicU64,
    pub(crate) uploads: AtomicU64,
    pub(crate) uploads_refused: AtomicU64,
}

/// A reading of the counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GatewayStats {
    /// Connections accepted.
    pub connections: u64,
    /// Connections turned away because there were too many.
    pub connections_refused: u64,
    /// Connections open now.
    pub connections_open: u64,
    /// Connections that ended in an error: broken off, malformed, or too slow.
    pub connections_broken: u64,
    /// Times that the system could not accept a connection (no descriptors left, say).
    pub accept_failed: u64,
    /// Requests that came in.
    pub requests: u64,
    /// Events that were accepted.
    pub events: u64,
    /// Components and manifests that were uploaded.
    pub uploads: u64,
    /// Uploads that were refused: too large, or nothing that can run.
    pub uploads_refused: u64,
}

impl Counters {
    pub(crate) fn read(&self) -> GatewayStats {
        GatewayStats {
            connections: self.connections.load(Relaxed),
            connections_refused: self.connections_refused.load(Relaxed),
            connections_open: self.connections_open.load(Relaxed),
            connections_broken: self.connections_broken.load(Relaxed),
            accept_failed: self.accept_failed.load(Relaxed),
            requests: self.requests.load(Relaxed),
            events: self.events.load(Relaxed),
            uploads: self.uploads.load(Relaxed),
            uploads_refused: self.uploads_refused.load(Relaxed),
        }
    }
}

/// Adds one, and says how many there are now.
pub(crate) fn count(counter: &AtomicU64) -> u64 {
    counter.fetch_add(1, Relaxed) + 1
}

/// Counts something that is there as long as this lives.
#[derive(Debug)]
pub(crate) struct Gauge<'a>(&'a AtomicU64);

impl<'a> Gauge<'a> {
    pub(crate) fn enter(gauge: &'a AtomicU64) -> Self {
        gauge.fetch_add(1, Relaxed);
        Self(gauge)
    }
}

impl Drop for Gauge<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
