//! The local socket: how programs on the same machine publish, watch and administer a running host.
//!
//! [`protocol`] is what goes over it, [`client`] is a client without a runtime. A host with a socket
//! ([`HostBuilder::socket`](crate::HostBuilder::socket)) accepts connections, each a task of its own.
//!
//! Whoever begins with a capital letter speaks HTTP, and is handed to the [gateway](plugbus_gateway) with every right: nobody but
//! the owner can open the socket.
//!
//! What bounds it: the number of connections (one over is told so and closed), one request in hand for each, the length of
//! a line, the times for reading, writing and silence, and the queue of each watcher; all in
//! [`Clients`], all counted in [`SocketStats`]. Clients wait for the bus where a subscription's
//! policy lets publishers wait; the bus never waits for a client.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use plugbus_bus::{Bus, WatchLimits};
use plugbus_gateway::Gateway;
use plugbus_journal::DiskJournal;
use plugbus_loader::Loader;
use plugbus_otlp::SpanTracer;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle, JoinSet};

use crate::config::{Clients, Config, size};
use crate::spool::Taker;

pub mod client;
mod connection;
mod counters;
mod event;
mod lines;
mod operations;
mod place;
pub mod protocol;

pub use counters::SocketStats;
pub use event::{NewEvent, NewEventError, parse_event};
pub(crate) use event::{text_or_encoded, to_json as event_json};
pub(crate) use operations::past;
pub use place::{PATH_BYTES_MAX, SocketError};

use counters::{Counters, Gauge, count};
use place::Place;
use protocol::{ErrorCode, ErrorLine, Response};

/// Pause after the system could not accept a connection, so that a lack of descriptors does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bounds on clients, in the types that are used.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    connections_max: usize,
    line_bytes_max: usize,
    line_timeout: Duration,
    idle_timeout: Duration,
    write_timeout: Duration,
    watch: WatchLimits,
}

impl Limits {
    pub(crate) fn new(config: &Config) -> Self {
        let clients = &config.clients;
        Self {
            connections_max: size(clients.connections_max),
            line_bytes_max: Clients::line_bytes_max(config.events.data_bytes_max),
            line_timeout: Duration::from_millis(clients.line_timeout_ms),
            idle_timeout: Duration::from_millis(clients.idle_timeout_ms),
            write_timeout: Duration::from_millis(clients.write_timeout_ms),
            watch: WatchLimits { events_max: size(clients.watch_events_max), bytes_max: size(clients.watch_bytes_max) },
        }
    }
}

/// What the operations need.
pub(crate) struct Services {
    pub(crate) bus: Bus,
    pub(crate) loader: Option<Loader>,
    pub(crate) journal: Option<Arc<DiskJournal>>,
    pub(crate) taker: Option<Arc<Taker>>,
    pub(crate) tracer: Option<Arc<SpanTracer>>,
    /// Speaks with clients whose first byte begins no line of ours.
    pub(crate) gateway: Gateway,
    pub(crate) limits: Limits,
    counters: Counters,
}

impl Services {
    /// What the socket counted.
    pub(crate) fn socket_stats(&self) -> SocketStats {
        self.counters.read()
    }

    pub(crate) fn new(
        bus: Bus,
        loader: Option<Loader>,
        journal: Option<Arc<DiskJournal>>,
        gateway: Gateway,
        limits: Limits,
    ) -> Self {
        Self { bus, loader, journal, taker: None, tracer: None, gateway, limits, counters: Counters::default() }
    }

    /// The same with somebody who takes in what hooks leave.
    pub(crate) fn with_taker(self, taker: Option<Arc<Taker>>) -> Self {
        Self { taker, ..self }
    }

    /// The same with somebody who makes spans.
    pub(crate) fn with_tracer(self, tracer: Option<Arc<SpanTracer>>) -> Self {
        Self { tracer, ..self }
    }
}

/// How far the server has come in stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Everything goes on.
    Serving,
    /// No new connection and no new request; what is in hand is finished, and watchers still see events.
    Draining,
    /// Watchers are told good-bye.
    Closed,
}

/// A socket whose path is taken. Clients can connect and wait; nobody answers them yet.
#[derive(Debug)]
pub(crate) struct Bound {
    place: Place,
    listener: UnixListener,
}

