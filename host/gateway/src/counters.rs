//! What the gateway counted: each bound that was hit has its number.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use plugbus_bus::WatchCounters;
use serde::Serialize;

/// Live counters.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: AtomicU64,
    pub(crate) connections_refused: AtomicU64,
    pub(crate) connections_open: AtomicU64,
    pub(crate) connections_broken: AtomicU64,
    pub(crate) accept_failed: AtomicU64,
    pub(crate) handshakes_failed: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) client_errors: AtomicU64,
    pub(crate) server_errors: AtomicU64,
    pub(crate) foreign: AtomicU64,
    pub(crate) unauthorized: AtomicU64,
    pub(crate) rate_limited: AtomicU64,
    pub(crate) bodies_too_large: AtomicU64,
    pub(crate) bodies_timed_out: AtomicU64,
    pub(crate) bodies_broken: AtomicU64,
    pub(crate) events: AtomicU64,
    pub(crate) uploads: AtomicU64,
    pub(crate) uploads_refused: AtomicU64,
    /// Readers ever; numbers their subscriptions.
    pub(crate) readers: AtomicU64,
    pub(crate) streams_open: AtomicU64,
    pub(crate) websockets_open: AtomicU64,
    pub(crate) socketio_open: AtomicU64,
    pub(crate) socketio_refused: AtomicU64,
    pub(crate) messages: AtomicU64,
    pub(crate) messages_bad: AtomicU64,
    pub(crate) peers_silent: AtomicU64,
    pub(crate) watching: Arc<WatchCounters>,
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
    /// TLS handshakes that failed or took too long.
    pub handshakes_failed: u64,
    /// Requests that came in.
    pub requests: u64,
    /// Of these, answered with 400 to 499.
    pub client_errors: u64,
    /// Of these, answered with 500 to 599.
    pub server_errors: u64,
    /// Requests refused for their host or origin.
    pub foreign: u64,
    /// Requests refused for want of a token that is known.
    pub unauthorized: u64,
    /// Requests refused because there were too many in a second.
    pub rate_limited: u64,
    /// Bodies over the bound.
    pub bodies_too_large: u64,
    /// Bodies that did not come in time.
    pub bodies_timed_out: u64,
    /// Bodies that broke off or were malformed.
    pub bodies_broken: u64,
    /// Events that were accepted.
    pub events: u64,
    /// Components and manifests that were uploaded.
    pub uploads: u64,
    /// Uploads that were refused: too large, or nothing that can run.
    pub uploads_refused: u64,
    /// Streams of server-sent events open now.
    pub streams_open: u64,
    /// WebSockets open now.
    pub websockets_open: u64,
    /// Clients of Socket.IO connected now.
    pub socketio_open: u64,
    /// Clients of Socket.IO turned away because there were too many.
    pub socketio_refused: u64,
    /// Messages that came from WebSocket and Socket.IO peers.
    pub messages: u64,
    /// Of these, those that were malformed or not allowed.
    pub messages_bad: u64,
    /// WebSockets closed because nothing came from their peers.
    pub peers_silent: u64,
    /// Events queued for readers.
    pub watched: u64,
    /// Events that readers missed because they read too slowly.
    pub missed: u64,
}

impl Counters {
    pub(crate) fn read(&self) -> GatewayStats {
        GatewayStats {
            connections: self.connections.load(Relaxed),
            connections_refused: self.connections_refused.load(Relaxed),
            connections_open: self.connections_open.load(Relaxed),
            connections_broken: self.connections_broken.load(Relaxed),
            accept_failed: self.accept_failed.load(Relaxed),
            handshakes_failed: self.handshakes_failed.load(Relaxed),
            requests: self.requests.load(Relaxed),
            client_errors: self.client_errors.load(Relaxed),
            server_errors: self.server_errors.load(Relaxed),
            foreign: self.foreign.load(Relaxed),
            unauthorized: self.unauthorized.load(Relaxed),
            rate_limited: self.rate_limited.load(Relaxed),
            bodies_too_large: self.bodies_too_large.load(Relaxed),
            bodies_timed_out: self.bodies_timed_out.load(Relaxed),
            bodies_broken: self.bodies_broken.load(Relaxed),
            events: self.events.load(Relaxed),
            uploads: self.uploads.load(Relaxed),
            uploads_refused: self.uploads_refused.load(Relaxed),
            streams_open: self.streams_open.load(Relaxed),
            websockets_open: self.websockets_open.load(Relaxed),
            socketio_open: self.socketio_open.load(Relaxed),
            socketio_refused: self.socketio_refused.load(Relaxed),
            messages: self.messages.load(Relaxed),
            messages_bad: self.messages_bad.load(Relaxed),
            peers_silent: self.peers_silent.load(Relaxed),
            watched: self.watching.watched.load(Relaxed),
            missed: self.watching.missed.load(Relaxed),
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
