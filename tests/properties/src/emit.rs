//! What `plugbus emit` makes of its arguments and its standard input.

use plugbus::socket::protocol::{Request, parse_request};
use plugbus::socket::{NewEvent, parse_event};
use serde::de::IgnoredAny;

/// The first line is a media type or empty, the rest is data: what a client writes about them is one line, and the host
/// reads the same data out of it.
pub fn emit(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let Some(Ok(media)) = parts.next().map(std::str::from_utf8) else { return };
    let data = parts.next().unwrap_or_default();
    let content_type = (!media.is_empty()).then_some(media);
    let event = NewEvent { topic: "a.b", data, content_type, ..NewEvent::default() };
    let Ok(json) = event.to_json() else { return };
    let line = serde_json::to_string(&Request::Publish { event: json, wait_ms: None }).unwrap();
    assert!(!line.contains('\n'), "{line:?}");

    let Ok(Request::Publish { event, .. }) = parse_request(line.as_bytes()) else { panic!("no request: {line}") };
    let draft = parse_event(&event).unwrap_or_else(|error| panic!("{error:?}: {line}"));
    if let Some(media) = content_type {
        assert_eq!(&*draft.payload.content_type, media);
    }
    let read = &draft.payload.data;
    if draft.payload.is_json() {
        // Only white space may differ: around the value, and line breaks between its tokens.
        let bare =
            |text: &[u8]| text.trim_ascii().iter().map(|b| if b"\r\n".contains(b) { b' ' } else { *b }).collect();
        let (read, written): (Vec<u8>, Vec<u8>) = (bare(read), bare(data));
        assert!(read == written || (read.is_empty() && written == b"null"), "{line}");
        assert!(data.is_empty() || serde_json::from_slice::<IgnoredAny>(data).is_ok(), "it was no JSON: {line}");
    } else {
        assert_eq!(read, data, "{line}");
    }
}
