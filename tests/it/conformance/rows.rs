//! The rows of the table in `tests/conformance/README.md`.

use plugbus::bus::{Event, Payload};
use plugbus::sandbox::LogLevel;
use serde_json::{Value, json};

use super::guest::{Guest, Language};

/// Text in several scripts, with what lies outside the basic plane, what must be escaped in JSON, and a NUL.
const TEXT: &str = "Zażółć gęślą jaźń · 日本語 · עברית · 👩‍🚀 🏳️‍🌈 · e\u{301} · \u{feff}\"quotes\" \\ \n\t\u{0} \u{10ffff}";

fn json_of(data: &Value) -> Payload {
    Payload::json(data).unwrap()
}

pub(super) async fn a_good_event(language: &Language) {
    let guest = language.start().await;
    let data = json!({ "order": 7, "text": TEXT, "nested": { "list": [1, 2.5, null, true, "x"] } });
    guest.acks("c.good", json_of(&data)).await;
    let mut expected = data;
    expected["by"] = language.name.into();
    assert_eq!(guest.only_json("out.good"), expected);
    guest.stop(language.name).await;
}

pub(super) async fn bad_json(language: &Language) {
    for data in ["{\"order\":", "", "{'order': 7}"] {
        let guest = language.start().await;
        let reason = guest.rejects("c.good", Payload::new("application/json", data)).await;
        assert!(reason.to_lowercase().contains("json"), "{reason}");
        assert!(guest.published().is_empty());
        guest.stop(language.name).await;
    }
}

pub(super) async fn a_retry(language: &Language) {
    let guest = language.start().await;
    guest.acks("c.retry", Payload::empty()).await;
    assert_eq!(guest.only_json("out.retry"), json!({ "attempt": 2 }));
    let failed = guest.host.told.json("plugbus.delivery.failed");
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!((&failed[0]["kind"], &failed[0]["reason"]), (&json!("retry"), &json!("retry: not yet")));
    guest.stop(language.name).await;
}

pub(super) async fn a_reject(language: &Language) {
    let guest = language.start().await;
    assert_eq!(guest.rejects("c.reject", Payload::empty()).await, "reject: no thanks");
    guest.stop(language.name).await;
}

pub(super) async fn an_exception(language: &Language) {
    let guest = language.start().await;
    let reason = guest.rejects("c.exception", Payload::empty()).await;
    assert!(reason.contains("boom"), "{reason}");
    if let Some(trace) = language.trace {
        let lines = guest.log.all();
        let told = lines.iter().find(|line| line.message.contains(trace) && line.message.contains("boom"));
        assert!(told.is_some_and(|line| line.level == LogLevel::Error && line.event_id.is_some()), "{lines:?}");
    }
    guest.stop(language.name).await;
}

pub(super) async fn a_denied_publish(language: &Language) {
    let guest = language.start().await;
    guest.acks("c.denied", Payload::empty()).await;
    assert_eq!(guest.only_json("out.denied"), json!({ "error": "denied" }));
    guest.stop(language.name).await;
}

pub(super) async fn publishes_over_the_limit(language: &Language) {
    let guest = language.start().await;
    assert_eq!(guest.rejects("c.limit", Payload::empty()).await, "reject: refused after 64: over-limit");
    assert!(guest.published().is_empty());
    guest.stop(language.name).await;

    let guest = language.start_with("publishes_max = 3").await;
    assert_eq!(guest.rejects("c.limit", Payload::empty()).await, "reject: refused after 3: over-limit");
    guest.stop(language.name).await;
}

pub(super) async fn a_request(language: &Language) {
    let guest = language.start().await;
    let data = json!({ "question": [TEXT, 42] });
    let reply = guest.request(Event::draft("c.request").unwrap().payload(json_of(&data))).await;
    assert_eq!(reply.content_type.as_ref(), "application/json");
    assert_eq!(serde_json::from_slice::<Value>(&reply.data).unwrap(), json!({ "got": data }));
    assert!(guest.published().is_empty());
    guest.stop(language.name).await;
}

