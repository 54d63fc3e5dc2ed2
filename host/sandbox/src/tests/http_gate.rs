//! The gate for outgoing HTTP, against servers on this machine.

use std::pin::Pin;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Empty};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks as _};

use super::*;
use crate::http::Gate;
use crate::plugin_log::PluginLog;

struct Probe {
    gate: Gate,
    template: Template,
    lines: Arc<Lines>,
}

impl Probe {
    async fn new(origins: &[&str]) -> Self {
        Self::with(origins, Vec::new()).await
    }

    async fn with(origins: &[&str], secrets: Vec<crate::SecretGrant>) -> Self {
        let lines = Arc::new(Lines::default());
        let mut spec = PluginSpec { log: lines.clone(), ..spec() };
        spec.grants.http = origins.iter().map(|origin| origin.parse().unwrap()).collect();
        spec.grants.secrets = secrets;
        spec.limits.http_requests_max = 3;
        let template = template(&Guest::default(), spec).await;
        let mut gate = Gate::new(template.inner.clone(), PluginLog::new(template.inner.clone()));
        gate.begin(Instant::now() + Duration::from_secs(10));
        Self { gate, template, lines }
    }

    async fn get(&mut self, uri: &str) -> Result<(u16, Bytes), Error> {
        self.get_with(uri, None).await
    }

    async fn get_with(&mut self, uri: &str, options: Option<RequestOptions>) -> Result<(u16, Bytes), Error> {
        let body: WasiBody = Empty::new().map_err(|never| match never {}).boxed_unsync();
        let request = ::http::Request::get(uri).body(body).unwrap();
        let sent = self.gate.send_request(request, options, Box::new(async { Ok(()) }));
        let (response, driver) = Pin::from(sent).await?;
        let driver = tokio::spawn(Pin::from(driver));
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        driver.abort();
        Ok((status, body))
    }
}

/// A server that reads a request and answers each connection with the same bytes, then keeps the connection open.
async fn server(answer: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _read = stream.read(&mut request).await;
                let _written = stream.write_all(answer.as_bytes()).await;
                wait_for_end(&mut stream).await;
            });
        }
    });
    port
}

async fn wait_for_end(stream: &mut TcpStream) {
    let mut rest = [0; 64];
    while matches!(stream.read(&mut rest).await, Ok(count) if count > 0) {}
}

/// A server that sends the path of a request back in a trailer.
async fn trailing() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let count = stream.read(&mut request).await.unwrap();
        let request = String::from_utf8_lossy(&request[..count]).into_owned();
        let path = request.split(' ').nth(1).unwrap();
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-path\r\n\r\n";
        let answer = format!("{head}2\r\nhi\r\n0\r\nx-path: {path}\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
        wait_for_end(&mut stream).await;
    });
    port
}

fn secret_for(origin: &str) -> crate::SecretGrant {
    crate::SecretGrant {
        name: "s".parse().unwrap(),
        // A variable that is surely there.
        source: crate::SecretSource::Env("CARGO_MANIFEST_DIR".into()),
        origins: vec![origin.parse().unwrap()],
        expose: false,
    }
}

#[tokio::test]
async fn trailers_that_repeat_a_secret_have_its_placeholder() {
    let origin = format!("http://127.0.0.1:{}", trailing().await);
    let secret = secret_for(&origin);
    let placeholder = secret.placeholder();
    let mut probe = Probe::with(&[&origin], vec![secret]).await;
    let body: WasiBody = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let request = ::http::Request::get(format!("{origin}/{placeholder}")).body(body).unwrap();
    let sent = probe.gate.send_request(request, None, Box::new(async { Ok(()) }));
    let (response, driver) = Pin::from(sent).await.unwrap();
    let driver = tokio::spawn(Pin::from(driver));
    let collected = response.into_body().collect().await.unwrap();
    driver.abort();
    let trailers = collected.trailers().unwrap();
    assert_eq!(trailers["x-path"], format!("/{placeholder}"));
    assert_eq!(collected.to_bytes(), "hi");
}

