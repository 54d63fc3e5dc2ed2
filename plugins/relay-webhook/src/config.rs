//! The manifest's `[config]` table.

use std::collections::BTreeMap;
use std::time::Duration;

use plugbus_sdk::http;
use plugbus_sdk::prelude::*;

use crate::batch::BatchConfig;
use crate::sign::SignConfig;
use crate::template::TemplateConfig;

/// Longest time-out.
const TIMEOUT_MS_MAX: u64 = 300_000;
/// Headers that come from the event, the URL, the signature or the connection.
const OWN_HEADERS: &[&str] = &[
    "connection",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "te",
    "transfer-encoding",
    "upgrade",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
    "x-hub-signature-256",
];

/// The manifest's `[config]` table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where events are posted; a template behind the origin, if it has `{{`. Its origin must be granted: `http = ["https://…"]`.
    pub(crate) url: String,
    /// What is posted.
    pub(crate) format: Option<Format>,
    /// What is posted instead.
    pub(crate) template: Option<TemplateConfig>,
    /// Further headers, `authorization` say; templates, if they have `{{`.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// How requests are signed.
    pub(crate) sign: Option<SignConfig>,
    /// How many events make a request.
    pub(crate) batch: Option<BatchConfig>,
    /// How long an exchange may take. Keep it below `deadline_ms` of the manifest's `[limits]`, 5000 by default.
    #[serde(default = "four_seconds")]
    timeout_ms: u64,
}

/// What is posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// The whole event in the JSON format of CloudEvents, `application/cloudevents+json`; several in its batch format.
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

    /// What is wrong, but for signatures and templates, which are checked where they are read.
    pub(crate) fn check(&self) -> Result<(), String> {
        let origin = self.url.split_once("{{").map_or(self.url.as_str(), |(origin, _)| origin);
        http::check_url(origin).map_err(|problem| format!("key `url`: {problem}"))?;
        // Behind the first slash after `https://`, so that no event decides where it is sent.
        if origin.len() < self.url.len() && origin.matches('/').count() < 3 {
            return Err(
                "key `url`: `{{` stands in its origin, which must be granted as it is; put it behind the host".into()
            );
        }
        for (name, value) in &self.headers {
            http::check_header(name, value).map_err(|problem| format!("key `headers`: {problem}"))?;
            if OWN_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own)) {
                return Err(format!("key `headers`: `{name}` is not for the configuration to set"));
            }
        }
        if self.template.is_some() && self.format.is_some() {
            return Err("key `format`: a `[config.template]` takes its place; leave one of them out".into());
        }
        if self.batch.is_some() && self.format == Some(Format::Data) {
            return Err(
                "key `format`: data alone cannot be put together with `[config.batch]`; take \"cloudevent\" or a template"
                    .into(),
            );
        }
        in_range("timeout_ms", self.timeout_ms, 1, TIMEOUT_MS_MAX)?;
        self.batch.as_ref().map_or(Ok(()), BatchConfig::check)
    }
}

/// Refuses a number out of its bounds.
pub(crate) fn in_range(key: &str, number: u64, min: u64, max: u64) -> Result<(), String> {
    if (min..=max).contains(&number) {
        return Ok(());
    }
    Err(format!("key `{key}`: {number} is not in {min} to {max}"))
}
