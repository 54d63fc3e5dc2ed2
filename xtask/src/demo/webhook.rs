//! Somebody's webhook: a small HTTP server on the loopback, which is out of order now and then.
//!
//! It counts by itself what reaches it, and so tells independently of the daemon what arrived. Bounded: one thread a
//! connection, one request a connection, a time and a size for each.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::live::LiveError;

/// Each so many-th request is answered with 500.
pub(super) const OUT_OF_ORDER_EVERY: u64 = 40;
/// Longest wait for a client in the middle of a request.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most bytes of a request's head, and of its body.
const HEAD_BYTES_MAX: u64 = 16 << 10;
const BODY_BYTES_MAX: u64 = 4 << 20;

/// What the server saw.
#[derive(Debug, Clone, Default)]
pub(super) struct Posts {
    /// Requests that were read to their end.
    pub(super) received: u64,
    /// Of these, how many were answered with 500.
    pub(super) refused: u64,
    /// The events of the others, in the order of their arrival.
    pub(super) taken: Vec<Taken>,
}

/// An event that was answered with 200.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    /// The event's id.
    pub(super) id: String,
    /// When, nanoseconds since the Unix epoch.
    pub(super) time_ns: u64,
}

/// The running server. Stops when dropped.
pub(super) struct Webhook {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    posts: Mutex<Posts>,
    is_over: AtomicBool,
}

impl Webhook {
    /// Starts on a free port.
    pub(super) fn start() -> Result<Self, LiveError> {
        let failed = |error| LiveError::io("serve HTTP on the loopback", error);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared::default());
        let serving = shared.clone();
        let accepting = Some(thread::spawn(move || accept(&listener, &serving)));
        Ok(Self { address, shared, accepting })
    }

    /// Where it is: `http://127.0.0.1:PORT`.
    pub(super) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it has seen so far.
    pub(super) fn posts(&self) -> Posts {
        self.shared.posts().clone()
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Relaxed);
        // Wakes the thread that waits for a client. If nobody answers any more, there is nothing to wake.
        drop(TcpStream::connect_timeout(&self.address, PATIENCE));
        if let Some(accepting) = self.accepting.take() {
            drop(accepting.join());
        }
    }
}

impl Shared {
    fn posts(&self) -> MutexGuard<'_, Posts> {
        self.posts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.is_over.load(Relaxed) {
            return;
        }
        // A client that could not be accepted or that broke off tries again: it is the relay's job, and counted there.
        let Ok(client) = client else { continue };
        let shared = shared.clone();
        thread::spawn(move || drop(serve(&client, &shared)));
    }
}

/// One request, one answer.
fn serve(client: &TcpStream, shared: &Shared) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    let body = read_request(&mut BufReader::new(client))?;
    let status = answer(&body, shared);
    let text = if status == "200 OK" { "" } else { "the webhook is out of order for a moment" };
    let length = text.len();
    let mut client = client;
    write!(client, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}")?;
    client.flush()
}

/// Counts the request and decides on its answer.
fn answer(body: &[u8], shared: &Shared) -> &'static str {
    let event: Option<Value> = serde_json::from_slice(body).ok();
    let id = event.as_ref().and_then(|event| event.get("id")).and_then(Value::as_str);
    let mut posts = shared.posts();
    posts.received += 1;
    let Some(id) = id else { return "400 Bad Request" };
    if posts.received.is_multiple_of(OUT_OF_ORDER_EVERY) {
        posts.refused += 1;
        return "500 Internal Server Error";
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    posts.taken.push(Taken { id: id.to_owned(), time_ns: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX) });
    "200 OK"
}

/// The body of a request with a `content-length`; everything else in its head is left aside.
fn read_request(client: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut head = client.take(HEAD_BYTES_MAX);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if head.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line.trim_end().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse::<u64>().map_err(io::Error::other)?.min(BODY_BYTES_MAX);
        }
    }
    let mut body = Vec::new();
    client.take(length).read_to_end(&mut body)?;
    if u64::try_from(body.len()).is_ok_and(|read| read < length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(body)
}

#[cfg(test)]
mod tests;
