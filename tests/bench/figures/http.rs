//! How many events a second are accepted over HTTP: clients that each keep their connection and wait for the answer before they
//! ask again. One event a request, batches of a hundred, and one a request over the local socket.
//!
//! Beside them the lines of the local socket, as `plugbus emit` speaks them, by as many clients. All take turns.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use plugbus::Host;
use plugbus::config::{Config, Sync};
use tokio::runtime::Runtime;

use crate::disk::{Rate, folder};
use crate::effort;
use crate::host::{PATIENCE, two_threads};
use crate::record::{Record, Records};

/// Clients at one time.
const CLIENTS: usize = 4;
/// Events of a batch.
const BATCH: usize = 100;
/// Turns of each.
const TURNS: usize = 3;
/// How long clients ask in one of them.
const TURN: Duration = Duration::from_secs(1);

/// A way in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Single,
    Batch,
    Socket,
    Lines,
}

const WAYS: [Way; 4] = [Way::Single, Way::Batch, Way::Socket, Way::Lines];

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Single => "one event a request",
            Self::Batch => "batches of 100",
            Self::Socket => "one event a request, local socket",
            Self::Lines => "the lines of the local socket",
        }
    }

    /// One question, and the events in it.
    fn question(self) -> (Vec<u8>, u64) {
        let event = r#"{"specversion":"1.0","id":"ID","source":"/bench","type":"bench.http","data":{"n":1}}"#;
        let post = |path: &str, media: &str, body: &str| {
            let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {media}\r\n");
            format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
        };
        match self {
            Self::Single | Self::Socket => (post("/v1/topics/bench.http", "application/json", r#"{"n":1}"#), 1),
            Self::Batch => {
                // Each has an id of its own, the same in every batch; a journal would call the second one a duplicate, which
                // is why it does not remember any here.
                let events: Vec<String> = (0..BATCH).map(|n| event.replace("ID", &n.to_string())).collect();
                let body = format!("[{}]", events.join(","));
                (post("/v1/events", "application/cloudevents-batch+json", &body), BATCH as u64)
            }
            Self::Lines => (b"{\"publish\":{\"event\":{\"type\":\"bench.http\",\"data\":{\"n\":1}}}}\n".to_vec(), 1),
        }
    }
}

pub(crate) fn http(records: &mut Records) {
    for journal in [false, true] {
        let runtime = two_threads();
        let place = folder();
        let mut config = Config { data_dir: place.path().into(), ..Config::default() };
        config.journal.enabled = journal;
        config.journal.sync = Sync::Group;
        config.journal.dedupe_events_max = 0;
        config.http.listen = ([127, 0, 0, 1], 0).into();
        config.http.requests_per_second_max = 0;
        let started = runtime.block_on(Host::builder().config(config).no_plugins().start());
        let rates = rates(&runtime, started.expect("the host starts"));
        let durability = if journal { "on the disk" } else { "in memory" };
        let [.., lines] = rates;
        for (way, rate) in WAYS.into_iter().zip(rates).take(WAYS.len() - 1) {
            let name = format!("http/{}, {durability}", way.name());
            let record = Record::new(name, rate.per_second(), "events/s");
            records.add(&record.beside(Way::Lines.name(), lines.per_second()));
        }
    }
}

fn rates(runtime: &Runtime, host: Host) -> [Rate; WAYS.len()] {
    let mut rates = [Rate::default(); WAYS.len()];
    for _ in 0..effort::times(TURNS) {
        for (way, rate) in WAYS.into_iter().zip(&mut rates) {
            rate.add(ask_for(&host, way));
        }
    }
    runtime.block_on(host.shutdown(PATIENCE));
    rates
}

/// All clients at once, for one turn.
fn ask_for(host: &Host, way: Way) -> Rate {
    let began = Instant::now();
    let events = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(move || client(host, way, began))).collect();
        clients.into_iter().map(|client| client.join().expect("the client ends")).sum()
    });
    Rate::since(began, events)
}

fn client(host: &Host, way: Way, began: Instant) -> u64 {
    match way {
        Way::Single | Way::Batch => {
            let stream = TcpStream::connect(host.http_addr().expect("it listens")).expect("it accepts");
            stream.set_nodelay(true).expect("the system takes the option");
            ask(stream, way, began)
        }
        Way::Socket | Way::Lines => {
            ask(UnixStream::connect(host.socket().expect("it listens")).expect("it accepts"), way, began)
        }
    }
}

fn ask(mut stream: impl Read + Write, way: Way, began: Instant) -> u64 {
    let (question, events) = way.question();
    let mut asked = 0;
    let mut answer = Vec::new();
    while began.elapsed() < effort::lasting(TURN) {
        stream.write_all(&question).expect("the question goes out");
        read(&mut stream, way, &mut answer);
        asked += events;
    }
    asked
}

/// Reads one whole answer, which must be one that accepts.
fn read(stream: &mut impl Read, way: Way, answer: &mut Vec<u8>) {
    answer.clear();
    let mut chunk = [0; 64 << 10];
    while !is_whole(answer, way) {
        let count = stream.read(&mut chunk).expect("the answer comes in");
        assert!(count > 0, "closed after {}", String::from_utf8_lossy(answer));
        answer.extend_from_slice(&chunk[..count]);
    }
    let accepted: &[u8] = if way == Way::Lines { b"{\"accepted\"" } else { b"HTTP/1.1 202 " };
    assert!(answer.starts_with(accepted), "{}", String::from_utf8_lossy(answer));
}

fn is_whole(answer: &[u8], way: Way) -> bool {
    if way == Way::Lines {
        return answer.ends_with(b"\n");
    }
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&answer[..end]);
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    answer.len() >= end + 4 + length.and_then(|length| length.parse::<usize>().ok()).expect("the answer has a length")
}