#[tokio::test]
async fn a_request_that_would_come_back_in_the_body_takes_no_secret_along() {
    let port = server(OK).await;
    let origin = format!("http://127.0.0.1:{port}");
    let secret = secret_for(&origin);
    let placeholder = secret.placeholder();
    let mut probe = Probe::with(&[&origin], vec![secret]).await;
    for (method, header, path, refused) in [
        ("TRACE", &*placeholder, "/", true),
        ("TRACK", &*placeholder, "/", true),
        ("trace", "x", &*format!("/{placeholder}"), true),
        ("TRACE", "x", &*format!("/?{placeholder}"), true),
        ("TRACE", "x", "/", false),
        ("GET", &*placeholder, "/", false),
    ] {
        probe.gate.begin(Instant::now() + Duration::from_secs(10));
        let body: WasiBody = Empty::new().map_err(|never| match never {}).boxed_unsync();
        let request = ::http::Request::builder().method(method).uri(format!("{origin}{path}"));
        let request = request.header("authorization", header).body(body).unwrap();
        let sent = Pin::from(probe.gate.send_request(request, None, Box::new(async { Ok(()) }))).await;
        assert_eq!(matches!(sent, Err(Error::HttpRequestDenied)), refused, "{method} {header} {path}");
        assert_eq!(sent.is_ok(), !refused, "{method} {header} {path}");
    }
    assert_eq!(probe.template.metrics().secrets_denied, 4);
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

#[tokio::test]
async fn a_granted_origin_is_reached() {
    let port = server(OK).await;
    let mut probe = Probe::new(&[&format!("http://127.0.0.1:{port}")]).await;
    let (status, body) = probe.get(&format!("http://127.0.0.1:{port}/path?q=1")).await.unwrap();
    assert_eq!((status, &*body), (200, &b"hello"[..]));
    assert_eq!(probe.template.metrics().http_requests, 1);
    let mut named = Probe::new(&[&format!("http://localhost:{port}")]).await;
    assert_eq!(named.get(&format!("http://localhost:{port}/")).await.unwrap().0, 200);
}

#[tokio::test]
async fn any_other_scheme_host_or_port_is_refused_and_written_down() {
    let port = server(OK).await;
    let mut probe = Probe::new(&[&format!("http://127.0.0.1:{port}")]).await;
    let denied =
        [format!("https://127.0.0.1:{port}/"), format!("http://localhost:{port}/"), "http://127.0.0.1/".to_owned()];
    for uri in &denied {
        assert!(matches!(probe.get(uri).await, Err(Error::HttpRequestDenied)), "{uri}");
    }
    assert_eq!(probe.template.metrics().http_denied, 3);
    let messages = probe.lines.messages();
    assert_eq!(messages.len(), 3);
    assert!(messages.iter().all(|line| line.contains("is not granted")), "{messages:?}");
}

#[tokio::test]
async fn an_address_in_disguise_is_not_the_granted_one() {
    let port = server(OK).await;
    let granted = format!("http://127.0.0.1:{port}");
    for host in ["user@127.0.0.1", "user:password@127.0.0.1", "[::ffff:127.0.0.1]", "127.1", "0x7f.0.0.1", "2130706433"]
    {
        let mut probe = Probe::new(&[&granted]).await;
        let result = probe.get(&format!("http://{host}:{port}/")).await;
        assert!(matches!(result, Err(Error::HttpRequestDenied)), "{host}: {result:?}");
    }
    // The same place in other words is the same origin.
    let mut probe = Probe::new(&[&granted]).await;
    assert_eq!(probe.get(&format!("HTTP://127.0.0.1.:{port}/")).await.unwrap().0, 200);
}

#[tokio::test]
async fn a_redirect_leads_nowhere_that_is_not_granted() {
    let secret = server(OK).await;
    let answer = format!("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{secret}/\r\ncontent-length: 0\r\n\r\n");
    let port = server(answer.leak()).await;
    let mut probe = Probe::new(&[&format!("http://127.0.0.1:{port}")]).await;
    // The host hands the redirect to the guest; the guest's next request goes through the gate again.
    assert_eq!(probe.get(&format!("http://127.0.0.1:{port}/")).await.unwrap().0, 302);
    let hop = probe.get(&format!("http://127.0.0.1:{secret}/")).await;
    assert!(matches!(hop, Err(Error::HttpRequestDenied)));
}

#[tokio::test]
async fn requests_of_one_event_are_counted() {
    let port = server(OK).await;
    let uri = format!("http://127.0.0.1:{port}/");
    let mut probe = Probe::new(&[&format!("http://127.0.0.1:{port}")]).await;
    for _ in 0..3 {
        probe.get(&uri).await.unwrap();
    }
    for _ in 0..2 {
        assert!(matches!(probe.get(&uri).await, Err(Error::ConnectionLimitReached)));
    }
    assert_eq!((probe.template.metrics().http_over_limit, probe.lines.messages().len()), (2, 1));
    probe.gate.begin(Instant::now() + Duration::from_secs(10));
    probe.get(&uri).await.unwrap();
}

#[tokio::test]
async fn a_server_that_stays_silent_is_left_at_the_time_out_and_at_the_deadline() {
    let port = server("").await;
    let uri = format!("http://127.0.0.1:{port}/");
    let mut probe = Probe::new(&[&format!("http://127.0.0.1:{port}")]).await;
    let short = Duration::from_millis(30);
    let options = RequestOptions { first_byte_timeout: Some(short), ..RequestOptions::default() };
    assert!(matches!(probe.get_with(&uri, Some(options)).await, Err(Error::ConnectionReadTimeout)));
    probe.gate.begin(Instant::now() + short);
    assert!(matches!(probe.get(&uri).await, Err(Error::ConnectionReadTimeout)));

    let slow = server("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel").await;
    let mut probe = Probe::new(&[&format!("http://127.0.0.1:{slow}")]).await;
    let options = RequestOptions { between_bytes_timeout: Some(short), ..RequestOptions::default() };
    let result = probe.get_with(&format!("http://127.0.0.1:{slow}/"), Some(options)).await;
    assert!(matches!(result, Err(Error::ConnectionReadTimeout)), "{result:?}");
}

#[tokio::test]
async fn connections_end_with_the_call() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut probe = Probe::new(&[&format!("http://127.0.0.1:{port}")]).await;
    let body: WasiBody = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let request = ::http::Request::get(format!("http://127.0.0.1:{port}/")).body(body).unwrap();
    let sent = tokio::spawn(Pin::from(probe.gate.send_request(request, None, Box::new(async { Ok(()) }))));
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = [0; 4096];
    assert!(stream.read(&mut request).await.unwrap() > 0);
    // The call that began it is over, or dropped with its instance.
    drop(probe);
    assert!(matches!(sent.await.unwrap(), Err(Error::ConnectionTerminated)));
    // The server sees the end of the connection.
    tokio::time::timeout(Duration::from_secs(10), wait_for_end(&mut stream)).await.unwrap();
}

