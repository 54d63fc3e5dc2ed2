//! All of them at once: hooks in, and every one of them normalized, logged, counted and relayed.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use super::{count_topics, log_jsonl, normalize_hooks, relay_webhook};
use crate::support::host::Place;
use crate::support::server::{Server, answer};
use crate::support::shipped;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_hooks_go_through_all_plugins_and_none_is_lost() {
    // Every seventh request fails once, as servers do.
    let server = Server::start(|number, _| match number % 7 {
        3 => answer("502 Bad Gateway", "").replace("\r\n\r\n", "\r\nretry-after: 0\r\n\r\n"),
        _ => answer("200 OK", ""),
    });
    let place = Place::new();
    fs::create_dir(place.beside("log")).unwrap();
    let host = place.start().await;
    normalize_hooks::load(&host).await;
    count_topics::load(&host).await;
    log_jsonl::load(&host, &shipped::manifest("log-jsonl")).await;
    relay_webhook::load(&host, &server.origin()).await;

    let hooks = shipped::hooks();
    for hook in &hooks {
        host.publish("hook.raw", hook.as_str()).await;
    }
    for name in ["normalize-hooks", "relay-webhook", "count-topics", "log-jsonl"] {
        host.until_idle(name).await;
    }

    // Raw and normalized hooks, and a summary after each hundred of them.
    let (raw, both) = (hooks.len() as u64, 2 * hooks.len() as u64);
    let summaries = both / 100;
    let acked = |name: &str| host.stats(name).acked;
    assert_eq!(acked("normalize-hooks"), raw);
    assert_eq!(acked("relay-webhook"), both);
    assert_eq!(acked("log-jsonl"), both + summaries);
    assert_eq!(acked("count-topics"), both + summaries);
    assert_eq!(host.bus().stats().dead_letters.total, 0);

    let mut logged: BTreeMap<String, u64> = BTreeMap::new();
    for line in log_jsonl::lines(&host.beside("log/events.jsonl")) {
        *logged.entry(line["type"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(logged.remove("stats.topics"), Some(summaries));
    let counted: Value = serde_json::from_str(&host.ask("stats.topics.get", "").await).unwrap();
    assert_eq!(counted["topics"], serde_json::to_value(&logged).unwrap());
    assert_eq!((&counted["total"], logged["hook.raw"]), (&both.into(), raw));

    // What the webhook got in the end: each event once, whatever was repeated.
    let requests = server.requests();
    let accepted = requests.iter().enumerate().filter(|(number, _)| number % 7 != 3);
    let ids: Vec<Value> = accepted.map(|(_, request)| id(&request.body)).collect();
    let mut once = ids.clone();
    once.sort_by_key(Value::to_string);
    once.dedup();
    assert_eq!((ids.len() as u64, once.len() as u64), (both, both));
    assert!(host.stats("relay-webhook").retried > 0);
    host.stop().await;
}

fn id(body: &[u8]) -> Value {
    let event: Value = serde_json::from_slice(body).unwrap();
    event["id"].clone()
}
