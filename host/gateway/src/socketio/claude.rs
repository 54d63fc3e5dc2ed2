//! An event as the Python tools' dashboard server sends it: `claude_event` with `{event, type, subtype, timestamp, data, source}`.

use plugbus_bus::Event;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// The name under which it is sent, which stands in it once more.
pub(super) const CLAUDE_EVENT: &str = "claude_event";

#[derive(Serialize)]
struct ClaudeEvent<'a> {
    event: &'static str,
    r#type: &'a Value,
    subtype: &'a Value,
    timestamp: &'a Value,
    data: &'a Value,
    source: &'a Value,
}

/// What `normalize-hooks` publishes has these members already. Of any other event the first token of its topic is the type
/// and the rest the subtype. Pure.
pub(super) fn of(event: &Event) -> Result<Box<RawValue>, serde_json::Error> {
    let data: Value = event.payload.parse().unwrap_or_else(|_| match std::str::from_utf8(&event.payload.data) {
        Ok("") | Err(_) => Value::Null,
        Ok(text) => text.into(),
    });
    let null = Value::Null;
    let normalized = ["type", "source", "timestamp"].iter().all(|name| data.get(name).is_some_and(Value::is_string));
    if normalized && data.get("data").is_some() {
        let member = |name: &str| data.get(name).unwrap_or(&null);
        return serde_json::value::to_raw_value(&ClaudeEvent {
            event: CLAUDE_EVENT,
            r#type: member("type"),
            subtype: member("subtype"),
            timestamp: member("timestamp"),
            data: member("data"),
            source: member("source"),
        });
    }
    let (kind, rest) = event.topic.as_str().split_once('.').unwrap_or((event.topic.as_str(), ""));
    serde_json::value::to_raw_value(&ClaudeEvent {
        event: CLAUDE_EVENT,
        r#type: &kind.into(),
        subtype: &if rest.is_empty() { Value::Null } else { rest.into() },
        timestamp: &humantime::format_rfc3339_millis(event.time()).to_string().into(),
        data: &data,
        source: &(*event.source).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use plugbus_bus::{Payload, Topic};
    use serde_json::json;

    fn seen(topic: &str, payload: Payload) -> Value {
        let event = Event {
            id: "1".into(),
            source: "cron".into(),
            topic: Topic::parse(topic).unwrap(),
            subject: None,
            time_ns: 1_500_000_000,
            payload,
            extensions: Vec::new(),
            seq: 1,
            hops: 0,
        };
        serde_json::from_str(of(&event).unwrap().get()).unwrap()
    }

    #[test]
    fn a_normalized_hook_passes_through_and_other_events_are_put_into_the_form() {
        let hook = json!({
            "source": "claude-code", "type": "pre-tool-use", "subtype": "bash", "session": "s", "cwd": "/",
            "timestamp": "2026-11-23T09:30:15.25Z", "data": {"tool": "Bash"},
        });
        assert_eq!(
            seen("hook.pre-tool-use.bash", Payload::json(&hook).unwrap()),
            json!({
                "event": "claude_event", "type": "pre-tool-use", "subtype": "bash", "source": "claude-code",
                "timestamp": "2026-11-23T09:30:15.25Z", "data": {"tool": "Bash"},
            })
        );
        assert_eq!(
            seen("orders.created.eu", Payload::json(&json!({"type": 7})).unwrap()),
            json!({
                "event": "claude_event", "type": "orders", "subtype": "created.eu", "source": "cron",
                "timestamp": "1970-01-01T00:00:01.500Z", "data": {"type": 7},
            })
        );
        assert_eq!(seen("a", Payload::text("hi"))["data"], "hi");
        assert_eq!(seen("a", Payload::new("x/y", vec![0xff]))["data"], Value::Null);
        assert_eq!(seen("a", Payload::empty())["subtype"], Value::Null);
    }
}
