//! A host on a temporary folder, and a client that can misbehave.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use plugbus::Host;
use plugbus::bus::Bus;
use plugbus::config::Config;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A host without plugins, with a socket in a folder of its own.
pub(crate) struct Serving {
    pub(crate) host: Host,
    pub(crate) socket: PathBuf,
    _folder: TempDir,
}

impl Serving {
    pub(crate) async fn start(adjust: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let mut config =
            Config { data_dir: folder.path().join("d"), socket: Some(socket.clone()), ..Config::default() };
        config.http.enabled = false;
        adjust(&mut config);
        let host = Host::builder().config(config).no_plugins().start().await.unwrap();
        Self { host, socket, _folder: folder }
    }

    pub(crate) fn bus(&self) -> &Bus {
        self.host.bus()
    }

    pub(crate) async fn connect(&self) -> Peer {
        Peer::connect(&self.socket).await
    }

    pub(crate) async fn stop(self) {
        self.host.shutdown(Duration::from_secs(5)).await;
    }
}

/// A client that sends what it likes.
pub(crate) struct Peer {
    stream: BufReader<UnixStream>,
}

impl Peer {
    pub(crate) async fn connect(socket: &Path) -> Self {
        Self { stream: BufReader::new(UnixStream::connect(socket).await.unwrap()) }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// The next answer.
    pub(crate) async fn line(&mut self) -> Value {
        let mut line = String::new();
        let read = tokio::time::timeout(PATIENCE, self.stream.read_line(&mut line));
        read.await.expect("an answer in time").unwrap();
        assert!(line.ends_with('\n'), "closed instead of answering: {line:?}");
        serde_json::from_str(&line).unwrap()
    }

    /// Sends a line and reads its answer.
    pub(crate) async fn call(&mut self, line: &str) -> Value {
        self.send(format!("{line}\n")).await;
        self.line().await
    }

    /// Waits until the host has closed; returns what came before.
    pub(crate) async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        // A reset is a way of closing too.
        let _ = tokio::time::timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await.expect("closed in time");
        String::from_utf8(rest).unwrap()
    }

    /// Closes the sending half.
    pub(crate) async fn finish(&mut self) {
        self.stream.shutdown().await.unwrap();
    }
}

/// Tries again until it has a value.
pub(crate) async fn within<T, F: Future<Output = Option<T>>>(what: &str, mut attempt: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = attempt().await {
            return value;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
