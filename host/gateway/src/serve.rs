//! Serving: a port, its connections, and one connection.
//!
//! What bounds it: the number of connections (one more is told so and closed), and what [`connection`] bounds for each.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::counters::count;
use crate::gateway::{Gateway, GatewayError};

mod connection;
mod meter;
mod patient;
mod tls;

pub(crate) use connection::{Peer, connection};
pub(crate) use meter::Meter;
pub use tls::TlsError;
pub(crate) use tls::config as tls_config;

/// Pause after the system could not accept a connection, so that a lack of descriptors does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An address that is taken. Peers can connect and wait; nobody answers them yet.
pub struct Bound {
    listener: TcpListener,
    addr: SocketAddr,
    gateway: Gateway,
}

impl Bound {
    pub(crate) async fn take(gateway: Gateway) -> Result<Self, GatewayError> {
        let shared = gateway.shared();
        let address = shared.settings.listen;
        if shared.tokens.is_none() && !address.ip().is_loopback() {
            return Err(GatewayError::Unprotected { address });
        }
        let tls = shared.settings.tls.as_ref().map(tls::config).transpose()?;
        if tls.is_none() && !address.ip().is_loopback() {
            tracing::warn!(%address, "tokens go over the network in the clear; set `tls.cert` and `tls.key`");
        }
        let failed = |source| GatewayError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        // Of two ports the first is told; nobody takes two.
        shared.addr.get_or_init(|| addr);
        shared.tls.store(tls);
        Ok(Self { listener, addr, gateway })
    }

    /// The address, with the port that was found.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Begins to answer.
    pub fn serve(self) -> Server {
        let Self { listener, addr, gateway } = self;
        let accepting = tokio::spawn(accept(listener, gateway.clone()));
        Server { addr, gateway, accepting }
    }
}

impl std::fmt::Debug for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bound").field("addr", &self.addr).finish_non_exhaustive()
    }
}

/// A gateway being served. Dropped without [`Server::close`], it ends at once, and every connection with it.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    gateway: Gateway,
    accepting: JoinHandle<JoinSet<()>>,
}

impl Server {
    /// Where it is.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Ends the gateway and every connection: those that do not end by themselves within the grace are cut off.
    pub async fn close(mut self, grace: Duration) {
        self.gateway.close();
        let mut connections = match (&mut self.accepting).await {
            Ok(connections) => connections,
            Err(error) => return tracing::error!(error = &error as &dyn std::error::Error, "the gateway had stopped"),
        };
        let all = async {
            while let Some(ended) = connections.join_next().await {
                report_panic(ended);
            }
        };
        if tokio::time::timeout(grace, all).await.is_err() {
            tracing::debug!(connections = connections.len(), "peers that did not read their last bytes are cut off");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
        // Those that are no longer HTTP are tasks of their own, which only this ends.
        self.gateway.close();
    }
}

/// Accepts until the gateway drains; hands back the connections that are still open.
async fn accept(listener: TcpListener, gateway: Gateway) -> JoinSet<()> {
    let mut connections = JoinSet::new();
    let counters = &gateway.shared().counters;
    loop {
        let accepted = tokio::select! {
            biased;
            () = gateway.shared().draining() => break,
            Some(ended) = connections.join_next() => {
                report_panic(ended);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) if connections.len() >= gateway.shared().settings.connections_max => {
                refuse(&gateway, &stream);
            }
            Ok((stream, remote)) => {
                count(&counters.connections);
                // Whatever was read last.
                let tls = gateway.shared().tls.load_full().map(TlsAcceptor::from);
                connections.spawn(tcp(gateway.clone(), stream, remote, tls));
            }
            Err(error) => {
                let failed = count(&counters.accept_failed);
                // At 1, 2, 4, 8 …: no descriptors left is a state, not an event.
                if failed.is_power_of_two() {
                    tracing::warn!(failed, error = &error as &dyn std::error::Error, "cannot accept a connection");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    connections
}

async fn tcp(gateway: Gateway, stream: TcpStream, remote: SocketAddr, tls: Option<TlsAcceptor>) {
    // Answers are small, and whoever waits for one waits for it.
    let prepared = stream.set_nodelay(true).and_then(|()| stream.local_addr());
    let local = match prepared {
        Ok(local) => local,
        Err(error) => {
            return tracing::debug!(error = &error as &dyn std::error::Error, "a peer left before it was heard");
        }
    };
    let peer = Peer::Tcp { remote, local };
    let Some(tls) = tls else { return connection(&gateway, stream, peer).await };
    let settings = &gateway.shared().settings;
    match tokio::time::timeout(settings.header_timeout, tls.accept(stream)).await {
        Ok(Ok(stream)) => connection(&gateway, stream, peer).await,
        Ok(Err(error)) => {
            count(&gateway.shared().counters.handshakes_failed);
            tracing::debug!(error = &error as &dyn std::error::Error, "a TLS handshake failed");
        }
        Err(_) => {
            count(&gateway.shared().counters.handshakes_failed);
            tracing::debug!("a TLS handshake took too long");
        }
    }
}

/// A panic ends one connection; it is a bug all the same.
fn report_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(error = &error as &dyn std::error::Error, "a peer's connection panicked; please report this");
    }
}

/// Tells a peer that there are too many. It is not waited for: one that does not read finds its connection closed.
fn refuse(gateway: &Gateway, stream: &TcpStream) {
    let shared = gateway.shared();
    count(&shared.counters.connections_refused);
    let max = shared.settings.connections_max;
    let body = format!(
        "{{\"status\":503,\"title\":\"Service Unavailable\",\"detail\":\"the gateway has {max} connections, the most it \
         takes (http.connections_max); try again later\"}}"
    );
    let text = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    if let Err(error) = stream.try_write(text.as_bytes()) {
        tracing::debug!(error = &error as &dyn std::error::Error, "a peer that was turned away was not told");
    }
}
