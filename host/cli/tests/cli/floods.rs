//! Floods of peers that mean no good, against a real daemon: it answers all the while, and its memory comes back.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::{Place, wait};

/// What the daemon may hold more after a flood than before it: what the allocator keeps for the next one.
const KEPT_BYTES_MAX: u64 = 32 << 20;
/// What it may hold more while a flood goes on that is refused or bounded.
const FLOOD_BYTES_MAX: u64 = 192 << 20;
/// Connections that are there at once and say nothing.
const IDLE: usize = 1000;

/// The daemon, as its peers see it.
#[derive(Clone, Copy)]
struct At<'a> {
    place: &'a Place,
    http: &'a str,
    pid: u32,
}

/// Bytes of memory that are the daemon's own: pages of files come and go as they like.
fn resident_bytes(at: At<'_>) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", at.pid)).unwrap();
    let kib = |key: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    (kib("RssAnon:") + kib("RssShmem:")) << 10
}

fn connect(at: At<'_>) -> TcpStream {
    let stream = TcpStream::connect(at.http).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

/// One request on a connection of its own; the status of its answer.
fn ask(at: At<'_>, line: &str, body: &str) -> String {
    let mut stream = connect(at);
    let length = body.len();
    let text =
        format!("{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// That others are served, and soon.
fn answers(at: At<'_>) {
    let begun = Instant::now();
    assert_eq!(ask(at, "POST /v1/topics/well", "7"), "202");
    at.place.ok(&["ping"]);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

/// Reads until the daemon has closed the connection.
fn until_closed(mut stream: TcpStream) {
    let mut block = [0; 16 << 10];
    loop {
        match stream.read(&mut block) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("still open"),
            // A reset is an end too.
            Err(_) => return,
        }
    }
}

fn idle(at: At<'_>) {
    let connections = || at.place.json(&["stats"])["http"]["connections"].as_u64().unwrap();
    let before = connections();
    let peers: Vec<TcpStream> = (0..IDLE).map(|_| connect(at)).collect();
    wait("all are accepted", || (connections() >= before + u64::try_from(IDLE).unwrap()).then_some(()));
    answers(at);
    peers.into_iter().for_each(until_closed);
}

/// Bodies of 10 MiB, which are over the bound: half of them say so beforehand, half do not.
fn large_bodies(at: At<'_>) {
    std::thread::scope(|scope| {
        for number in 0..16 {
            scope.spawn(move || {
                for round in 0..4 {
                    send_large_body(at, (number + round) % 2 == 0);
                }
            });
        }
        answers(at);
    });
}

fn send_large_body(at: At<'_>, is_announced: bool) {
    let mut stream = connect(at);
    let length = if is_announced { "content-length: 10485760" } else { "transfer-encoding: chunked" };
    write!(stream, "POST /v1/topics/a HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{length}\r\n\r\n").unwrap();
    let block = [b'x'; 64 << 10];
    for _ in 0..160 {
        let written = if is_announced {
            stream.write_all(&block)
        } else {
            stream
                .write_all(b"10000\r\n")
                .and_then(|()| stream.write_all(&block))
                .and_then(|()| stream.write_all(b"\r\n"))
        };
        // It is refused in the middle.
        if written.is_err() {
            break;
        }
    }
    let mut answer = Vec::new();
    // Whoever goes on sending may find the connection reset before it has read why.
    drop(stream.read_to_end(&mut answer));
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 413"), "{}", String::from_utf8_lossy(&answer));
}

/// Headers that come byte by byte, on many connections.
fn slow_headers(at: At<'_>) {
    let mut peers: Vec<TcpStream> = (0..200).map(|_| connect(at)).collect();
    for byte in b"GET /v1/stream HTTP/1.1\r\nx-slow: ".iter().chain(std::iter::repeat_n(&b'x', 2000)) {
        // Each loses its connection, in the middle of what it has to say.
        peers.retain_mut(|peer| peer.write_all(&[*byte]).is_ok());
        if peers.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(peers.is_empty(), "{} of them are still there", peers.len());
    answers(at);
}

/// WebSockets that want everything and read nothing, while events come.
fn deaf_subscribers(at: At<'_>) {
    let peers: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut stream = connect(at);
            let upgrade = "GET /v1/ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                           sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
            stream.write_all(upgrade.as_bytes()).unwrap();
            stream.write_all(&frame(br#"{"op":"subscribe","filters":[">"]}"#)).unwrap();
            stream
        })
        .collect();
    wait("all listen", || (at.place.json(&["stats"])["http"]["websockets_open"] == peers.len()).then_some(()));
    let line = format!("\"{}\"\n", "x".repeat(1000));
    for _ in 0..20 {
        assert!(at.place.run_with(&["emit", "flood", "--lines"], &line.repeat(1000)).status.success());
        answers(at);
    }
    assert!(at.place.json(&["stats"])["http"]["missed"].as_u64() > Some(0), "whoever does not read misses something");
    drop(peers);
}

/// A text frame of a client, with a mask that changes nothing.
fn frame(text: &[u8]) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 126);
    [&[0x81, 0x80 | length, 0, 0, 0, 0][..], text].concat()
}

/// What is no Socket.IO, by polling and by WebSocket; and sessions that are begun and left.
fn socketio_garbage(at: At<'_>) {
    for number in 0..300 {
        let body = "\u{1}garbage\u{1e}4[".repeat(number % 50 + 1);
        let status = match number % 3 {
            0 => ask(at, "POST /socket.io/?EIO=4&transport=polling&sid=nobody", &body),
            1 => ask(at, "POST /socket.io/?EIO=4&transport=polling", &body),
            _ => ask(at, "GET /socket.io/?EIO=4&transport=polling", ""),
        };
        assert!(["200", "400", "503"].contains(&&*status), "{status}");
        let mut stream = connect(at);
        let upgrade = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\n\
                       upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
        stream.write_all(upgrade.as_bytes()).unwrap();
        // It may be closed at the first of them.
        let garbage: [&[u8]; 4] = [b"40[[[", b"42{}", b"\xff\xfe", b"451-[\"x\"]"];
        drop(garbage.iter().try_for_each(|text| stream.write_all(&frame(text))));
        drop(stream);
    }
    answers(at);
}

/// A kind of flood.
type Flood = fn(At<'_>);

#[test]
fn floods_of_every_kind_leave_the_daemon_answering_and_its_memory_where_it_was() {
    let place = Place::new();
    let args = "--journal-enabled false --history-events-max 1000 --history-bytes-max 4194304 --http-header-timeout-ms \
                8000 --http-body-timeout-ms 8000";
    let daemon = place.daemon_with(|command| command.args(args.split_whitespace()));
    let at = At { place: &place, http: daemon.http(), pid: daemon.pid() };
    let floods: [(&str, Flood); 5] = [
        ("idle connections", idle),
        ("large bodies", large_bodies),
        ("slow headers", slow_headers),
        ("deaf subscribers", deaf_subscribers),
        ("garbage", socketio_garbage),
    ];
    // What is made once (threads, their arenas, the history) is there after the first of each.
    floods.iter().for_each(|(_, flood)| flood(at));
    wait("all have gone", || (at.place.json(&["stats"])["http"]["connections_open"] == 0).then_some(()));
    let before = resident_bytes(at);
    for (name, flood) in floods {
        let peak = std::thread::scope(|scope| {
            let flooding = scope.spawn(|| flood(at));
            let mut peak = 0;
            while !flooding.is_finished() {
                peak = resident_bytes(at).max(peak);
                std::thread::sleep(Duration::from_millis(20));
            }
            flooding.join().unwrap();
            peak
        });
        let mib = |bytes: u64| bytes >> 20;
        assert!(peak <= before + FLOOD_BYTES_MAX, "{name}: {} MiB before, {} at the peak", mib(before), mib(peak));
        let after = wait(name, || Some(resident_bytes(at)).filter(|now| *now <= before + KEPT_BYTES_MAX));
        println!("{name}: {} MiB before, {} at the peak, {} after", mib(before), mib(peak), mib(after));
    }
    answers(at);
    daemon.stop();
}
