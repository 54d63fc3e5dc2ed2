//! A server that takes every event and does nothing with it, for clients that are set beside ours: HTTP, and as much of Socket.IO
//! (protocol 5 over Engine.IO 4, long polling) as one client needs that connects, publishes and leaves.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Longest time that a poll is left without an answer.
const POLL: Duration = Duration::from_secs(5);
/// Between packets of Engine.IO.
const SEPARATOR: char = '\u{1e}';
const OPEN: &str = r#"0{"sid":"one","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;

/// The server; its threads end with the process.
pub(crate) struct Sink {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    received: AtomicUsize,
    /// Packets for the one client of Socket.IO.
    packets: Mutex<VecDeque<String>>,
    more: Condvar,
}

struct Request {
    line: String,
    body: String,
}

impl Sink {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared::default());
        let serving = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = serving.clone();
                thread::spawn(move || shared.serve(&stream));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many events came.
    pub(crate) fn received(&self) -> usize {
        self.shared.received.load(SeqCst)
    }
}

impl Shared {
    fn serve(&self, stream: &TcpStream) {
        stream.set_nodelay(true).expect("it is a socket");
        let mut reader = BufReader::new(stream);
        let mut writer = stream;
        while let Some(request) = read(&mut reader) {
            let (status, body) = self.answer(&request);
            let head =
                format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\ncontent-type: text/plain\r\n\r\n", body.len());
            if writer.write_all(format!("{head}{body}").as_bytes()).is_err() {
                return;
            }
        }
    }

    fn answer(&self, request: &Request) -> (&'static str, String) {
        let line = &request.line;
        if line.starts_with("POST /v1/topics/") {
            self.received.fetch_add(1, SeqCst);
            return ("202 Accepted", "{}".into());
        }
        match (line.starts_with("POST /socket.io/"), line.contains("sid=")) {
            (true, _) => {
                request.body.split(SEPARATOR).for_each(|packet| self.take(packet));
                ("200 OK", "ok".into())
            }
            (false, true) => ("200 OK", self.poll()),
            (false, false) if line.starts_with("GET /socket.io/") => {
                self.packets.lock().unwrap_or_else(PoisonError::into_inner).clear();
                ("200 OK", OPEN.into())
            }
            _ => ("404 Not Found", String::new()),
        }
    }

    /// A packet of the client's: it connects, publishes (with the number of its acknowledgement), or leaves.
    fn take(&self, packet: &str) {
        let reply = match packet.strip_prefix("42") {
            Some(event) => {
                self.received.fetch_add(1, SeqCst);
                let number: String = event.chars().take_while(char::is_ascii_digit).collect();
                format!("43{number}[{{}}]")
            }
            None if packet.starts_with("40") => r#"40{"sid":"one"}"#.into(),
            None => "6".into(),
        };
        self.packets.lock().unwrap_or_else(PoisonError::into_inner).push_back(reply);
        self.more.notify_all();
    }

    fn poll(&self) -> String {
        let packets = self.packets.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.more.wait_timeout_while(packets, POLL, |packets| packets.is_empty());
        let (mut packets, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let ready: Vec<String> = packets.drain(..).collect();
        if ready.is_empty() { "6".into() } else { ready.join(&SEPARATOR.to_string()) }
    }
}

/// The next request; `None` where there is none.
fn read(reader: &mut BufReader<&TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok().filter(|bytes| *bytes > 0)?;
        let header = header.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { line, body: String::from_utf8_lossy(&body).into_owned() })
}
