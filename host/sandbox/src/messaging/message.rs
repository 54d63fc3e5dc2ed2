//! A message: what an event is to a component that speaks `wasi:messaging`, and what such a component publishes.
//!
//! Metadata and the attributes of CloudEvents: a message that came in has the event's extensions under their names, and `id`,
//! `source`, `time` and, where there is one, `subject`. What is sent becomes extensions again; those four the host sets
//! itself, so a message may be sent on with what it came with, and with no other value. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use plugbus_bus::{Event, Payload, Topic};

/// What a message costs beside its data, and a pair of metadata beside its text: roughly, as they lie in memory.
const MESSAGE_BYTES: u64 = 256;
const PAIR_BYTES: u64 = 80;

/// A message that the guest holds.
#[derive(Debug)]
#[allow(unreachable_pub, reason = "the generated code names it in public")]
pub struct Message {
    topic: Option<Topic>,
    content_type: Option<Arc<str>>,
    data: Bytes,
    metadata: BTreeMap<String, String>,
    received_in: Option<u64>,
    bytes: u64,
}

impl Message {
    /// A message of the guest's own.
    pub(super) fn new(data: Vec<u8>) -> Self {
        let bytes = MESSAGE_BYTES.saturating_add(length(&data));
        let data = data.into();
        Self { topic: None, content_type: None, data, metadata: BTreeMap::new(), received_in: None, bytes }
    }

    /// An event, as it comes in with the call of this number. Its data stays where it is.
    pub(super) fn received(event: &Event, call: u64) -> Self {
        let mut message = Self::new(Vec::new());
        message.topic = Some(event.topic.clone());
        message.received_in = Some(call);
        message.set_content_type(event.payload.content_type.clone());
        message.set_data(event.payload.data.clone());
        for (name, value) in &event.extensions {
            message.add(name.to_string(), value.to_string());
        }
        for name in OWN {
            if let Some(value) = own(event, name) {
                message.add((*name).to_owned(), value);
            }
        }
        message
    }

    /// What it occupies.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The call that it came in with; none for one that the guest made.
    pub(super) fn received_in(&self) -> Option<u64> {
        self.received_in
    }

    pub(super) fn topic(&self) -> Option<&Topic> {
        self.topic.as_ref()
    }

    pub(super) fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    pub(super) fn data(&self) -> &[u8] {
        &self.data
    }

    pub(super) fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    pub(super) fn set_content_type(&mut self, content_type: Arc<str>) {
        let before = self.content_type.as_deref().map_or(0, |text| length(text.as_bytes()));
        self.resize(before, length(content_type.as_bytes()));
        self.content_type = Some(content_type);
    }

    pub(super) fn set_data(&mut self, data: Bytes) {
        self.resize(length(&self.data), length(&data));
        self.data = data;
    }

    pub(super) fn add(&mut self, key: String, value: String) {
        let after = pair(&key, &value);
        let key_bytes = length(key.as_bytes());
        let before = self.metadata.insert(key, value).map_or(0, |old| PAIR_BYTES + key_bytes + length(old.as_bytes()));
        self.resize(before, after);
    }

    /// All pairs anew; of a key that is given twice the last value counts.
    pub(super) fn set_metadata(&mut self, pairs: Vec<(String, String)>) {
        let before = self.metadata.iter().map(|(key, value)| pair(key, value)).sum();
        self.metadata = BTreeMap::new();
        self.resize(before, 0);
        for (key, value) in pairs {
            self.add(key, value);
        }
    }

    pub(super) fn remove(&mut self, key: &str) {
        if let Some((key, value)) = self.metadata.remove_entry(key) {
            self.resize(pair(&key, &value), 0);
        }
    }

    fn resize(&mut self, before: u64, after: u64) {
        self.bytes = self.bytes.saturating_sub(before).saturating_add(after);
    }

    /// What it is as the data of an event, and the extensions that its metadata becomes.
    pub(super) fn into_parts(self, cause: &Event) -> (Payload, Vec<(String, String)>) {
        let content_type = self.content_type.filter(|text| !text.is_empty());
        let payload = Payload { content_type: content_type.unwrap_or_else(|| UNKNOWN.into()), data: self.data };
        let came_with = |key: &str, value: &str| own(cause, key).is_some_and(|own| own == value);
        let extensions = self.metadata.into_iter().filter(|(key, value)| !came_with(key, value)).collect();
        (payload, extensions)
    }
}

