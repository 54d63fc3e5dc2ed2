//! The JSON format of CloudEvents 1.0.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{Body, Event, Payload};

/// An event as a CloudEvent; see [`Event::to_cloudevent`].
struct CloudEvent<'a>(&'a Event);

/// Writes an event as one line of JSON.
pub(crate) fn to_json(event: &Event) -> String {
    // Every member is text with a JSON form, so that the fallback is never taken.
    serde_json::to_string(&CloudEvent(event)).unwrap_or_default()
}

impl Serialize for CloudEvent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let event = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("specversion", "1.0")?;
        map.serialize_entry("id", &event.id)?;
        map.serialize_entry("source", &event.source)?;
        map.serialize_entry("type", &event.topic)?;
        if let Some(subject) = &event.subject {
            map.serialize_entry("subject", subject)?;
        }
        map.serialize_entry("time", &event.timestamp())?;
        for (name, value) in &event.extensions {
            map.serialize_entry(name, value)?;
        }
        if !event.payload.is_empty() {
            map.serialize_entry("datacontenttype", &event.payload.content_type)?;
            serialize_data::<S>(&event.payload, &mut map)?;
        }
        map.end()
    }
}

fn serialize_data<S: Serializer>(payload: &Payload, map: &mut S::SerializeMap) -> Result<(), S::Error> {
    match &payload.body {
        Body::Bytes(bytes) => map.serialize_entry("data_base64", &base64(bytes)),
        Body::Text(text) => {
            let json = if payload.is_json() { serde_json::from_str::<&RawValue>(text).ok() } else { None };
            match json.map(|json| (json, one_line(json))) {
                Some((_, Some(line))) => map.serialize_entry("data", &line),
                Some((json, None)) => map.serialize_entry("data", json),
                None => map.serialize_entry("data", text),
            }
        }
    }
}

/// JSON without line breaks, where it has any. They stand only between tokens in it, for inside a string they are escaped,
/// so a space means the same.
fn one_line(json: &RawValue) -> Option<Box<RawValue>> {
    let breaks = ['\n', '\r'];
    // White space for white space leaves JSON JSON.
    let line = || RawValue::from_string(json.get().replace(breaks, " ")).ok();
    if json.get().contains(breaks) { line() } else { None }
}

/// Standard base64 with padding (RFC 4648 section 4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let group = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for position in 0..4 {
            let sextet = (group >> (18 - 6 * position)) & 63;
            let letter = ALPHABET.get(sextet as usize).copied().unwrap_or(b'=');
            text.push(if position <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{EventBuilder, event};

    #[test]
    fn base64_is_that_of_the_rfc() {
        let table =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")];
        for (plain, encoded) in table {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    fn line(builder: EventBuilder) -> String {
        Event::from(builder).to_cloudevent()
    }

    #[test]
    fn attributes_and_data_stand_where_the_format_wants_them() {
        let plain = event("a.b").id("1").source("s").time_ns(1_500_000_000);
        let head = r#"{"specversion":"1.0","id":"1","source":"s","type":"a.b","#;
        let time = r#""time":"1970-01-01T00:00:01.5Z""#;
        assert_eq!(line(plain.clone()), format!("{head}{time}}}"));
        assert_eq!(
            line(
                plain
                    .clone()
                    .raw_json("{\"n\": 1.10,\r\n \"a\":\"x\\ny\"}")
                    .subject("x")
                    .extension("traceparent", "00-a")
            ),
            format!(
                r#"{head}"subject":"x",{time},"traceparent":"00-a","datacontenttype":"application/json","data":{{"n": 1.10,   "a":"x\ny"}}}}"#
            ),
            "data passes byte for byte but for the line break"
        );
        let table = [
            (Payload::text("a\nb"), r#""datacontenttype":"text/plain; charset=utf-8","data":"a\nb""#),
            (Payload::new("image/x", vec![0xff]), r#""datacontenttype":"image/x","data_base64":"/w==""#),
            (Payload::new("application/json", "{\nbad"), r#""datacontenttype":"application/json","data":"{\nbad""#),
            // With a space for the line break it would be JSON.
            (Payload::new("application/json", "\"a\nb\""), r#""datacontenttype":"application/json","data":"\"a\nb\"""#),
        ];
        for (payload, data) in table {
            assert_eq!(line(plain.clone().payload(payload)), format!("{head}{time},{data}}}"));
        }
    }
}
