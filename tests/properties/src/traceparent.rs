//! A `traceparent` as it comes in a header or an event.

use plugbus::bus::TraceParent;

/// What is read is written as it was read, but for what a later version has at the end and for flags that nobody knows.
pub fn traceparent(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(parent) = TraceParent::parse(text) else { return };
    let written = parent.to_string();
    assert_eq!(TraceParent::parse(&written), Some(parent), "{text}");
    assert_eq!(text.get(2..52), written.get(2..52), "{text}");
    assert!(parent.trace_id != [0; 16] && parent.span_id != [0; 8], "{text}");
}
