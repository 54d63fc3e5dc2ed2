//! The manifest's `[config]` table.

use std::collections::BTreeMap;
use std::time::Duration;

use plugbus_sdk::http;
use plugbus_sdk::prelude::*;

/// Longest time-out.
const TIMEOUT_MS_MAX: u64 = 300_000;
/// Headers that come from the event, the URL or the connection.
const OWN_HEADERS: &[&str] =
    &["connection", "content-length", "content-type", "host", "keep-alive", "te", "transfer-encoding", "upgrade"];

/// The manifest's `[config]` table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where events are posted. Its origin must be granted: `http = ["https://…"]`.
    pub(crate) url: String,
    /// What is posted.
    #[serde(default)]
    pub(crate) format: Format,
    /// Further headers, `authorization` say.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// How long an exchange may take. Keep it below `deadline_ms` of the manifest's `[limits]`, 5000 by default.
    #[serde(default = "four_seconds")]
    timeout_ms: u64,
}

/// What is posted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// The whole event in the JSON format of CloudEvents, `application/cloudevents+json`.
    #[default]
    Cloudevent,
    /// The event's data alone, with its own content type.
    Data,
}

fn four_seconds() -> u64 {
    4000
}

impl Config {
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        http::check_url(&self.url).map_err(|problem| format!("key `url`: {problem}"))?;
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
