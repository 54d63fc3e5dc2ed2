//! A gateway on a port of its own, and a peer that speaks HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use plugbus_bus::Bus;
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

    pub(crate) fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// Sends one request on a connection of its own. The lines are headers; `Host` and `Content-Length` are added.
    pub(crate) async fn send(&self, line: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Answer {
        let body = body.as_ref();
        let mut text = format!("{line} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.addr());
        for header in headers {
            text.push_str(header);
            text.push_str("\r\n");
        }
        text.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(body);
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
