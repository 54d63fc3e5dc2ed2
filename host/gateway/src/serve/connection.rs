//! One connection: HTTP/1.1 with bounds on headers and times, and an orderly end.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::body::Body;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tower::Service;

use super::meter::Meter;
use super::patient::Patient;
use crate::counters::{Gauge, count};
use crate::gateway::Gateway;

/// The least that a connection reads at once; a bound on headers below it makes no sense.
const BUFFER_BYTES_MIN: usize = 8192;

/// Who is at the other end. An extension of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A program of the same user on the same machine, by the local socket.
    Local,
    /// Anybody who can reach the port.
    Tcp {
        /// Its address.
        remote: SocketAddr,
        /// Where it came in.
        local: SocketAddr,
    },
}

/// Serves one connection until it ends or the gateway stops.
pub(crate) async fn connection<S>(gateway: &Gateway, stream: S, peer: Peer)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shared = gateway.shared();
    let _gauge = Gauge::enter(&shared.counters.connections_open);
    let settings = &shared.settings;
    let router = gateway.router();
    let meter = Meter::default();
    let metered = meter.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let mut router = router.clone();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(meter.clone());
        async move { Service::call(&mut router, request).await as Result<Response, Infallible> }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(settings.header_timeout)
        .max_header_size(settings.header_bytes_max)
        .max_buf_size(settings.header_bytes_max.max(BUFFER_BYTES_MIN));
    let serving = builder
        .serve_connection(TokioIo::new(Patient::new(stream, settings.write_timeout, metered)), service)
        .with_upgrades();
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => ended,
        () = shared.draining() => {
            // What is in hand is finished; no further request is read.
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        count(&shared.counters.connections_broken);
        tracing::debug!(error = &error as &dyn std::error::Error, "a peer's connection ended");
    }
}
