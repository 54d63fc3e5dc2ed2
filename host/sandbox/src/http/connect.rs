//! One connection for one request: to a checked address, with or without TLS, HTTP/1.1.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use http::{Request, Uri};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{self, pki_types::ServerName};
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::within;
use crate::origin::{Host, Origin};

/// Where a request goes.
pub(super) struct Target {
    pub(super) origin: Origin,
    /// Checked; tried in order.
    pub(super) addresses: Vec<SocketAddr>,
    /// Settings, where the scheme is https.
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
}

/// How long each phase may take: what the guest asked for, and never longer than its call has left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeouts {
    pub(super) connect: Duration,
    pub(super) first_byte: Duration,
    pub(super) between_bytes: Duration,
}

impl Timeouts {
    pub(super) fn new(asked: RequestOptions, deadline: Instant) -> Self {
        Self {
            connect: within(asked.connect_timeout, deadline),
            first_byte: within(asked.first_byte_timeout, deadline),
            between_bytes: within(asked.between_bytes_timeout, deadline),
        }
    }
}

/// Most bytes that a connection reads ahead; headers must fit in it.
const READ_BUFFER_BYTES: usize = 64 << 10;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Sends a request and waits for the head of the response. The second value must be polled for the body to come in.
pub(super) async fn send(
    target: Target,
    mut request: Request<WasiBody>,
    timeouts: Timeouts,
) -> Result<(http::Response<Incoming>, impl Future<Output = Result<(), Error>> + Send + use<>), Error> {
    let stream =
        tokio::time::timeout(timeouts.connect, open(&target)).await.map_err(|_| Error::ConnectionTimeout)??;
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(READ_BUFFER_BYTES)
        .handshake::<_, WasiBody>(TokioIo::new(stream))
        .await?;
    // Scheme and authority go on the wire only to proxies.
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse::<Uri>().map_err(|_| Error::HttpRequestUriInvalid)?;

    let mut connection = Some(connection);
    let response = async {
        let mut response = pin!(sender.send_request(request));
        poll_fn(|context| {
            if let Poll::Ready(response) = response.as_mut().poll(context) {
                return Poll::Ready(response.map_err(Error::from));
            }
            let Some(running) = connection.as_mut() else {
                return Poll::Pending;
            };
            let ended = ready!(Pin::new(running).poll(context));
            connection = None;
            // A server may answer and close before it has read everything: its answer counts.
            match (response.as_mut().poll(context), ended) {
                (Poll::Ready(response), _) => Poll::Ready(response.map_err(Error::from)),
                (Poll::Pending, Err(error)) => Poll::Ready(Err(error.into())),
                (Poll::Pending, Ok(())) => Poll::Pending,
            }
        })
        .await
    };
    let response =
        tokio::time::timeout(timeouts.first_byte, response).await.map_err(|_| Error::ConnectionReadTimeout)??;
    Ok((response, async move {
        match connection {
            Some(connection) => connection.await.map_err(Error::from),
            None => Ok(()),
        }
    }))
}

async fn open(target: &Target) -> Result<Box<dyn Stream>, Error> {
    let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
    for address in &target.addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return secure(stream, target).await,
            Err(error) => last = error,
        }
    }
    Err(if last.kind() == std::io::ErrorKind::ConnectionRefused {
        Error::ConnectionRefused
    } else {
        Error::Connect(last)
    })
}

async fn secure(stream: TcpStream, target: &Target) -> Result<Box<dyn Stream>, Error> {
    let Some(tls) = &target.tls else {
        return Ok(Box::new(stream));
    };
    let name = match target.origin.host() {
        Host::Ip(address) => ServerName::from(*address),
        Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| Error::HttpRequestUriInvalid)?,
    };
    let stream = TlsConnector::from(tls.clone()).connect(name, stream).await.map_err(Error::Tls)?;
    Ok(Box::new(stream))
}
