//! The manifest's `[config]` table.

use std::collections::BTreeMap;
use std::time::Duration;

use plugbus_sdk::http;
use plugbus_sdk::prelude::*;

/// Longest time that an event may take.
const TIMEOUT_MS_MAX: u64 = 300_000;
/// Headers that come from the protocol or the connection.
const OWN_HEADERS: &[&str] =
    &["connection", "content-length", "content-type", "host", "keep-alive", "te", "transfer-encoding", "upgrade"];
/// Names that mean something to Socket.IO itself and that no event can have.
pub(crate) const RESERVED: &[&str] =
    &["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// The manifest's `[config]` table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the server is: its origin, which must be granted, and nothing behind it.
    url: String,
    /// Where Engine.IO is on it.
    #[serde(default = "socket_io")]
    path: String,
    /// The namespace.
    #[serde(default = "slash")]
    pub(crate) namespace: String,
    /// The name under which events are emitted; each under its topic, if there is none.
    pub(crate) event: Option<String>,
    /// What is emitted.
    #[serde(default)]
    pub(crate) format: Format,
    /// Whether the server's listener acknowledges.
    #[serde(default = "yes")]
    pub(crate) ack: bool,
    /// What the server's middleware sees as `socket.handshake.auth`.
    pub(crate) auth: Option<serde_json::Map<String, Value>>,
    /// Further headers of each request, `authorization` say.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// How long an event may take, from the first request to the acknowledgement.
    #[serde(default = "four_seconds")]
    timeout_ms: u64,
}

/// What is emitted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// The whole event, as an object in the JSON format of CloudEvents.
    #[default]
    Cloudevent,
    /// Its data alone: JSON as what it is, other text as a string, bytes as bytes.
    Data,
}

fn socket_io() -> String {
    "/socket.io/".to_owned()
}

fn slash() -> String {
    "/".to_owned()
}

fn yes() -> bool {
    true
}

fn four_seconds() -> u64 {
    4000
}

impl Config {
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// The URL of every request, but for the session.
    pub(crate) fn endpoint(&self) -> String {
        format!("{}{}?EIO=4&transport=polling", self.url.trim_end_matches('/'), self.path)
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        http::check_url(&self.url).map_err(|problem| format!("key `url`: {problem}"))?;
        if self.url.trim_end_matches('/').matches('/').count() != 2 || self.url.contains(['?', '#']) {
            return Err(format!("key `url`: `{}` has something behind its host; a path goes into `path`", self.url));
        }
        if !self.path.starts_with('/') || self.path.contains(['?', '#']) {
            return Err(format!("key `path`: `{}` must begin with `/` and have neither `?` nor `#`", self.path));
        }
        http::check_url(&self.endpoint()).map_err(|problem| format!("key `path`: {problem}"))?;
        if !self.namespace.starts_with('/') || self.namespace.contains([',', '?']) {
            return Err(format!(
                "key `namespace`: `{}` must begin with `/` and have neither `,` nor `?`",
                self.namespace
            ));
        }
        if let Some(event) = self.event.as_deref().filter(|event| RESERVED.contains(event)) {
            return Err(format!("key `event`: `{event}` means something to Socket.IO itself"));
        }
        for (name, value) in &self.headers {
            http::check_header(name, value).map_err(|problem| format!("key `headers`: {problem}"))?;
            if OWN_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own)) {
                return Err(format!("key `headers`: `{name}` is not for the configuration to set"));
            }
        }
        if !(1..=TIMEOUT_MS_MAX).contains(&self.timeout_ms) {
            return Err(format!("key `timeout_ms`: {} is not in 1 to {TIMEOUT_MS_MAX}", self.timeout_ms));
        }
        Ok(())
    }
}
