//! A small demo that adds up, for the tests of what is concluded from one.

use std::collections::BTreeMap;

use serde_json::json;

use super::facts::{DeadLetter, Facts, Fault, GOOD, NORMALIZE, Plugin, RELAY, Rejection, SPINS, TEXT, TRAPS};
use super::watch::{Event, RAW, Seen};
use super::webhook::{Posts, Taken};

/// Four hooks; the third is the first that the changed build handles; one request in eight is refused.
pub(super) fn facts() -> Facts {
    let mut seen = Seen::default();
    for n in 0..4_u64 {
        let hook = json!({ "session_id": "s", "hook_event_name": "Stop", "cwd": "/", "n": n });
        seen.events.push(event(&format!("raw{n}"), RAW, n * 10_000_000, hook));
        let data = json!({ "session": "s", "type": "stop", "data": { "n": n } });
        let normalizer = (n >= 2).then(|| "normalize-hooks/1".to_owned());
        let id = format!("hook{n}");
        seen.events.push(Event { normalizer, ..event(&id, "hook.stop", n * 10_000_000 + 1_000_000, data) });
    }
    for plugin in [TRAPS, SPINS] {
        seen.events.push(event(plugin, "plugbus.plugin.suspended", 90_000_000, json!({ "plugin": plugin })));
    }
    let ids: Vec<String> = seen.public().map(|event| event.id.clone()).collect();
    let taken = ids.iter().map(|id| Taken { id: id.clone(), time_ns: 50_000_000 }).collect();
    let letter =
        |plugin: &&str| DeadLetter { plugin: (*plugin).to_owned(), kind: "exhausted".into(), reason: "r".into() };
    Facts {
        lines: 4,
        accepted: seen.raw().map(|event| event.id.clone()).collect(),
        counted: seen.per_topic(),
        seen,
        plugins: plugins(),
        reloads: 1,
        rejections: vec![Rejection { plugin: TEXT.into(), kind: "compile".into(), cause: "no component".into() }],
        dead: [TRAPS, TRAPS, SPINS, SPINS].iter().map(letter).collect(),
        logged: ids,
        posts: Posts { received: 9, refused: 1, taken },
        is_settled: true,
    }
}

fn event(id: &str, topic: &str, time_ns: u64, data: serde_json::Value) -> Event {
    Event { id: id.into(), topic: topic.into(), time_ns, data, normalizer: None }
}

fn plugins() -> Vec<Plugin> {
    let good = |name: &str| {
        let matched = if name == NORMALIZE { 4 } else { 8 };
        let retried = u64::from(name == RELAY);
        let attempts = matched + retried;
        Plugin {
            name: name.into(),
            matched,
            attempts,
            acked: matched,
            retried,
            handler_ns_total: attempts * 1_500_000,
            handler_ns_max: 2_000_000,
            ..Plugin::default()
        }
    };
    let bad = |name: &str, kind: &str, limit: Option<&str>| Plugin {
        name: name.into(),
        matched: 2,
        attempts: 2,
        retried: 1,
        dead: 1,
        waiting: 1,
        faults: BTreeMap::from([(kind.to_owned(), 2)]),
        last_fault: Some(Fault { kind: kind.into(), limit: limit.map(str::to_owned), ..Fault::default() }),
        ..Plugin::default()
    };
    let bad = [bad(TRAPS, "trap", None), bad(SPINS, "fuel", Some("7 fuel"))];
    GOOD.iter().map(|name| good(name)).chain(bad).collect()
}
