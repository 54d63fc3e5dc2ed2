//! The event as a plugin sees it.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::json::{self, JsonError};
use crate::{cloudevent, time};

/// The content type of JSON data.
pub(crate) const JSON: &str = "application/json";

/// One event: the attributes of CloudEvents 1.0, with `type` called `topic`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// Unique together with `source`. A repeated delivery carries the same id: use it to recognise doubles.
    pub id: String,
    /// Who published it, for example `hook/claude-code` or `plugin/normalize-hooks`.
    pub source: String,
    /// Dot-separated tokens, for example `hook.pre-tool-use.bash`.
    pub topic: String,
    /// What the event is about, for example a session id.
    pub subject: Option<String>,
    /// Nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// The data with its media type.
    pub payload: Payload,
    /// CloudEvents extension attributes, sorted by name.
    pub extensions: Vec<(String, String)>,
    /// 1 for the first attempt to deliver this event to this plugin, 2 for the first repetition, and so on.
    pub attempt: u32,
}

impl Event {
    /// Reads the data as JSON.
    ///
    /// # Errors
    /// Where the data is not JSON of that shape; the error names the place. Through `?` it rejects the event.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, JsonError> {
        json::parse(&format!("event on `{}`", self.topic), self.payload.bytes())
    }

    /// The value of an extension attribute.
    #[must_use]
    pub fn extension(&self, name: &str) -> Option<&str> {
        self.extensions.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether it is a tick: the host's sign that time has passed, which a plugin gets whose manifest has a `tick_ms`, whatever
    /// its filters. It is told nobody else, comes again neither after a failure nor after a restart, and needs no answer.
    #[must_use]
    pub fn is_tick(&self) -> bool {
        self.topic.starts_with("plugbus.tick.")
    }

    /// When it happened.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.time_ns)
    }

    /// When it happened as RFC 3339 text in UTC, for example `2026-11-23T09:30:00.25Z`.
    #[must_use]
    pub fn timestamp(&self) -> String {
        time::rfc3339(self.time_ns)
    }

    /// The event in the JSON format of CloudEvents 1.0, on one line.
    ///
    /// Data whose media type is JSON stands in `data` as it is, other text as a string, bytes as base64 in `data_base64`;
    /// an event without data has neither.
    #[must_use]
    pub fn to_cloudevent(&self) -> String {
        cloudevent::to_json(self)
    }
}

/// Data with its media type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// RFC 2046 media type. Empty means `application/octet-stream`.
    pub content_type: String,
    /// The data.
    pub body: Body,
}

/// The data: text whenever it is valid UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Valid UTF-8.
    Text(String),
    /// Anything else.
    Bytes(Vec<u8>),
}

impl Payload {
    /// A payload of the given media type.
    pub fn new(content_type: impl Into<String>, body: impl Into<Body>) -> Self {
        Self { content_type: content_type.into(), body: body.into() }
    }

    /// A value as JSON.
    ///
    /// # Errors
    /// Where the value has no JSON form (a map with keys that are not strings, say).
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, JsonError> {
        Ok(Self::new(JSON, json::to_string(value)?))
    }

    /// Plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new("text/plain; charset=utf-8", text.into())
    }

    /// The data as bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.body {
            Body::Text(text) => text.as_bytes(),
            Body::Bytes(bytes) => bytes,
        }
    }

    /// The data as bytes, without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        match self.body {
            Body::Text(text) => text.into_bytes(),
            Body::Bytes(bytes) => bytes,
        }
    }

    /// The data as text, with what is not UTF-8 replaced by U+FFFD.
    #[must_use]
    pub fn to_text(&self) -> Cow<'_, str> {
        match &self.body {
            Body::Text(text) => Cow::Borrowed(text),
            Body::Bytes(bytes) => String::from_utf8_lossy(bytes),
        }
    }

    /// Whether there is no data.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    /// Whether the media type says JSON (`application/json` or `…+json`, with or without parameters).
    #[must_use]
    pub fn is_json(&self) -> bool {
        let media = self.content_type.split(';').next().unwrap_or_default().trim();
        media.eq_ignore_ascii_case(JSON) || media.to_ascii_lowercase().ends_with("+json")
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Body {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Vec<u8>> for Body {
    /// Text where the bytes are valid UTF-8, as the host does it.
    fn from(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).map_or_else(|error| Self::Bytes(error.into_bytes()), Self::Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_text_become_text() {
        assert_eq!(Body::from(b"ok".to_vec()), Body::Text("ok".into()));
        assert_eq!(Body::from(vec![0xff]), Body::Bytes(vec![0xff]));
        assert_eq!(Payload::new("x", vec![b'a', 0xff]).to_text(), "a\u{fffd}");
    }

    #[test]
    fn json_media_types_are_recognised() {
        for (media, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("a/b+json", true),
            ("", false),
            ("text/json5", false),
        ] {
            assert_eq!(Payload::new(media, "").is_json(), expected, "{media}");
        }
    }
}
