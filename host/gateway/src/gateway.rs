//! [`Gateway`]: the routes over one bus, to be served or mounted.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use plugbus_bus::Bus;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::admin::Admin;
use crate::app;
use crate::auth::TokensError;
use crate::counters::GatewayStats;
use crate::reread;
use crate::serve::{self, Bound, Peer, TlsError};
use crate::settings::Settings;
use crate::shared::{Phase, Shared};

/// HTTP over one bus. Cheap to clone; the clones are one gateway.
#[derive(Clone)]
pub struct Gateway {
    shared: Shared,
    router: Router,
    openapi: Arc<Value>,
}

/// Why a gateway cannot serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayError {
    /// The file of tokens cannot be used.
    #[error("cannot use the file of tokens {} (`http.tokens`)", path.display())]
    Tokens {
        /// The file.
        path: PathBuf,
        /// Why.
        source: TokensError,
    },
    /// The certificate or its key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An origin is none.
    #[error("`{}` is no origin (`http.origins`); write scheme, host and port as a browser does: https://tools.example", origin.escape_debug())]
    Origin {
        /// What was given.
        origin: String,
    },
    /// The system has no random numbers.
    #[error("the system gives no random numbers")]
    Random,
    /// Everybody could do everything.
    #[error(
        "will not listen on {address} without tokens: whoever reaches it could publish anything and control every plugin; \
         name a file of tokens (`http.tokens`), or listen on 127.0.0.1 (`http.listen`)"
    )]
    Unprotected {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be taken.
    #[error("cannot listen on {address} (`http.listen`)")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

impl Gateway {
    /// Makes a gateway. Nothing is served yet.
    ///
    /// # Errors
    /// [`GatewayError`] where a setting or a file that it names cannot be used.
    pub fn new(bus: Bus, admin: Option<Arc<dyn Admin>>, settings: Settings) -> Result<Self, GatewayError> {
        let shared = Shared::new(bus, admin, settings)?;
        let (router, openapi) = app::assemble(&shared)?;
        Ok(Self { shared, router, openapi: Arc::new(openapi) })
    }

    /// The routes, for an axum app of your own.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// The OpenAPI document of the routes.
    #[must_use]
    pub fn openapi(&self) -> &Value {
        &self.openapi
    }

    /// Where it listens, if it does: with the port that was found.
    #[must_use]
    pub fn addr(&self) -> Option<SocketAddr> {
        self.shared.addr.get().copied()
    }

    /// What it counted.
    #[must_use]
    pub fn stats(&self) -> GatewayStats {
        self.shared.counters.read()
    }

    /// Takes the address of [`Settings::listen`]. Peers can connect and wait; [`Bound::serve`] answers them.
    ///
    /// # Errors
    /// [`GatewayError`] says what is in the way: the address is taken, or beyond loopback and there are no tokens.
    pub async fn bind(&self) -> Result<Bound, GatewayError> {
        Bound::take(self.clone()).await
    }

    /// Serves a connection that somebody else accepted, from a peer on this machine who may do everything: the local
    /// socket, whose mode lets in nobody but its owner. Returns when the connection has ended.
    pub async fn serve_stream<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        serve::connection(self, stream, Peer::Local).await;
    }

    /// Reads the file of tokens and the certificate with its key again; the settings stay as they are. Of what cannot be used
    /// the old one stays in force, and the error is returned. Connections go on; the streams that a token opened which is no
    /// longer known, or has other scopes, are told good-bye. Reads files: not for a runtime's thread.
    #[must_use = "these were not read"]
    pub fn reread(&self) -> Vec<GatewayError> {
        reread::reread(&self.shared)
    }

    /// Takes no more requests. What is in hand is finished, and streams go on.
    pub fn drain(&self) {
        self.shared.phase.send_replace(Phase::Draining);
    }

    /// Tells streams good-bye.
    pub fn close(&self) {
        self.shared.phase.send_replace(Phase::Closed);
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}
