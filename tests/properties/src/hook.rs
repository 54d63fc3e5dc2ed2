//! The JSON of hooks, as the plugin `normalize-hooks` reads it.

use std::collections::BTreeMap;

use normalize_hooks::NormalizeHooks;
use plugbus_sdk::testing::{self, Host, Published};
use plugbus_sdk::{Payload, topic};
use serde_json::json;
use serde_json::value::{RawValue, Value};

use crate::message;

/// A hook becomes exactly one event with the one schema, every member of the hook in it byte for byte; anything else is
/// rejected, and never asked for again.
pub fn hook(bytes: &[u8]) {
    let mut host = Host::<NormalizeHooks>::new(json!({})).unwrap();
    let outcome = host.send(testing::event("hook.raw").payload(Payload::new("application/json", bytes.to_vec())));
    match outcome {
        Ok(reply) => {
            assert_eq!(reply, None);
            let [published] = host.published() else { panic!("{} events of one hook", host.published().len()) };
            check(published, bytes);
        }
        Err(failure) => {
            assert!(!failure.is_retry(), "{failure}");
            message::check(failure.reason());
            assert!(host.published().is_empty());
        }
    }
}

fn check(published: &Published, bytes: &[u8]) {
    assert_eq!(topic::check(&published.topic), Ok(()));
    let tokens: Vec<&str> = published.topic.split('.').collect();
    assert!((2..=4).contains(&tokens.len()) && tokens[0] == "hook", "{}", published.topic);
    let raw: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(bytes).unwrap();
    let normalized: BTreeMap<String, Value> = published.json().unwrap();
    let keys: Vec<&str> = normalized.keys().map(String::as_str).collect();
    assert_eq!(keys, ["cwd", "data", "session", "source", "subtype", "timestamp", "type"]);
    assert_eq!(normalized["session"].as_str(), published.extension("session"));
    let text = std::str::from_utf8(published.payload.bytes()).unwrap();
    let taken = ["hook_event_name", "session_id", "cwd"];
    for (name, value) in raw.iter().filter(|(name, _)| !taken.contains(&name.as_str())) {
        assert!(text.contains(value.get()), "`{name}` is not passed on as it was: {text}");
    }
}
