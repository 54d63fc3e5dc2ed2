//! A `nats-server` with JetStream and file storage, where there is one, and as much of a client as it takes to publish and
//! count what is acknowledged. The protocol is text: <https://docs.nats.io/reference/reference-protocols/nats-protocol>.
//! A client of this size spends next to nothing itself, and brings no dependencies.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::disk::Rate;
use crate::host::{PATIENCE, TOPIC, data};

const PROGRAM: &str = "nats-server";
/// Where the server answers this client.
const INBOX: &str = "_INBOX.bench";
/// How often it is looked whether the server has its port.
const POLL: Duration = Duration::from_millis(20);

/// The program that `PLUGBUS_BENCH_NATS` names, or the one on the PATH.
fn program() -> OsString {
    env::var_os("PLUGBUS_BENCH_NATS").unwrap_or_else(|| PROGRAM.into())
}

/// The server's version; none where there is none.
pub(crate) fn version() -> Option<String> {
    let output = Command::new(program()).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    // "nats-server: v2.15.0"
    Some(text.rsplit(": v").next()?.trim().to_owned())
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    address: String,
}

impl Server {
    /// Starts one that keeps everything in a folder and listens on a port of its own choice. It syncs each message before
    /// it acknowledges it, or leaves that to the system for two minutes, its default.
    pub(crate) fn start(folder: &Path, sync_always: bool) -> Self {
        let config = folder.join("server.conf");
        let sync = if sync_always { "sync_interval: always" } else { "" };
        let text = format!(
            "listen: \"127.0.0.1:-1\"\nports_file_dir: {folder:?}\njetstream {{ store_dir: {folder:?}\n {sync}\n }}\n"
        );
        fs::write(&config, text).expect("the configuration is written");
        let mut command = Command::new(program());
        command.arg("--config").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("`nats-server` starts");
        let ports = folder.join(format!("{PROGRAM}_{}.ports", child.id()));
        let mut server = Self { child, address: String::new() };
        server.address = address(&ports);
        server
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already; nothing is to be done about it here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for the file in which the server says where it listens.
fn address(ports: &PathBuf) -> String {
    let began = Instant::now();
    loop {
        let text = fs::read_to_string(ports).unwrap_or_default();
        let json: Value = serde_json::from_str(&text).unwrap_or_default();
        if let Some(url) = json.pointer("/nats/0").and_then(Value::as_str) {
            return url.trim_start_matches("nats://").to_owned();
        }
        assert!(began.elapsed() < PATIENCE, "`nats-server` does not say where it listens: {text}");
        thread::sleep(POLL);
    }
}

/// A connection with a stream that keeps the events of every figure.
pub(crate) struct Client {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
}

impl Client {
    /// Connects and makes the stream.
    pub(crate) fn connect(address: &str) -> Self {
        let writer = TcpStream::connect(address).expect("the server listens");
        writer.set_nodelay(true).expect("it is a socket");
        writer.set_read_timeout(Some(PATIENCE)).expect("it is a socket");
        let reader = BufReader::new(writer.try_clone().expect("it is a socket"));
        let mut client = Self { reader, writer };
        client.send(&format!("CONNECT {{\"verbose\":false,\"pedantic\":false}}\r\nSUB {INBOX} 1\r\n"));
        let stream = format!(r#"{{"name":"bench","subjects":["{TOPIC}"],"storage":"file","retention":"limits"}}"#);
        client.send(&publish("$JS.API.STREAM.CREATE.bench", &stream));
        client.acknowledgement();
        client
    }

    /// Publishes for so long, with so many messages on their way.
    pub(crate) fn publish_for(&mut self, on_their_way: usize, time: Duration) -> Rate {
        let data = String::from_utf8(data().into()).expect("the data is text");
        let message = publish(TOPIC, &data);
        let began = Instant::now();
        let (mut waiting, mut events) = (on_their_way, 0);
        self.send(&message.repeat(waiting));
        while waiting > 0 {
            // What has arrived by now, so that as many messages leave in one write.
            let mut arrived = 0;
            while arrived == 0 || (arrived < waiting && !self.reader.buffer().is_empty()) {
                self.acknowledgement();
                arrived += 1;
            }
            waiting -= arrived;
            events += arrived as u64;
            if began.elapsed() < time {
                self.send(&message.repeat(arrived));
                waiting += arrived;
            }
        }
        Rate::since(began, events)
    }

    fn send(&mut self, text: &str) {
        self.writer.write_all(text.as_bytes()).expect("the server takes what is sent");
    }

    /// The next answer, which must not be an error.
    fn acknowledgement(&mut self) {
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).expect("the server answers");
            let line = line.trim_end();
            match line.split(' ').next() {
                Some("MSG") => {
                    let bytes = line.rsplit(' ').next().and_then(|bytes| bytes.parse::<usize>().ok());
                    let mut text = vec![0; bytes.expect("the server says how long it is") + 2];
                    self.reader.read_exact(&mut text).expect("the server answers");
                    let text = String::from_utf8_lossy(&text);
                    assert!(!text.contains("\"error\""), "{text}");
                    return;
                }
                Some("PING") => self.send("PONG\r\n"),
                Some("INFO" | "PONG" | "+OK") => {}
                _ => panic!("the server says {line:?}"),
            }
        }
    }
}

fn publish(subject: &str, text: &str) -> String {
    format!("PUB {subject} {INBOX} {}\r\n{text}\r\n", text.len())
}
