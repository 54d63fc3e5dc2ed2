//! Settings of the gateway.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Settings of the gateway: HTTP on a port. The same routes are on the local socket, whatever stands here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Whether to serve HTTP on a port. Default true.
    pub enabled: bool,
    /// Address and port. Default `127.0.0.1:7117`; port 0 takes any that is free. Beyond loopback only with `tokens`.
    pub listen: SocketAddr,
    /// Whether plugins may be uploaded and removed over HTTP, by whoever has the scope `admin`. Default false.
    pub upload: bool,
    /// The file of tokens, a line `name token scope…` for each, readable by its owner alone. Default none: whoever is on
    /// loopback may do everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<PathBuf>,
    /// Names under which requests are taken, beside `localhost` and addresses in figures. Default none.
    pub hosts: Vec<String>,
    /// Origins of web pages that may ask, beside the gateway's own. Default none.
    pub origins: Vec<String>,
    /// Connections at one time. Default 1024. Worst case in memory: this × a body and headers.
    pub connections_max: u64,
    /// Bytes of a request's line and headers. Default 32 KiB.
    pub header_bytes_max: u64,
    /// Time to send a request's headers, and for which a connection may be idle. Default 30 s.
    pub header_timeout_ms: u64,
    /// Bytes of a request's body. Default 4 MiB.
    pub body_bytes_max: u64,
    /// Time to send a request's body. Default 30 s.
    pub body_timeout_ms: u64,
    /// Time in which a client must take at least a byte of what is sent to it. Default 30 s.
    pub write_timeout_ms: u64,
    /// Events of one batch. Default 1000.
    pub batch_events_max: u64,
    /// Requests that one token may make in a second, and everybody together where there are none; twice as many at once. An
    /// event of a batch counts as one. Default 100,000; 0 is no bound.
    pub requests_per_second_max: u64,
    /// Events kept for a stream, WebSocket or Socket.IO client that is behind; beyond, it misses some and is told how many.
    /// Default 1024.
    pub watch_events_max: u64,
    /// Bytes kept for one that is behind. Default 8 MiB. Events are shared with everyone else who holds them.
    pub watch_bytes_max: u64,
    /// How often a stream or WebSocket hears something when there is nothing to tell. Default 15 s. A WebSocket that has not
    /// answered for two of these is closed.
    pub heartbeat_ms: u64,
    /// Bytes of one message from a WebSocket or Socket.IO client. Default 2 MiB.
    pub message_bytes_max: u64,
}

/// Socket.IO, on the port of HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SocketIo {
    /// Speak as another server does as well. Default `none`.
    pub compat: Compat,
    /// Clients at one time. Default 1024.
    pub clients_max: u64,
}

/// As which other server Socket.IO speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compat {
    /// As none.
    #[default]
    None,
    /// As the Python tools' dashboard server: every client gets every event as `claude_event`, without subscribing.
    ClaudeEvent,
}

impl Default for SocketIo {
    fn default() -> Self {
        Self { compat: Compat::None, clients_max: 1024 }
    }
}

/// Certificate and key for HTTPS, as PEM. Both or none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// The certificate, and those between it and its root. Default none: plain HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<PathBuf>,
    /// Its private key. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: plugbus_gateway::Settings::default().listen,
            tokens: None,
            hosts: Vec::new(),
            origins: Vec::new(),
            connections_max: 1024,
            header_bytes_max: 32 << 10,
            header_timeout_ms: 30_000,
            body_bytes_max: 4 << 20,
            body_timeout_ms: 30_000,
            write_timeout_ms: 30_000,
            batch_events_max: 1000,
            requests_per_second_max: 100_000,
            upload: false,
            watch_events_max: 1024,
            watch_bytes_max: 8 << 20,
            heartbeat_ms: 15_000,
            message_bytes_max: 2 << 20,
        }
    }
}
