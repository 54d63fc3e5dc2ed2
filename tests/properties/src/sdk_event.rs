//! Events that a plugin writes down in the JSON format of CloudEvents.

use plugbus::socket::parse_event;
use plugbus_sdk::testing::event;
use plugbus_sdk::{Event, Payload};
use serde_json::Value;
use serde_json::value::RawValue;

/// The first five lines are topic, id, subject, media type and time, the rest is data: what a plugin writes about them is
/// one line, and the host reads the same event out of it.
pub fn sdk_event(bytes: &[u8]) {
    let mut parts = bytes.splitn(6, |byte| *byte == b'\n');
    let mut text = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (topic, id, subject, media, time_ns) = (text(), text(), text(), text(), text());
    let time_ns = time_ns.parse().unwrap_or(0);
    let payload = Payload::new(media, parts.next().unwrap_or_default().to_vec());
    let event: Event = event(topic).id(id).subject(subject).time_ns(time_ns).payload(payload).into();
    let line = event.to_cloudevent();
    assert!(!line.contains(['\n', '\r']), "{line:?}");

    let raw: Box<RawValue> = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    // The topic comes from the input: it may be none.
    let Ok(draft) = parse_event(&raw) else {
        return assert!(plugbus_sdk::topic::check(&event.topic).is_err(), "{line}");
    };
    assert_eq!((draft.topic.as_str(), draft.id.as_deref()), (event.topic.as_str(), Some(event.id.as_str())));
    assert_eq!((draft.subject.as_deref(), draft.time_ns), (event.subject.as_deref(), Some(event.time_ns)), "{line}");
    check_data(&event.payload, &draft.payload.data, &line);
}

fn check_data(written: &Payload, read: &[u8], line: &str) {
    let json = |data: &[u8]| serde_json::from_slice::<&RawValue>(data).ok().map(|value| value.get().to_owned());
    let bytes = written.bytes();
    match json(bytes) {
        _ if !written.is_json() => assert_eq!(read, bytes, "{line}"),
        // `null` is no data.
        Some(text) if text == "null" => assert_eq!(read, b"", "{line}"),
        Some(text) => assert_eq!(read, text.replace(['\n', '\r'], " ").as_bytes(), "{line}"),
        // Text that only calls itself JSON stands there as a string; bytes stay bytes.
        None => match std::str::from_utf8(bytes) {
            Ok("") => assert_eq!(read, b"", "{line}"),
            Ok(text) => assert_eq!(serde_json::from_slice::<Value>(read).ok(), Some(text.into()), "{line}"),
            Err(_) => assert_eq!(read, bytes, "{line}"),
        },
    }
}
