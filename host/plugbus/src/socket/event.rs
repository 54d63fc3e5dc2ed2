//! Events on the socket: the JSON format of CloudEvents 1.0, with JSON data carried through byte for byte.
//!
//! Data that is JSON is never taken apart and put together again: numbers keep every digit, objects keep the order of their
//! members. Line breaks between tokens become spaces, since a line is a message.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use plugbus_bus::cloudevents::raw::{self, json_line};
use plugbus_bus::{Draft, JSON, Payload};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::{RawValue, to_raw_value};

pub(crate) use plugbus_bus::cloudevents::raw::{text_or_base64 as text_or_encoded, write as to_json};

use super::protocol::{ErrorCode, ErrorLine};

/// What a client knows of an event that it publishes.
#[derive(Debug, Clone, Default)]
pub struct NewEvent<'a> {
    /// Where to publish.
    pub topic: &'a str,
    /// The data; none when empty.
    pub data: &'a [u8],
    /// Media type of the data. When absent: `application/json` for what is JSON, `text/plain` for other text, else
    /// `application/octet-stream`.
    pub content_type: Option<&'a str>,
    /// The host makes one when absent.
    pub id: Option<&'a str>,
    /// The host's own when absent.
    pub source: Option<&'a str>,
    /// What the event is about.
    pub subject: Option<&'a str>,
    /// When it happened, in the form of RFC 3339; the time of acceptance when absent.
    pub time: Option<&'a str>,
    /// Extension attributes.
    pub extensions: &'a [(String, String)],
}

/// The data does not fit its media type.
#[derive(Debug, thiserror::Error)]
#[error("data is not JSON, as its content type says; give another content type")]
pub struct NewEventError(#[from] serde_json::Error);

/// How data stands in the JSON format.
enum Body<'a> {
    None,
    Json(Cow<'a, RawValue>),
    Text(&'a str),
    Base64(String),
}

impl NewEvent<'_> {
    /// The event as JSON, on one line.
    ///
    /// # Errors
    /// [`NewEventError`] where the content type says JSON and the data is none.
    pub fn to_json(&self) -> Result<Box<RawValue>, NewEventError> {
        let (content_type, body) = self.body()?;
        Ok(to_raw_value(&Wire { event: self, content_type, body })?)
    }

    fn body(&self) -> Result<(&str, Body<'_>), NewEventError> {
        if self.data.is_empty() {
            return Ok((self.content_type.unwrap_or_default(), Body::None));
        }
        match self.content_type {
            Some(given) if is_json(given) => Ok((given, Body::Json(json_line(self.data)?))),
            Some(given) => Ok((given, text_or_base64(self.data))),
            None => Ok(match json_line(self.data) {
                Ok(value) => (JSON, Body::Json(value)),
                Err(_) => match text_or_base64(self.data) {
                    Body::Base64(text) if std::str::from_utf8(self.data).is_err() => {
                        ("application/octet-stream", Body::Base64(text))
                    }
                    body => ("text/plain", body),
                },
            }),
        }
    }
}

struct Wire<'a> {
    event: &'a NewEvent<'a>,
    content_type: &'a str,
    body: Body<'a>,
}

impl Serialize for Wire<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("specversion", "1.0")?;
        map.serialize_entry("type", self.event.topic)?;
        let NewEvent { id, source, subject, time, .. } = self.event;
        let optional = [("id", id), ("source", source), ("subject", subject), ("time", time)];
        for (name, value) in optional.into_iter().filter_map(|(name, value)| Some((name, (*value)?))) {
            map.serialize_entry(name, value)?;
        }
        for (name, value) in self.event.extensions {
            map.serialize_entry(name, value)?;
        }
        if !self.content_type.is_empty() {
            map.serialize_entry("datacontenttype", self.content_type)?;
        }
        match &self.body {
            Body::None => {}
            Body::Json(value) => map.serialize_entry("data", value)?,
            Body::Text(text) => map.serialize_entry("data", text)?,
            Body::Base64(text) => map.serialize_entry("data_base64", text)?,
        }
        map.end()
    }
}

/// Text stays text, unless escaping would make it longer than base64. Pure.
fn text_or_base64(data: &[u8]) -> Body<'_> {
    let escaped: usize =
        data.iter().map(|byte| if *byte < 0x20 { 5 } else { usize::from(matches!(byte, b'"' | b'\\')) }).sum();
    match std::str::from_utf8(data) {
        Ok(text) if escaped <= data.len() / 2 + 64 => Body::Text(text),
        _ => Body::Base64(STANDARD.encode(data)),
    }
}

fn is_json(content_type: &str) -> bool {
    Payload::new(content_type, "").is_json()
}

/// Reads an event in the JSON format of CloudEvents 1.0 as a client may write it: only `type` must be there.
///
/// # Errors
/// The error line that a client gets.
pub fn parse_event(json: &RawValue) -> Result<Draft, ErrorLine> {
    raw::read(json.get()).map_err(|error| {
        ErrorLine::about_input(ErrorCode::InvalidEvent, &format!("event: {}", crate::report::chain(&error)))
    })
}