#[tokio::test]
async fn a_body_ends_with_the_call() {
    let port = server("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel").await;
    let mut probe = Probe::new(&[&format!("http://127.0.0.1:{port}")]).await;
    let body: WasiBody = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let request = ::http::Request::get(format!("http://127.0.0.1:{port}/")).body(body).unwrap();
    let sent = probe.gate.send_request(request, None, Box::new(async { Ok(()) }));
    let (response, driver) = Pin::from(sent).await.unwrap();
    let driver = tokio::spawn(Pin::from(driver));
    let mut body = response.into_body();
    assert_eq!(&*body.frame().await.unwrap().unwrap().into_data().unwrap(), b"hel");
    probe.gate.end();
    assert!(matches!(body.frame().await, Some(Err(Error::ConnectionTerminated))));
    driver.await.unwrap().unwrap();
}

#[tokio::test]
async fn tls_needs_a_certificate_and_no_process_wide_provider() {
    let port = server(OK).await;
    let mut probe = Probe::new(&[&format!("https://127.0.0.1:{port}")]).await;
    let result = probe.get(&format!("https://127.0.0.1:{port}/")).await;
    assert!(matches!(result, Err(Error::Tls(_))), "{result:?}");
    assert!(tokio_rustls::rustls::crypto::CryptoProvider::get_default().is_none());
}

/// The first line that a server gets for a request, or the refusal.
async fn request_line(
    request: impl FnOnce(u16) -> Result<::http::Request<()>, ::http::Error>,
) -> Result<String, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut probe = Probe::new(&[&format!("http://127.0.0.1:{port}")]).await;
    let body: WasiBody = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let Ok(request) = request(port) else { return Err(Error::HttpRequestUriInvalid) };
    let sent = Pin::from(probe.gate.send_request(request.map(|()| body), None, Box::new(async { Ok(()) })));
    let seen = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes).await.unwrap();
        String::from_utf8_lossy(&bytes[..count]).lines().next().unwrap_or_default().to_owned()
    };
    tokio::select! {
        result = sent => Err(result.map(drop).unwrap_err()),
        line = seen => Ok(line),
    }
}

#[tokio::test]
async fn a_request_names_no_other_server_and_opens_no_tunnel() {
    let to = |method: &'static str, path: &'static str| {
        request_line(move |port| {
            let authority = format!("127.0.0.1:{port}");
            let uri = ::http::Uri::builder().scheme("http").authority(authority).path_and_query(path).build()?;
            ::http::Request::builder().method(method).uri(uri).body(())
        })
    };
    assert_eq!(to("GET", "/a?b=http://evil/").await.unwrap(), "GET /a?b=http://evil/ HTTP/1.1");
    assert_eq!(to("GET", "//evil/").await.unwrap(), "GET //evil/ HTTP/1.1");
    assert_eq!(to("OPTIONS", "*").await.unwrap(), "OPTIONS * HTTP/1.1");
    for path in ["http://evil/", "evil:80", "evil", "?q", "@evil/"] {
        let line = to("GET", path).await;
        assert!(line.as_ref().map_or(true, |line| line.starts_with("GET /")), "{path}: {line:?}");
    }
    let tunnel = to("CONNECT", "/").await;
    assert!(matches!(tunnel, Err(Error::HttpRequestDenied)), "{tunnel:?}");
}