impl Bound {
    /// Takes the path.
    ///
    /// # Errors
    /// [`SocketError`] says what is in the way.
    pub(crate) async fn take(path: &Path) -> Result<Self, SocketError> {
        let wanted = path.to_owned();
        let io_error = |source| SocketError::Io { what: "serve", path: path.to_owned(), source };
        let runtime = tokio::runtime::Handle::current();
        let taken = tokio::task::spawn_blocking(move || {
            let _entered = runtime.enter();
            Place::take(&wanted)
        });
        let (place, listener) = taken.await.map_err(|error| io_error(std::io::Error::other(error)))??;
        let listener = UnixListener::from_std(listener).map_err(io_error)?;
        Ok(Self { place, listener })
    }

    /// Begins to answer.
    pub(crate) fn serve(self, services: Arc<Services>) -> Server {
        let path = self.place.path().to_owned();
        let (phase, changes) = watch::channel(Phase::Serving);
        let accepting = tokio::spawn(accept(self.listener, self.place, services.clone(), changes));
        Server { path, services, phase, accepting }
    }
}

/// The socket being served. Dropped without [`Server::close`], it ends at once, and every connection with it.
pub(crate) struct Server {
    path: PathBuf,
    services: Arc<Services>,
    phase: watch::Sender<Phase>,
    accepting: JoinHandle<(JoinSet<()>, Place)>,
}

impl Server {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What it counted.
    pub(crate) fn stats(&self) -> SocketStats {
        self.services.counters.read()
    }

    /// Takes no more connections and requests, and removes the socket. Watchers go on, and so does what is in hand.
    pub(crate) fn drain(&self) {
        self.phase.send_replace(Phase::Draining);
    }

    /// Ends every connection: those that do not end by themselves within the grace are cut off. Then another host may have
    /// the path.
    pub(crate) async fn close(mut self, grace: Duration) {
        self.phase.send_replace(Phase::Closed);
        let (mut connections, _place) = match (&mut self.accepting).await {
            Ok(accepted) => accepted,
            Err(error) => return tracing::error!(error = &error as &dyn std::error::Error, "the socket had stopped"),
        };
        let all = async {
            while let Some(ended) = connections.join_next().await {
                report_panic(ended);
            }
        };
        if tokio::time::timeout(grace, all).await.is_err() {
            tracing::debug!(connections = connections.len(), "clients that did not read their last lines are cut off");
        }
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Accepts until the host drains; hands back the connections that are still open, and the path, which stays ours until the
/// host has stopped: what its plugins still do must not meet those of the next host.
async fn accept(
    listener: UnixListener,
    place: Place,
    services: Arc<Services>,
    phase: watch::Receiver<Phase>,
) -> (JoinSet<()>, Place) {
    let mut connections = JoinSet::new();
    let mut stopping = phase.clone();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stopping.wait_for(|phase| *phase != Phase::Serving) => break,
            Some(ended) = connections.join_next() => {
                report_panic(ended);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) if connections.len() >= services.limits.connections_max => refuse(&services, &stream),
            Ok((stream, _)) => {
                count(&services.counters.accepted);
                connections.spawn(serve(services.clone(), stream, phase.clone()));
            }
            Err(error) => {
                let failed = count(&services.counters.accept_failed);
                // At 1, 2, 4, 8 …: no descriptors left is a state, not an event.
                if failed.is_power_of_two() {
                    tracing::warn!(failed, error = &error as &dyn std::error::Error, "cannot accept a connection");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // Removed before the listener closes: whoever connects now finds no socket rather than one that refuses.
    place.leave();
    (connections, place)
}

async fn serve(services: Arc<Services>, stream: UnixStream, phase: watch::Receiver<Phase>) {
    let _gauge = Gauge::enter(&services.counters.open);
    let (reader, writer) = stream.into_split();
    if let Err(error) = connection::serve(services.clone(), reader, writer, phase).await {
        tracing::debug!(error = &error as &dyn std::error::Error, "a client's connection ended");
    }
}

/// A panic ends one connection; it is a bug all the same.
fn report_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(error = &error as &dyn std::error::Error, "a client's connection panicked; please report this");
    }
}

/// Tells a client that there are too many. It is not waited for: one that does not read finds its connection closed.
fn refuse(services: &Services, stream: &UnixStream) {
    count(&services.counters.refused);
    let max = services.limits.connections_max;
    let message =
        format!("the host has {max} connections, the most it takes (clients.connections_max); try again later");
    let line = Response::Error(ErrorLine::new(ErrorCode::TooManyConnections, message).closing());
    if let Ok(mut text) = serde_json::to_vec(&line) {
        text.push(b'\n');
        if let Err(error) = stream.try_write(&text) {
            tracing::debug!(error = &error as &dyn std::error::Error, "a client that was turned away was not told");
        }
    }
}
