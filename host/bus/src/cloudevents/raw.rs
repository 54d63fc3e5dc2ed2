//! The JSON format as text: JSON data passes through byte for byte, numbers and key order included.
//!
//! Line breaks between tokens become spaces, since in many places a line is a message.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use super::{CloudEventError, check_required, draft_from_json, to_json};
use crate::event::{Draft, Event, JSON, Payload};

/// Why a text is not a CloudEvent in the JSON format.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It is not JSON, or not of that shape.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// The data is not JSON.
    #[error("data: {0}")]
    Data(#[source] serde_json::Error),
    /// An attribute is missing or wrong.
    #[error(transparent)]
    Event(#[from] CloudEventError),
}

/// Reads an event as a local publisher may write it: only `type` must be there.
///
/// # Errors
/// [`ReadError`] names the place or the attribute.
pub fn read(json: &str) -> Result<Draft, ReadError> {
    draft(serde_json::from_str(json)?)
}

/// Reads an event as the specification demands it: `specversion`, `id`, `source` and `type` must be there.
///
/// # Errors
/// [`ReadError`] names the place or the attribute.
pub fn read_strict(json: &str) -> Result<Draft, ReadError> {
    let parts: Parts = serde_json::from_str(json)?;
    check_required(&parts.attributes)?;
    draft(parts)
}

fn draft(parts: Parts) -> Result<Draft, ReadError> {
    let Parts { mut attributes, data, .. } = parts;
    let content_type = attributes.get("datacontenttype").and_then(Value::as_str).unwrap_or(JSON).to_owned();
    let is_json = Payload::new(content_type.as_str(), "").is_json();
    let data = match data {
        Some(data) if is_json && !attributes.contains_key("data_base64") => Some(data),
        Some(data) => {
            attributes.insert("data".into(), serde_json::from_str(data.get()).map_err(ReadError::Data)?);
            None
        }
        None => None,
    };
    let draft = draft_from_json(&Value::Object(attributes))?;
    Ok(match data {
        Some(data) => draft.payload(Payload::new(content_type, String::from(Box::<str>::from(data)))),
        None => draft,
    })
}

/// An event in the JSON format, on one line.
///
/// # Errors
/// Never for an event that a bus accepted.
pub fn write(event: &Event) -> Result<Box<RawValue>, serde_json::Error> {
    let payload = &event.payload;
    if payload.data.is_empty() || !payload.is_json() {
        return to_raw_value(&to_json(event));
    }
    let Ok(data) = json_line(&payload.data) else {
        return to_raw_value(&to_json(event));
    };
    let bare = Event { payload: Payload::new(payload.content_type.clone(), ""), ..event.clone() };
    match to_json(&bare) {
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

/// Data as text where it is text, else in base64: one of the two.
#[must_use]
pub fn text_or_base64(payload: &Payload) -> (Option<String>, Option<String>) {
    match std::str::from_utf8(&payload.data) {
        Ok(text) => (Some(text.into()), None),
        Err(_) => (None, Some(STANDARD.encode(&payload.data))),
    }
}

/// Data as JSON without line breaks: outside of strings they are white space, and inside there are none.
///
/// # Errors
/// Where the data is no JSON as it stands; with spaces for its line breaks it might become one, and another one.
pub fn json_line(data: &[u8]) -> Result<Cow<'_, RawValue>, serde_json::Error> {
    let json: &RawValue = serde_json::from_slice(data)?;
    let breaks = ['\n', '\r'];
    if !json.get().contains(breaks) {
        return Ok(Cow::Borrowed(json));
    }
    RawValue::from_string(json.get().replace(breaks, " ")).map(Cow::Owned)
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