/// The content type of a message that has none.
const UNKNOWN: &str = "application/octet-stream";

/// Attributes of an event that are metadata of its message, and that the host sets itself where something is published.
const OWN: &[&str] = &["id", "source", "time", "subject"];

/// One of them, if the event has it.
fn own(event: &Event, name: &str) -> Option<String> {
    match name {
        "id" => Some(event.id.to_string()),
        "source" => Some(event.source.to_string()),
        "time" => Some(humantime::format_rfc3339_nanos(event.time()).to_string()),
        "subject" => event.subject.as_deref().map(str::to_owned),
        _ => None,
    }
}

fn pair(key: &str, value: &str) -> u64 {
    PAIR_BYTES.saturating_add(length(key.as_bytes())).saturating_add(length(value.as_bytes()))
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        Event {
            id: "7".into(),
            source: "shop".into(),
            topic: Topic::parse("order.placed").unwrap(),
            subject: Some("anna".into()),
            time_ns: 1_790_000_000_000_000_000,
            payload: Payload::new("application/json", "{}"),
            extensions: vec![("traceparent".into(), "00-aa".into())],
            seq: 1,
            hops: 0,
        }
    }

    /// What the pieces of a message come to, counted anew.
    fn counted(message: &Message) -> u64 {
        let content_type = message.content_type.as_deref().map_or(0, str::len);
        let pairs: u64 = message.metadata.iter().map(|(key, value)| pair(key, value)).sum();
        MESSAGE_BYTES + pairs + u64::try_from(message.data.len() + content_type).unwrap()
    }

    #[test]
    fn an_event_comes_in_with_its_attributes_as_metadata() {
        let message = Message::received(&event(), 3);
        let metadata: Vec<_> = message.metadata().iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let expected = [
            ("id", "7"),
            ("source", "shop"),
            ("subject", "anna"),
            ("time", "2026-09-21T14:13:20.000000000Z"),
            ("traceparent", "00-aa"),
        ];
        assert_eq!(metadata, expected);
        assert_eq!(message.topic().map(Topic::as_str), Some("order.placed"));
        assert_eq!(
            (message.content_type(), message.data(), message.received_in()),
            (Some("application/json"), &b"{}"[..], Some(3))
        );
        let plain = Message::received(&Event { subject: None, ..event() }, 3);
        assert!(!plain.metadata().contains_key("subject"));
    }

    #[test]
    fn what_a_message_came_with_is_left_to_the_host_and_any_other_value_is_not() {
        let cause = event();
        let mut message = Message::received(&cause, 1);
        message.add("shade".into(), "blue".into());
        let (payload, extensions) = message.into_parts(&cause);
        let given = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(extensions, given(&[("shade", "blue"), ("traceparent", "00-aa")]));
        assert_eq!(payload, cause.payload);
        let mut other = Message::new(vec![1]);
        other.add("id".into(), "8".into());
        other.add("source".into(), "shop".into());
        let (payload, extensions) = other.into_parts(&cause);
        assert_eq!((extensions, &*payload.content_type), (given(&[("id", "8")]), UNKNOWN));
    }

    #[test]
    fn every_change_is_counted_in_bytes() {
        let mut message = Message::received(&event(), 1);
        assert_eq!(message.bytes(), counted(&message));
        message.set_content_type("a/b".into());
        message.set_data(Bytes::from_static(b"longer"));
        message.add("k".into(), "v".repeat(100));
        message.add("k".into(), "w".into());
        message.add("id".into(), String::new());
        assert_eq!(message.bytes(), counted(&message));
        message.remove("k");
        message.remove("not there");
        assert_eq!(message.bytes(), counted(&message));
        message.set_metadata(vec![("a".into(), "1".into()), ("a".into(), "22".into()), ("b".into(), String::new())]);
        assert_eq!((message.bytes(), message.metadata().len()), (counted(&message), 2));
        assert_eq!(message.metadata().get("a").map(String::as_str), Some("22"));
        message.set_metadata(Vec::new());
        message.set_data(Bytes::new());
        assert_eq!(message.bytes(), MESSAGE_BYTES + 3);
    }
}
