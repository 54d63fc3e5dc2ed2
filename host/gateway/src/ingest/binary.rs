//! The binary mode of CloudEvents over HTTP: attributes in `ce-…` headers, the body is the data. Pure.
//!
//! Source: CloudEvents 1.0.2, "HTTP Protocol Binding", 3.1.3. Stricter than it has to be where a lenient reading would
//! lose something: a header twice, a broken percent-encoding or bytes that are no UTF-8 are errors.

use http::HeaderMap;
use serde_json::{Map, Value};

/// What the names of attributes begin with.
pub const PREFIX: &str = "ce-";
/// Longest name of an attribute, in bytes; `datacontenttype`, the longest that the specification has, and all that the bus
/// takes fit.
const NAME_BYTES_MAX: usize = 32;

/// Why headers are not the attributes of an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("header `{header}` {problem}")]
pub struct HeaderError {
    /// Its name, cut to what a message can hold.
    pub header: String,
    /// What is wrong, and how to mend it.
    pub problem: String,
}

/// The attributes that stand in the headers, decoded. Other headers are not looked at.
///
/// # Errors
/// [`HeaderError`] names the first header that is wrong.
pub fn attributes(headers: &HeaderMap) -> Result<Map<String, Value>, HeaderError> {
    let mut attributes = Map::new();
    for (name, value) in headers {
        let Some(attribute) = name.as_str().strip_prefix(PREFIX) else { continue };
        let wrong = |problem: String| HeaderError { header: name.as_str().chars().take(40).collect(), problem };
        check_name(attribute).map_err(wrong)?;
        let value = decode(value.as_bytes()).map_err(wrong)?;
        if attributes.insert(attribute.to_owned(), value.into()).is_some() {
            return Err(wrong("stands there twice; one of the two would be lost".into()));
        }
    }
    Ok(attributes)
}

fn check_name(name: &str) -> Result<(), String> {
    match name {
        "data" | "database64" => Err("is no attribute; the data is the body".into()),
        "datacontenttype" => Err("must not be given; the media type of the data is the header `content-type`".into()),
        _ if name.is_empty() || name.len() > NAME_BYTES_MAX => {
            Err(format!("names an attribute of {} bytes; 1 to {NAME_BYTES_MAX} are allowed", name.len()))
        }
        _ if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) => {
            Err("names an attribute with other characters than a to z and 0 to 9".into())
        }
        _ => Ok(()),
    }
}

/// A value as it was before it became a header: quotes taken off, percent-encoding undone, once each.
///
/// # Errors
/// What is wrong, and how to mend it.
pub fn decode(value: &[u8]) -> Result<String, String> {
    if let Some(byte) = value.iter().find(|byte| !matches!(byte, 0x20..=0x7e)) {
        return Err(format!("has the byte 0x{byte:02x}; percent-encode everything beyond printable ASCII"));
    }
    let unquoted = unquote(value)?;
    let decoded = percent_decode(&unquoted)?;
    String::from_utf8(decoded).map_err(|error| {
        format!("is no UTF-8 after percent-decoding: byte {} is wrong", error.utf8_error().valid_up_to())
    })
}

fn unquote(value: &[u8]) -> Result<Vec<u8>, String> {
    let Some(rest) = value.strip_prefix(b"\"") else { return Ok(value.to_vec()) };
    let mut text = Vec::with_capacity(rest.len());
    let mut bytes = rest.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => text.extend(bytes.next()),
            b'"' if bytes.len() == 0 => return Ok(text),
            b'"' => return Err("has a quote inside of quotes; write it as %22".into()),
            byte => text.push(byte),
        }
    }
    Err("begins with a quote that is never closed; write a quote as %22".into())
}

fn percent_decode(text: &[u8]) -> Result<Vec<u8>, String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digits = (bytes.next().and_then(hex), bytes.next().and_then(hex));
        let (Some(high), Some(low)) = digits else {
            return Err("has a `%` that two hexadecimal digits do not follow; write a percent sign as %25".into());
        };
        decoded.push(high << 4 | low);
    }
    Ok(decoded)
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// A text as the value of a `ce-…` header: what [`decode`] undoes.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            0x21..=0x7e if !matches!(byte, b'"' | b'%') => encoded.push(char::from(byte)),
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn read(lines: &[(&str, &[u8])]) -> Result<Map<String, Value>, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        attributes(&headers).map_err(|error| error.to_string())
    }

    #[test]
    fn headers_are_decoded_once_and_others_are_left_alone() {
        let found = read(&[
            ("ce-id", b"a%20b"),
            (
                "CE-Subject",
                "€ 😀".bytes().flat_map(|b| format!("%{b:02X}").into_bytes()).collect::<Vec<_>>().as_slice(),
            ),
            ("ce-twice", b"%2525"),
            ("ce-quoted", b"\"a \\\"b\\\" c\""),
            ("content-type", b"text/plain"),
            ("x-ce-id", b"no"),
        ]);
        let expected = serde_json::json!({"id": "a b", "subject": "€ 😀", "twice": "%25", "quoted": "a \"b\" c"});
        assert_eq!(Value::Object(found.unwrap()), expected);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_header() {
        let table: [(&str, &[u8], &str); 10] = [
            ("ce-id", b"a%2", "header `ce-id` has a `%` that two hexadecimal digits do not follow"),
            ("ce-id", b"%zz", "header `ce-id` has a `%` that two hexadecimal digits do not follow"),
            ("ce-id", b"%ff", "header `ce-id` is no UTF-8 after percent-decoding: byte 0 is wrong"),
            ("ce-id", b"%c0%80", "header `ce-id` is no UTF-8 after percent-decoding"),
            ("ce-id", "ü".as_bytes(), "header `ce-id` has the byte 0xc3; percent-encode"),
            ("ce-id", b"\"open", "header `ce-id` begins with a quote that is never closed"),
            ("ce-id", b"\"a\"b\"", "header `ce-id` has a quote inside of quotes"),
            ("ce-data", b"x", "header `ce-data` is no attribute; the data is the body"),
            ("ce-datacontenttype", b"x", "header `ce-datacontenttype` must not be given"),
            ("ce-my_ext", b"x", "header `ce-my_ext` names an attribute with other characters"),
        ];
        for (name, value, expected) in table {
            let error = read(&[(name, value)]).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
        assert!(read(&[("ce-id", b"1"), ("ce-id", b"2")]).unwrap_err().contains("twice"));
        assert!(read(&[("ce-", b"1")]).is_err());
    }

    #[test]
    fn what_was_encoded_is_decoded_to_itself() {
        for text in ["", "plain", "a b", "100 %", "\"q\"", "\\", "größe 😀", "\u{1}\n"] {
            assert_eq!(decode(encode(text).as_bytes()).unwrap(), text);
        }
    }
}
