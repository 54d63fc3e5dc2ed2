//! Packets of Engine.IO 4 and Socket.IO 5 (<https://socket.io/docs/v4/socket-io-protocol/>) as they travel by polling: text,
//! several in a payload, with U+001E between them. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use plugbus_sdk::prelude::*;

/// Between the packets of a payload.
const SEPARATOR: char = '\u{1e}';
/// Stands for the first attachment of a packet.
pub(crate) const PLACEHOLDER: &str = r#"{"_placeholder":true,"num":0}"#;

/// What a server says when a session begins.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Open {
    /// The session.
    pub(crate) sid: String,
    /// Most bytes of a payload; 1 MB where a server does not say.
    #[serde(default = "megabyte")]
    pub(crate) max_payload: u64,
}

fn megabyte() -> u64 {
    1_000_000
}

/// What a server may send.
#[derive(Debug, PartialEq)]
pub(crate) enum Packet {
    /// The session has begun.
    Open(Open),
    /// The session has ended.
    Close,
    /// To be answered with [`PONG`].
    Ping,
    /// The namespace takes us.
    Connected,
    /// The namespace does not take us, or not any longer; why.
    Refused(String),
    /// The listener of the emit of that number has acknowledged, with these arguments.
    Ack(u64, Vec<Value>),
    /// Something that says nothing to us: events, attachments, what a later version may bring.
    Other,
}

/// The answer to a ping.
pub(crate) const PONG: &str = "3";

/// The packets of a payload that are for a namespace, in order.
///
/// # Errors
/// Where one is malformed; what a server sends in its place is shown.
pub(crate) fn decode(payload: &str, namespace: &str) -> Result<Vec<Packet>, String> {
    payload.split(SEPARATOR).map(|packet| decode_one(packet, namespace)).collect()
}

fn decode_one(packet: &str, namespace: &str) -> Result<Packet, String> {
    let malformed = || {
        let shown: String = packet.chars().take(80).flat_map(char::escape_debug).collect();
        format!("`{shown}` is no packet of Engine.IO 4")
    };
    let mut rest = packet.chars();
    match rest.next() {
        Some('0') => serde_json::from_str(rest.as_str()).map(Packet::Open).map_err(|_| malformed()),
        Some('1') => Ok(Packet::Close),
        Some('2') => Ok(Packet::Ping),
        Some('4') => decode_message(rest.as_str(), namespace).ok_or_else(malformed),
        Some('3' | '5' | '6' | 'b') => Ok(Packet::Other),
        _ => Err(malformed()),
    }
}

/// A packet of Socket.IO: type, attachments, namespace, number of the ack, JSON.
fn decode_message(message: &str, namespace: &str) -> Option<Packet> {
    let mut characters = message.chars();
    let kind = characters.next()?;
    let mut rest = characters.as_str();
    if matches!(kind, '5' | '6') {
        rest = rest.split_once('-')?.1;
    }
    let mut of = "/";
    if rest.starts_with('/') {
        // Without JSON behind it, the comma may be missing.
        (of, rest) = rest.split_once(',').unwrap_or((rest, ""));
    }
    if of != namespace {
        return Some(Packet::Other);
    }
    let json = rest.trim_start_matches(|character: char| character.is_ascii_digit());
    let number = rest.strip_suffix(json)?;
    match kind {
        '0' => Some(Packet::Connected),
        '1' => Some(Packet::Refused("the server has disconnected us from the namespace".to_owned())),
        '4' => Some(Packet::Refused(format!("the namespace refuses us: {}", message_of(json)))),
        '3' | '6' => Some(Packet::Ack(number.parse().ok()?, serde_json::from_str(json).ok()?)),
        '2' | '5' => Some(Packet::Other),
        _ => None,
    }
}

/// What a middleware said.
fn message_of(json: &str) -> String {
    let value: Value = serde_json::from_str(json).unwrap_or_default();
    let text = value.get("message").and_then(Value::as_str).unwrap_or(json);
    text.chars().take(200).flat_map(char::escape_debug).collect()
}

/// The packet that asks for a namespace.
pub(crate) fn connect(namespace: &str, auth: Option<&serde_json::Map<String, Value>>) -> String {
    let auth = auth.map(|auth| Value::from(auth.clone()).to_string()).unwrap_or_default();
    format!("40{}{auth}", prefix(namespace))
}

