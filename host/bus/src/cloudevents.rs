//! The JSON format of CloudEvents 1.0 (`application/cloudevents+json`), and how events map to it: `topic` is `type`, data is
//! `data` where it is JSON or text and `data_base64` otherwise. The host adds `seq`, an extension attribute.
//!
//! Source: CloudEvents specification 1.0.2, "JSON Event Format".

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::event::{Draft, Event, JSON, Payload};
use crate::topic::{Topic, TopicError};

pub mod raw;

/// An event in the JSON format.
#[must_use]
pub fn to_json(event: &Event) -> Value {
    let mut json = Map::new();
    let mut set = |key: &str, value: Value| json.insert(key.to_owned(), value);
    set("specversion", "1.0".into());
    set("id", (&*event.id).into());
    set("source", (&*event.source).into());
    set("type", event.topic.as_str().into());
    if let Some(subject) = &event.subject {
        set("subject", (&**subject).into());
    }
    set("time", humantime::format_rfc3339_nanos(event.time()).to_string().into());
    set("datacontenttype", (&*event.payload.content_type).into());
    for (name, value) in &event.extensions {
        set(name, (&**value).into());
    }
    set("seq", event.seq.into());
    if !event.payload.data.is_empty() {
        let (key, value) = data_json(&event.payload);
        set(key, value);
    }
    Value::Object(json)
}

fn data_json(payload: &Payload) -> (&'static str, Value) {
    if payload.is_json()
        && let Ok(value) = payload.parse()
    {
        return ("data", value);
    }
    match std::str::from_utf8(&payload.data) {
        Ok(text) if !payload.is_json() => ("data", text.into()),
        // Data that claims to be JSON and is not would be read back as a JSON string: bytes keep it as it is.
        _ => ("data_base64", STANDARD.encode(&payload.data).into()),
    }
}

