//! The headers of the binary mode of CloudEvents over HTTP.

use plugbus::bus::cloudevents::{check_required, draft_from_json};
use plugbus::gateway::binary::{attributes, decode, encode};
use plugbus::gateway::http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::{cloudevent, message};

/// Lines `name: value` are attributes or are refused with a reason; a value that was decoded is decoded to itself again when
/// it is encoded; and what the attributes make is an event that the bus can write and read.
pub fn ce_headers(bytes: &[u8]) {
    for line in bytes.split(|byte| *byte == b'\n') {
        match decode(line) {
            Ok(text) => assert_eq!(decode(encode(&text).as_bytes()).as_deref(), Ok(text.as_str())),
            Err(problem) => message::check(&problem),
        }
    }
    let headers = headers(bytes);
    let attributes = match attributes(&headers) {
        Ok(attributes) => attributes,
        Err(error) => return message::check(&error.to_string()),
    };
    let all = headers.keys().filter(|name| name.as_str().starts_with("ce-")).count();
    assert_eq!(attributes.len(), all, "no header is lost in silence");
    if let Err(error) = check_required(&attributes) {
        message::check(&error.to_string());
    }
    match draft_from_json(&Value::Object(attributes)) {
        Ok(draft) => cloudevent::check_draft(draft),
        Err(error) => message::check(&error.to_string()),
    }
}

/// The headers as a parser of HTTP lets them through.
fn headers(bytes: &[u8]) -> HeaderMap {
    let lines = bytes.split(|byte| *byte == b'\n').take(100);
    let pairs = lines.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(line.get(..colon)?).ok()?;
        Some((name, HeaderValue::from_bytes(line.get(colon + 1..)?.trim_ascii()).ok()?))
    });
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name, value);
    }
    headers
}
