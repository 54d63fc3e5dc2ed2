//! [`Shared`]: what every handler has at hand.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::{Arc, Mutex, OnceLock};

use arc_swap::{ArcSwap, ArcSwapOption};
use plugbus_bus::Bus;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::rustls::ServerConfig;

use crate::admin::Admin;
use crate::auth::{Identity, Sessions, Tokens};
use crate::counters::Counters;
use crate::gateway::GatewayError;
use crate::settings::Settings;
use crate::stream::encoded::Encoded;

/// The bus and what goes with it. Cheap to clone; the clones are one.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Parts>);

/// What is in [`Shared`].
pub(crate) struct Parts {
    pub(crate) bus: Bus,
    pub(crate) admin: Option<Arc<dyn Admin>>,
    pub(crate) settings: Settings,
    pub(crate) counters: Counters,
    /// Events in their JSON format, made once for all readers.
    pub(crate) encoded: Encoded,
    /// Who is known; none where everybody on loopback is.
    pub(crate) tokens: Option<ArcSwap<Tokens>>,
    /// With what certificate it listens; none where it does not, or without TLS.
    pub(crate) tls: ArcSwapOption<ServerConfig>,
    /// Files are read again by one at a time.
    pub(crate) rereading: Mutex<()>,
    /// Logins of browsers.
    pub(crate) sessions: Sessions,
    /// Whoever is on the local socket.
    pub(crate) local: Identity,
    /// Whoever is on the port where there are no tokens.
    pub(crate) trusted: Identity,
    /// Whoever has sent no token.
    pub(crate) nobody: Identity,
    /// Where it listens, once it does.
    pub(crate) addr: OnceLock<SocketAddr>,
    /// How far the gateway has come in stopping. Streams subscribe to it and end with it.
    pub(crate) phase: watch::Sender<Phase>,
    /// One plugin at a time comes or goes over HTTP.
    pub(crate) uploading: Semaphore,
}

/// How far the gateway has come in stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Everything goes on.
    Serving,
    /// No new connection and no new request; what is in hand is finished, and streams still see events.
    Draining,
    /// Streams are told good-bye.
    Closed,
}

impl Shared {
    /// # Errors
    /// Where the file of tokens cannot be used.
    pub(crate) fn new(bus: Bus, admin: Option<Arc<dyn Admin>>, settings: Settings) -> Result<Self, GatewayError> {
        let tokens = settings
            .tokens
            .as_deref()
            .map(|path| Tokens::read(path).map_err(|source| GatewayError::Tokens { path: path.to_owned(), source }));
        Ok(Self(Arc::new(Parts {
            bus,
            admin,
            tokens: tokens.transpose()?.map(ArcSwap::from_pointee),
            tls: ArcSwapOption::empty(),
            rereading: Mutex::default(),
            sessions: Sessions::new().map_err(|_| GatewayError::Random)?,
            local: Identity::local(),
            trusted: Identity::all("loopback"),
            nobody: Identity::nobody(),
            settings,
            counters: Counters::default(),
            encoded: Encoded::default(),
            addr: OnceLock::new(),
            phase: watch::Sender::new(Phase::Serving),
            uploading: Semaphore::new(1),
        })))
    }
}

impl Parts {
    /// Resolves when the gateway takes no more requests.
    pub(crate) async fn draining(&self) {
        self.reached(|phase| phase != Phase::Serving).await;
    }

    /// Resolves when streams must end.
    pub(crate) async fn closed(&self) {
        self.reached(|phase| phase == Phase::Closed).await;
    }

    async fn reached(&self, wanted: impl Fn(Phase) -> bool) {
        // The sender is ours: it cannot be gone.
        drop(self.phase.subscribe().wait_for(|phase| wanted(*phase)).await);
    }
}

impl Deref for Shared {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}
