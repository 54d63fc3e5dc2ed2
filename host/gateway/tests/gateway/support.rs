//! A gateway on a port of its own, and a peer that speaks HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use plugbus_bus::{Bus, Event, EventStream};
use plugbus_gateway::{Gateway, Server, Settings};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A gateway being served.
pub(crate) struct Serving {
    pub(crate) bus: Bus,
    pub(crate) gateway: Gateway,
    server: Server,
}

/// What was published.
pub(crate) struct Seen(EventStream);

impl Seen {
    pub(crate) async fn next(&mut self) -> Arc<Event> {
        tokio::time::timeout(PATIENCE, self.0.next()).await.expect("an event").expect("an event")
    }
}

/// A connection.
pub(crate) struct Peer(pub(crate) TcpStream, SocketAddr);

impl Peer {
    /// Asks and reads the answer; the connection stays.
    pub(crate) async fn ask(&mut self, line: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Answer {
        let bytes = request(line, &self.1.to_string(), headers, body.as_ref());
        self.0.write_all(&bytes).await.unwrap();
        tokio::time::timeout(PATIENCE, self.read()).await.expect("an answer")
    }

    async fn read(&mut self) -> Answer {
        let mut all = Vec::new();
        loop {
            let answer = Answer::parse(&all);
            let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
            if all.windows(4).any(|four| four == b"\r\n\r\n") && answer.body.len() >= length {
                return answer;
            }
            let read = self.0.read_buf(&mut all).await.unwrap();
            assert!(read > 0, "closed after {all:?}");
        }
    }

    /// Whether the other side closes.
    pub(crate) async fn until_closed(&mut self) {
        let mut all = Vec::new();
        let closed = self.0.read_to_end(&mut all);
        // An error is an end too.
        drop(tokio::time::timeout(PATIENCE, closed).await.expect("an end"));
    }
}

/// A request as bytes.
fn request(line: &str, host: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut text = format!("{line} HTTP/1.1\r\n");
    if !headers.iter().any(|header| header.to_lowercase().starts_with("host:")) {
        text.push_str(&format!("host: {host}\r\n"));
    }
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    text.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Serving {
    pub(crate) async fn start() -> Self {
        Self::start_with(Bus::default(), |_| {}).await
    }

    pub(crate) async fn start_with(bus: Bus, adjust: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings { listen: "127.0.0.1:0".parse().unwrap(), ..Settings::default() };
        adjust(&mut settings);
        let gateway = Gateway::new(bus.clone(), None, settings).unwrap();
        let server = gateway.bind().await.unwrap().serve();
        Self { bus, gateway, server }
    }

    /// Everything that matches, in order.
    pub(crate) fn watch(&self, filter: &str) -> Seen {
        Seen(self.bus.subscribe(filter).stream().unwrap())
    }

    /// A connection for several requests.
    pub(crate) async fn connect(&self) -> Peer {
        Peer(TcpStream::connect(self.addr()).await.unwrap(), self.addr())
    }

    /// Waits for a condition.
    pub(crate) async fn until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let waiting = async {
            while !condition() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{what}: {:?}", self.gateway.stats()));
    }

    /// Stops in order.
    pub(crate) async fn stop(self) {
        self.gateway.drain();
        self.server.close(PATIENCE).await;
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// Sends one request on a connection of its own. The lines are headers; `Host`, if it is none of
    /// them, and `Content-Length` are added.
    pub(crate) async fn send(&self, line: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Answer {
        let headers = [headers, &["connection: close"]].concat();
        let bytes = request(line, &self.addr().to_string(), &headers, body.as_ref());
        self.send_raw(&bytes).await
    }

    /// Sends bytes and reads until the other side closes.
    pub(crate) async fn send_raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.addr()).await.unwrap();
        // One that is refused early may find the connection closed before it has sent everything.
        let (mut reader, mut writer) = stream.split();
        let writing = async { drop(writer.write_all(bytes).await) };
        let reading = async {
            let mut all = Vec::new();
            drop(reader.read_to_end(&mut all).await);
            all
        };
        let both = async { tokio::join!(writing, reading) };
        let ((), all) = tokio::time::timeout(PATIENCE, both).await.expect("an answer");
        Answer::parse(&all)
    }
}

impl Answer {
    fn parse(all: &[u8]) -> Self {
        let end = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(all.len());
        let head = String::from_utf8_lossy(&all[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let body = all.get(end + 4..).unwrap_or_default().to_vec();
        Self { status, head, body }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// What a problem says.
    pub(crate) fn detail(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        problem["detail"].as_str().unwrap().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
