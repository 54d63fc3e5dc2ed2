//! Events on the socket: the JSON format of CloudEvents 1.0, with JSON data carried through byte for byte.
//!
//! Data that is JSON is never taken apart and put together again: numbers keep every digit, objects keep the order of their
//! members. Line breaks between tokens become spaces, since a line is a message.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use plugbus_bus::cloudevents;
use plugbus_bus::{Draft, Event, JSON, Payload};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

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

/// Data as JSON without line breaks: outside of strings they are white space, and inside there are none. Pure.
///
/// # Errors
/// Where the data is no JSON as it stands; with spaces for its line breaks it might become one, and another one.
fn json_line(data: &[u8]) -> Result<Cow<'_, RawValue>, serde_json::Error> {
    let json: &RawValue = serde_json::from_slice(data)?;
    let breaks = ['\n', '\r'];
    if !json.get().contains(breaks) {
        return Ok(Cow::Borrowed(json));
    }
    RawValue::from_string(json.get().replace(breaks, " ")).map(Cow::Owned)
}

fn is_json(content_type: &str) -> bool {
    Payload::new(content_type, "").is_json()
}

/// An event in the JSON format of CloudEvents 1.0, as watchers get it.
///
/// # Errors
/// Where serde cannot write it; no event that the bus accepts is such a one.
pub fn to_json(event: &Event) -> Result<Box<RawValue>, serde_json::Error> {
    let payload = &event.payload;
    if payload.data.is_empty() || !payload.is_json() {
        return to_raw_value(&cloudevents::to_json(event));
    }
    let Ok(data) = json_line(&payload.data) else {
        return to_raw_value(&cloudevents::to_json(event));
    };
    let bare = Event { payload: Payload::new(payload.content_type.clone(), ""), ..event.clone() };
    match cloudevents::to_json(&bare) {
        Value::Object(attributes) => to_raw_value(&WithData { attributes, data: &data }),
        other => to_raw_value(&other),
    }
}

struct WithData<'a> {
    attributes: Map<String, Value>,
    data: &'a RawValue,
}

impl Serialize for WithData<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.attributes.len() + 1))?;
        for (name, value) in self.attributes.iter().filter(|(name, _)| *name != "data") {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry("data", self.data)?;
        map.end()
    }
}

/// Data as text where it is text, else in base64.
pub(crate) fn text_or_encoded(payload: &Payload) -> (Option<String>, Option<String>) {
    match std::str::from_utf8(&payload.data) {
        Ok(text) => (Some(text.into()), None),
        Err(_) => (None, Some(STANDARD.encode(&payload.data))),
    }
}

/// Reads an event in the JSON format of CloudEvents 1.0 as a client may write it: only `type` must be there.
///
/// # Errors
/// The error line that a client gets.
pub fn parse_event(json: &RawValue) -> Result<Draft, ErrorLine> {
    let invalid = |message: String| ErrorLine::about_input(ErrorCode::InvalidEvent, &message);
    let parts: Parts = serde_json::from_str(json.get()).map_err(|error| invalid(format!("event: {error}")))?;
    let Parts { mut attributes, data, .. } = parts;
    let content_type = attributes.get("datacontenttype").and_then(Value::as_str).unwrap_or(JSON).to_owned();
    let data = match data {
        Some(data) if is_json(&content_type) && !attributes.contains_key("data_base64") => Some(data),
        Some(data) => {
            let value = serde_json::from_str(data.get()).map_err(|error| invalid(format!("event: data: {error}")))?;
            attributes.insert("data".into(), value);
            None
        }
        None => None,
    };
    let draft = cloudevents::draft_from_json(&Value::Object(attributes));
    let draft = draft.map_err(|error| invalid(format!("event: {}", crate::report::chain(&error))))?;
    Ok(match data {
        Some(data) => draft.payload(Payload::new(content_type, String::from(Box::<str>::from(data)))),
        None => draft,
    })
}

/// An event in its JSON format, with the data left as text.
struct Parts {
    attributes: Map<String, Value>,
    data: Option<Box<RawValue>>,
    /// Whether there was a member `data`, `null` included.
    has_data: bool,
}

impl<'de> Deserialize<'de> for Parts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PartsVisitor)
    }
}

struct PartsVisitor;

impl<'de> Visitor<'de> for PartsVisitor {
    type Value = Parts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a CloudEvents 1.0 event as a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parts, A::Error> {
        let mut parts = Parts { attributes: Map::new(), data: None, has_data: false };
        while let Some(name) = map.next_key::<String>()? {
            // Of two values one would be lost in silence; which one, every reader of JSON decides for itself.
            if parts.attributes.contains_key(&name) || (name == "data" && parts.has_data) {
                return Err(serde::de::Error::custom(format!(
                    "attribute `{}` stands there twice",
                    name.escape_debug()
                )));
            }
            if name == "data" {
                parts.has_data = true;
                // `null` is no data.
                let data: Box<RawValue> = map.next_value()?;
                parts.data = (data.get() != "null").then_some(data);
            } else if name.len() > NAME_BYTES_MAX {
                map.next_value::<IgnoredAny>()?;
                return Err(serde::de::Error::custom("an attribute has a name longer than any that is allowed"));
            } else {
                parts.attributes.insert(name, map.next_value()?);
            }
        }
        Ok(parts)
    }
}

/// Longer names are not worth keeping for the message.
const NAME_BYTES_MAX: usize = 64;