pub(super) async fn no_config(language: &Language) {
    let guest = language.start().await;
    guest.acks("c.config", Payload::empty()).await;
    assert_eq!(guest.only_json("out.config"), json!({ "greeting": null }));
    guest.stop(language.name).await;
}

pub(super) async fn a_config(language: &Language) {
    let guest = language.start_with("[config]\ngreeting = \"γειά σου\"").await;
    guest.acks("c.config", Payload::empty()).await;
    assert_eq!(guest.only_json("out.config"), json!({ "greeting": "γειά σου" }));
    guest.stop(language.name).await;
}

pub(super) async fn unicode(language: &Language) {
    let guest = language.start().await;
    guest.acks("c.unicode", Payload::text(TEXT)).await;
    let only = guest.only("out.unicode");
    assert!(only.content_type.starts_with("text/plain"), "{}", only.content_type);
    assert_eq!(std::str::from_utf8(&only.data).unwrap(), TEXT);
    guest.stop(language.name).await;
}

pub(super) async fn an_empty_body(language: &Language) {
    let guest = language.start().await;
    guest.acks("c.empty", Payload::empty()).await;
    assert_eq!(guest.only_json("out.empty"), json!({ "bytes": 0 }));
    guest.stop(language.name).await;
}

pub(super) async fn a_large_body(language: &Language) {
    let guest = language.start().await;
    // Some 200 KB, and not all of it ASCII.
    let items: Vec<String> = (0..4000).map(|number| format!("item {number} · {}", "ä".repeat(16))).collect();
    let payload = json_of(&json!({ "items": items }));
    let bytes = payload.data.len();
    assert!((190_000..260_000).contains(&bytes), "{bytes}");
    guest.acks("c.large", payload).await;
    assert_eq!(guest.only_json("out.large"), json!({ "items": 4000, "bytes": bytes }));
    guest.stop(language.name).await;
}

pub(super) async fn a_binary_body(language: &Language) {
    let guest = language.start().await;
    let data: Vec<u8> = (0..=255).cycle().take(1000).collect();
    guest.acks("c.binary", Payload::new("application/x-anything", data.clone())).await;
    let only = guest.only("out.binary");
    assert_eq!(only.content_type.as_ref(), "application/octet-stream");
    assert_eq!(only.data.to_vec(), data.into_iter().rev().collect::<Vec<_>>());
    guest.stop(language.name).await;
}

pub(super) async fn a_log_line(language: &Language) {
    let guest = language.start().await;
    guest.acks("c.log", Payload::empty()).await;
    let hello = format!("hello from {}", language.name);
    let lines = guest.log.all();
    let said: Vec<_> = lines.iter().filter(|line| line.message == hello).map(|line| line.level).collect();
    assert_eq!(said, [LogLevel::Info], "{lines:?}");
    assert!(guest.published().is_empty());
    guest.stop(language.name).await;
}

/// Good and bad ones in turn, on one instance: what went wrong leaves nothing behind.
pub(super) async fn a_mixed_stream(language: &Language) {
    let guest = language.start().await;
    for number in 0..10 {
        mixed(&guest, number).await;
    }
    assert_eq!(guest.topics(), ["out.good", "out.count"].repeat(10));
    let running = guest.host.status(language.name).unwrap().running.unwrap();
    assert_eq!(running.metrics.instances_created, 1, "a failure is no fault, and costs no instance");
    guest.stop(language.name).await;
}

async fn mixed(guest: &Guest, number: u64) {
    guest.acks("c.good", json_of(&json!({ "number": number }))).await;
    for topic in ["c.reject", "c.exception", "c.limit", "c.good"] {
        let end = guest.send(topic, Payload::text("no JSON")).await;
        assert_eq!(end.name(), "dead", "{topic}");
    }
    guest.acks("c.count", json_of(&json!({ "n": number }))).await;
}