/// Why a JSON value is not a CloudEvent that the bus takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloudEventError {
    /// Not a JSON object.
    #[error("a CloudEvent is a JSON object, this is {0}")]
    NotAnObject(&'static str),
    /// An attribute is missing.
    #[error("attribute `{0}` is missing")]
    Missing(&'static str),
    /// An attribute has the wrong kind of value.
    #[error("attribute `{}` {problem}", name.escape_debug())]
    Attribute {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// `type` is no topic.
    #[error("attribute `type` (the topic) {0}")]
    Topic(#[from] TopicError),
}

/// A draft out of the JSON format. `type` is the only attribute that must be there: local publishers may leave id, source
/// and `specversion` to the host. `seq` is ignored, `dataschema` is kept like an extension. Everything else is checked when the draft is published.
///
/// # Errors
/// [`CloudEventError`] names the attribute.
pub fn draft_from_json(value: &Value) -> Result<Draft, CloudEventError> {
    let Value::Object(json) = value else { return Err(CloudEventError::NotAnObject(kind_of(value))) };
    let topic = text(json, "type")?.ok_or(CloudEventError::Missing("type"))?;
    let mut draft = Draft::new(Topic::parse(topic)?);
    if let Some(version) = text(json, "specversion")?
        && version != "1.0"
    {
        // Cut, like every text from outside that goes into a message.
        let version: String = version.chars().take(40).collect();
        return Err(wrong("specversion", format!("is `{}`; only 1.0 is known", version.escape_debug())));
    }
    draft.id = text(json, "id")?.map(Into::into);
    draft.source = text(json, "source")?.map(Into::into);
    draft.subject = text(json, "subject")?.map(Into::into);
    draft.time_ns = text(json, "time")?.map(parse_time).transpose()?;
    draft.payload = payload(json)?;
    for (name, value) in json {
        if KNOWN.contains(&name.as_str()) {
            continue;
        }
        draft.extensions.push((name.as_str().into(), extension(name, value)?.into()));
    }
    Ok(draft)
}

/// Checks what the specification demands and [`draft_from_json`] does not: `specversion`, `id`, `source` and `type` are there,
/// and `source` and `dataschema` are a URI reference and a URI.
///
/// # Errors
/// [`CloudEventError`] names the attribute.
pub fn check_required(json: &Map<String, Value>) -> Result<(), CloudEventError> {
    for name in ["specversion", "id", "source", "type"] {
        text(json, name)?.ok_or(CloudEventError::Missing(name))?;
    }
    if let Some(source) = text(json, "source")?
        && !is_uri_reference(source)
    {
        return Err(wrong("source", "is no URI reference; white space and other characters are percent-encoded there"));
    }
    if let Some(schema) = text(json, "dataschema")?
        && !(is_uri_reference(schema) && schema.split_once(':').is_some_and(|(scheme, _)| is_scheme(scheme)))
    {
        return Err(wrong("dataschema", "is no URI with a scheme"));
    }
    Ok(())
}

/// Whether a text has only the characters of RFC 3986. Pure.
fn is_uri_reference(text: &str) -> bool {
    let mut bytes = text.bytes();
    let mut fits = !text.is_empty();
    while let (true, Some(byte)) = (fits, bytes.next()) {
        fits = match byte {
            b'%' => bytes.by_ref().take(2).filter(u8::is_ascii_hexdigit).count() == 2,
            byte => byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(&byte),
        };
    }
    fits
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

const KNOWN: &[&str] =
    &["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data", "data_base64", "seq"];

fn payload(json: &Map<String, Value>) -> Result<Payload, CloudEventError> {
    let content_type = text(json, "datacontenttype")?;
    match (json.get("data"), text(json, "data_base64")?) {
        (Some(_), Some(_)) => Err(wrong("data_base64", "stands beside `data`; give one of them")),
        (None, None) => Ok(Payload { content_type: content_type.unwrap_or(JSON).into(), ..Payload::empty() }),
        (None, Some(encoded)) => {
            let bytes =
                STANDARD.decode(encoded).map_err(|error| wrong("data_base64", format!("is no base64: {error}")))?;
            Ok(Payload::new(content_type.unwrap_or("application/octet-stream"), bytes))
        }
        (Some(data), None) => {
            let payload = Payload::new(content_type.unwrap_or(JSON), "");
            let bytes = match data {
                Value::String(text) if !payload.is_json() => text.clone().into_bytes(),
                data => data.to_string().into_bytes(),
            };
            Ok(Payload { data: bytes.into(), ..payload })
        }
    }
}

fn extension(name: &str, value: &Value) -> Result<String, CloudEventError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        other => Err(wrong(name, format!("is {}; an extension is a text, number or boolean", kind_of(other)))),
    }
}

fn parse_time(text: &str) -> Result<u64, CloudEventError> {
    let (local, east) = split_offset(text);
    let time = humantime::parse_rfc3339_weak(&local)
        .map_err(|error| wrong("time", format!("is no RFC 3339 time (2026-01-31T12:00:00Z): {error}")))?;
    let offset = Duration::from_secs(east.unsigned_abs() * 60);
    let time = if east < 0 { time.checked_add(offset) } else { time.checked_sub(offset) };
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let nanos = since.and_then(|since| u64::try_from(since.as_nanos()).ok());
    nanos.ok_or_else(|| wrong("time", "is before the year 1970 or after 2554"))
}

/// The time as if in UTC, and the minutes that its offset lies east of it: `…+02:00` becomes `…Z` and 120. What is no offset
/// is left where it is.
fn split_offset(text: &str) -> (String, i64) {
    let upper = text.to_ascii_uppercase();
    let offset = upper.len().checked_sub(6).filter(|at| *at > 0).and_then(|at| upper.split_at_checked(at));
    let Some((local, [sign @ (b'+' | b'-'), h0, h1, b':', m0, m1])) =
        offset.map(|(local, offset)| (local, offset.as_bytes()))
    else {
        return (upper, 0);
    };
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| i64::from(byte - b'0'));
    let minutes = (|| {
        let (hours, minutes) = (digit(h0)? * 10 + digit(h1)?, digit(m0)? * 10 + digit(m1)?);
        (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
    })();
    match minutes {
        Some(minutes) => (format!("{local}Z"), if *sign == b'-' { -minutes } else { minutes }),
        None => (upper, 0),
    }
}

fn text<'a>(json: &'a Map<String, Value>, name: &'static str) -> Result<Option<&'a str>, CloudEventError> {
    match json.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(wrong(name, format!("is {}; it must be a text", kind_of(other)))),
    }
}

fn wrong(name: &str, problem: impl Into<String>) -> CloudEventError {
    CloudEventError::Attribute { name: name.chars().take(40).collect(), problem: problem.into() }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(draft: Draft) -> Event {
        Event {
            id: draft.id.unwrap_or_else(|| "1".into()),
            source: draft.source.unwrap_or_else(|| "s".into()),
            topic: draft.topic,
            subject: draft.subject,
            time_ns: draft.time_ns.unwrap_or(1_700_000_000_123_456_789),
            payload: draft.payload,
            extensions: draft.extensions,
            seq: 7,
            hops: 0,
        }
    }

    #[test]
    fn json_text_and_bytes_survive_the_way_there_and_back() {
        for payload in [
            Payload::json(&json!({"a": [1, "ü"]})).unwrap(),
            Payload::text("hello \u{1F980}"),
            Payload::new("application/octet-stream", vec![0, 255, 1]),
            Payload::new(JSON, "{not json"),
            Payload::json("a string").unwrap(),
        ] {
            let before = event(
                Event::draft("a.b")
                    .unwrap()
                    .payload(payload)
                    .subject("x")
                    .extension("dataschema", "urn:s")
                    .extension("traceparent", "00"),
            );
            let after = event(draft_from_json(&to_json(&before)).unwrap());
            assert_eq!(after, before);
        }
    }

    #[test]
    fn the_format_is_that_of_the_specification() {
        let json = to_json(&event(Event::draft("a.b").unwrap().json(&json!({"n": 1})).unwrap()));
        assert_eq!(
            json,
            json!({"specversion": "1.0", "id": "1", "source": "s", "type": "a.b", "time": "2023-11-14T22:13:20.123456789Z",
                "datacontenttype": "application/json", "seq": 7, "data": {"n": 1}})
        );
    }

    #[test]
    fn times_may_have_an_offset_from_utc() {
        let time = |text: &str| draft_from_json(&json!({"type": "a", "time": text})).map(|draft| draft.time_ns);
        let noon = Some(1_769_860_800_000_000_000);
        for text in [
            "2026-01-31T12:00:00Z",
            "2026-01-31t12:00:00z",
            "2026-01-31T12:00:00+00:00",
            "2026-01-31T12:00:00-00:00",
            "2026-01-31T14:00:00+02:00",
            "2026-01-31T06:30:00.000-05:30",
            "2026-02-01T11:59:00+23:59",
        ] {
            assert_eq!(time(text), Ok(noon), "{text}");
        }
        assert_eq!(time("2026-01-31T14:00:00.000000001+02:00"), Ok(noon.map(|ns| ns + 1)));
        for text in [
            "2026-01-31T12:00:00+24:00",
            "2026-01-31T12:00:00+02:60",
            "2026-01-31T12:00:00+0200",
            "+02:00",
            "1970-01-01T00:00:00+01:00",
        ] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (json, message) in [
            (json!([]), "a CloudEvent is a JSON object, this is an array"),
            (json!({"id": "1"}), "attribute `type` is missing"),
            (json!({"type": 1}), "attribute `type` is a number; it must be a text"),
            (
                json!({"type": "a b"}),
                "attribute `type` (the topic) `a b` has ' ' in token 1; white space and control characters are not allowed",
            ),
            (json!({"type": "a", "specversion": "0.3"}), "attribute `specversion` is `0.3`; only 1.0 is known"),
            (
                json!({"type": "a", "specversion": "9".repeat(1 << 20)}),
                "attribute `specversion` is `9999999999999999999999999999999999999999`; only 1.0 is known",
            ),
            (
                json!({"type": "a", "data_base64": "!"}),
                "attribute `data_base64` is no base64: Invalid symbol 33, offset 0.",
            ),
            (
                json!({"type": "a", "\u{1b}[2J": {}}),
                "attribute `\\u{1b}[2J` is an object; an extension is a text, number or boolean",
            ),
            (json!({"type": "a", "x": {}}), "attribute `x` is an object; an extension is a text, number or boolean"),
            (
                json!({"type": "a", "data": 1, "data_base64": ""}),
                "attribute `data_base64` stands beside `data`; give one of them",
            ),
        ] {
            assert_eq!(draft_from_json(&json).unwrap_err().to_string(), message);
        }
        assert!(draft_from_json(&json!({"type": "a", "time": "yesterday"})).is_err());
    }
}
