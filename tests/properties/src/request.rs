//! Lines of the local socket.

use plugbus::bus::Draft;
use plugbus::socket::parse_event;
use plugbus::socket::protocol::{ErrorLine, Request, Response, parse_request};

use crate::{cloudevent, message};

/// A line of the local socket is a request or is refused with a line that fits on one; what was read means the same when it
/// is written and read again. The event in it is taken or refused by the same rules.
pub fn request(bytes: &[u8]) {
    // The socket splits at newlines before it parses.
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let request = match parse_request(line) {
        Ok(request) => request,
        Err(error) => return check_error(error, line),
    };
    let text = serde_json::to_string(&request).unwrap();
    assert!(!text.contains('\n'), "a request takes two lines: {text:?}");
    let again = parse_request(text.as_bytes()).unwrap_or_else(|error| panic!("{error:?} in {text}"));
    assert_eq!(format!("{request:?}"), format!("{again:?}"));
    if let Request::Publish { event, .. } | Request::Ask { event, .. } = request {
        match parse_event(&event) {
            Ok(draft) => check_draft(draft, event.get()),
            Err(error) => check_error(error, line),
        }
    }
}

/// Data that says it is JSON is what stood in the line, byte for byte.
fn check_draft(draft: Draft, event: &str) {
    if draft.payload.is_json() && !draft.payload.data.is_empty() && !event.contains("data_base64") {
        let data = std::str::from_utf8(&draft.payload.data).unwrap();
        assert!(event.contains(data), "{data} is not in {event}");
    }
    cloudevent::check_draft(draft);
}

fn check_error(error: ErrorLine, line: &[u8]) {
    message::check(&error.message);
    assert!(!error.closing && error.line.is_none(), "the place is for the connection to fill in: {error:?}");
    if let Some(column) = error.column {
        assert!(column <= line.len() as u64 + 1, "column {column} of a line of {} bytes", line.len());
    }
    let answer = serde_json::to_string(&Response::Error(error)).unwrap();
    assert!(!answer.contains('\n'));
}