/// The packet that leaves a namespace, and ends the session.
pub(crate) fn disconnect(namespace: &str) -> String {
    format!("41{}{SEPARATOR}1", prefix(namespace))
}

/// An emit of one argument, which is JSON. With bytes, that is [`PLACEHOLDER`] or has it inside.
pub(crate) fn emit(namespace: &str, ack: Option<u64>, event: &str, argument: &str, bytes: Option<&[u8]>) -> String {
    let (kind, namespace, event) = (if bytes.is_some() { "451-" } else { "42" }, prefix(namespace), Value::from(event));
    let ack = ack.map(|ack| ack.to_string()).unwrap_or_default();
    let attachment = bytes.map(|bytes| format!("{SEPARATOR}b{}", STANDARD.encode(bytes))).unwrap_or_default();
    format!("{kind}{namespace}{ack}[{event},{argument}]{attachment}")
}

fn prefix(namespace: &str) -> String {
    if namespace == "/" { String::new() } else { format!("{namespace},") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_written_as_the_protocol_has_them() {
        let auth = json!({ "token": "t" });
        assert_eq!(connect("/", None), "40");
        assert_eq!(connect("/admin", auth.as_object()), r#"40/admin,{"token":"t"}"#);
        assert_eq!(disconnect("/"), "41\u{1e}1");
        assert_eq!(disconnect("/admin"), "41/admin,\u{1e}1");
        assert_eq!(emit("/", None, "a.b", "[1]", None), r#"42["a.b",[1]]"#);
        assert_eq!(emit("/admin", Some(12), "a\"b", "1", None), r#"42/admin,12["a\"b",1]"#);
        assert_eq!(
            emit("/", Some(0), "e", PLACEHOLDER, Some(&[1, 2, 3])),
            "451-0[\"e\",{\"_placeholder\":true,\"num\":0}]\u{1e}bAQID"
        );
    }

    #[test]
    fn packets_are_read_one_by_one_and_what_is_not_for_us_is_passed_over() {
        let open = r#"0{"sid":"s","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":9}"#;
        let table = [
            (open, "/", vec![Packet::Open(Open { sid: "s".into(), max_payload: 9 })]),
            (r#"0{"sid":"s"}"#, "/", vec![Packet::Open(Open { sid: "s".into(), max_payload: 1_000_000 })]),
            ("2\u{1e}1\u{1e}6", "/", vec![Packet::Ping, Packet::Close, Packet::Other]),
            (r#"40{"sid":"x"}"#, "/", vec![Packet::Connected]),
            (r#"40/admin,{"sid":"x"}"#, "/admin", vec![Packet::Connected]),
            (r#"40{"sid":"x"}"#, "/admin", vec![Packet::Other]),
            ("41", "/", vec![Packet::Refused("the server has disconnected us from the namespace".into())]),
            (r#"44{"message":"no"}"#, "/", vec![Packet::Refused("the namespace refuses us: no".into())]),
            ("44/x,\"n\"", "/x", vec![Packet::Refused("the namespace refuses us: \\\"n\\\"".into())]),
            (r#"437[]"#, "/", vec![Packet::Ack(7, vec![])]),
            (r#"43/admin,7[1,"a"]"#, "/admin", vec![Packet::Ack(7, vec![json!(1), json!("a")])]),
            (
                "461-7[{\"_placeholder\":true,\"num\":0}]\u{1e}bAQID",
                "/",
                vec![Packet::Ack(7, vec![json!({ "_placeholder": true, "num": 0 })]), Packet::Other],
            ),
            (r#"42["news",{"a":1}]"#, "/", vec![Packet::Other]),
        ];
        for (payload, namespace, expected) in table {
            assert_eq!(decode(payload, namespace), Ok(expected), "{payload}");
        }
    }

    #[test]
    fn what_is_no_packet_is_shown() {
        for payload in ["", "9", "0{}", "4", "43x[]", "43[]", "45[]", "<html>\u{1b}"] {
            let error = decode(payload, "/").unwrap_err();
            assert!(error.ends_with("is no packet of Engine.IO 4") && !error.contains('\u{1b}'), "{error}");
        }
    }
}
