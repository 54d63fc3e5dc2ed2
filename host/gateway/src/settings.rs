//! Every bound of the gateway, with its unit and default.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// The port that is served unless another is named.
const PORT: u16 = 7117;

/// What to serve with. Every default is fit for use on loopback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where to listen. Default `127.0.0.1:7117`; port 0 takes any that is free. Beyond loopback only with `tokens`.
    pub listen: SocketAddr,
    /// The file of tokens, readable by its owner alone. Default none: whoever is on loopback may do everything.
    pub tokens: Option<PathBuf>,
    /// Certificate and key. Default none: plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Names under which requests are taken, beside `localhost` and the addresses in figures. Default none.
    pub hosts: Vec<String>,
    /// Origins of pages that may ask, beside the gateway's own: `https://tools.example`. Default none.
    pub origins: Vec<String>,
    /// Connections at one time. Default 1024; one more is told so and closed.
    pub connections_max: usize,
    /// Bytes of a request's line and headers. Default 32 KiB, at least 8 KiB. Worst case in memory: this ×
    /// `connections_max`.
    pub header_bytes_max: usize,
    /// Time to send a request's headers, from the moment that the connection is free for it: so long may it be idle. Default
    /// 30 s.
    pub header_timeout: Duration,
    /// Bytes of a request's body. Default 4 MiB. Worst case in memory: this × `connections_max`.
    pub body_bytes_max: usize,
    /// Time to send a request's body. Default 30 s.
    pub body_timeout: Duration,
    /// Whether components may be uploaded and removed. Default false: whoever may upload runs code of theirs on this host.
    pub upload: bool,
    /// Bytes of an uploaded component. Default 64 MiB. Worst case in memory: this for each upload under way.
    pub upload_bytes_max: usize,
    /// Events kept for a reader that is behind; beyond, it misses some and is told how many. Default 1024.
    pub watch_events_max: usize,
    /// Bytes kept for a reader that is behind. Default 8 MiB. Events are shared with everyone else who holds them.
    pub watch_bytes_max: usize,
    /// How often a reader hears something when there is nothing to tell. Default 15 s. A WebSocket whose peer has not
    /// answered for two of these is closed.
    pub heartbeat: Duration,
    /// Bytes of one message from a WebSocket or Socket.IO peer. Default 2 MiB.
    pub message_bytes_max: usize,
    /// Clients of Socket.IO at one time, those that have not said anything yet included. Default 1024.
    pub socketio_clients_max: usize,
    /// Whether every client of Socket.IO gets every event as `claude_event`, as from the Python tools' dashboard server. Default
    /// false.
    pub socketio_claude_event: bool,
    /// Time in which a peer must take at least a byte of what is sent to it. Default 30 s.
    pub write_timeout: Duration,
    /// Events of one batch. Default 1000.
    pub batch_events_max: usize,
    /// Requests that one token, or everybody on loopback where there are none, may make in a second; twice as many at once.
    /// An event of a batch counts as one. Default 100,000; 0 is no bound.
    pub requests_per_second_max: u64,
}

/// Certificate and key, as PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those between it and its root.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)),
            tokens: None,
            tls: None,
            hosts: Vec::new(),
            origins: Vec::new(),
            connections_max: 1024,
            header_bytes_max: 32 << 10,
            header_timeout: Duration::from_secs(30),
            body_bytes_max: 4 << 20,
            body_timeout: Duration::from_secs(30),
            upload: false,
            upload_bytes_max: 64 << 20,
            watch_events_max: 1024,
            watch_bytes_max: 8 << 20,
            heartbeat: Duration::from_secs(15),
            message_bytes_max: 2 << 20,
            socketio_clients_max: 1024,
            socketio_claude_event: false,
            write_timeout: Duration::from_secs(30),
            batch_events_max: 1000,
            requests_per_second_max: 100_000,
        }
    }
}
