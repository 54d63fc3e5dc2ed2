use plugbus_sdk::testing::{Host, event};

use super::*;

fn host(config: Value) -> Host<CountTopics> {
    let mut host = Host::new(config).unwrap();
    host.grant_publish(&["stats.>"]);
    host
}

fn send(host: &mut Host<CountTopics>, topic: &str, times: usize) {
    for _ in 0..times {
        assert_eq!(host.send(event(topic)), Ok(None));
    }
}

fn ask(host: &mut Host<CountTopics>) -> Value {
    let reply = host.send(event("stats.topics.get")).unwrap().unwrap();
    serde_json::from_slice(reply.bytes()).unwrap()
}

#[test]
fn a_summary_is_published_every_so_many_events() {
    let mut host = host(json!({ "every_events": 3 }));
    send(&mut host, "a", 2);
    assert!(host.published().is_empty());
    send(&mut host, "b", 1);
    send(&mut host, "a", 3);
    let summaries: Vec<Value> = host.published().iter().map(|event| event.json().unwrap()).collect();
    assert_eq!(
        summaries,
        [
            json!({ "total": 3, "other": 0, "topics": { "a": 2, "b": 1 } }),
            json!({ "total": 6, "other": 0, "topics": { "a": 5, "b": 1 } }),
        ]
    );
    assert!(host.published().iter().all(|event| event.topic == "stats.topics"));
}

#[test]
fn a_request_is_answered_and_not_counted() {
    let mut host = host(json!({}));
    assert_eq!(ask(&mut host), json!({ "total": 0, "other": 0, "topics": {} }));
    send(&mut host, "a", 2);
    assert_eq!(ask(&mut host), json!({ "total": 2, "other": 0, "topics": { "a": 2 } }));
    assert!(host.published().is_empty());
}

#[test]
fn topics_over_the_bound_are_counted_together() {
    let mut host = host(json!({ "topics_max": 2 }));
    for topic in ["a", "b", "c", "d", "a"] {
        send(&mut host, topic, 1);
    }
    assert_eq!(ask(&mut host), json!({ "total": 5, "other": 2, "topics": { "a": 2, "b": 1 } }));
}

#[test]
fn the_largest_summary_fits_into_one_publish() {
    let mut host = host(json!({ "topics_max": TOPICS_MAX, "every_events": TOPICS_MAX }));
    for number in 0..TOPICS_MAX {
        send(&mut host, &format!("{number:0>255}"), 1);
    }
    assert_eq!(host.published().len(), 1);
}

#[test]
fn its_own_summaries_do_not_count() {
    let mut host = host(json!({ "every_events": 1 }));
    assert!(host.subscribes_to("stats.topics"));
    send(&mut host, "stats.topics", 5);
    assert_eq!(ask(&mut host)["total"], 0);
    assert!(host.published().is_empty());
}

#[test]
fn a_refused_summary_rejects_the_event_which_stays_counted() {
    let mut host = host(json!({ "every_events": 1 }));
    host.grant_publish(&[]);
    let failure = host.send(event("a")).unwrap_err();
    assert!(!failure.is_retry() && failure.reason().starts_with("publish denied"), "{failure}");
    assert_eq!(ask(&mut host)["total"], 1);
}

/// Every behaviour that does not depend on where the counts are.
#[test]
fn in_the_store_it_counts_as_it_does_in_memory() {
    let config = |durable: bool| json!({ "topics_max": 2, "every_events": 4, "durable_counts": durable });
    let (mut memory, mut store) = (host(config(false)), host(config(true)));
    for topic in ["a", "b", "c", "stats.topics", "d", "a", "a", "b", "c"] {
        for host in [&mut memory, &mut store] {
            send(host, topic, 1);
        }
        assert_eq!(ask(&mut memory), ask(&mut store), "{topic}");
    }
    assert_eq!(ask(&mut store), json!({ "total": 8, "other": 3, "topics": { "a": 3, "b": 2 } }));
    assert_eq!(memory.published(), store.published());
    assert_eq!(store.published().len(), 2);
}

#[test]
fn in_the_store_the_counts_outlast_a_reload_and_in_memory_they_do_not() {
    for durable in [false, true] {
        let config = json!({ "durable_counts": durable });
        let mut host = host(config.clone());
        send(&mut host, "a", 5);
        host.reload(config).unwrap();
        send(&mut host, "a", 1);
        assert_eq!(ask(&mut host)["total"], if durable { 6 } else { 1 });
    }
}

#[test]
fn in_the_store_an_event_counts_if_and_only_if_it_is_acked() {
    let mut host = host(json!({ "every_events": 2, "durable_counts": true }));
    send(&mut host, "a", 1);
    host.grant_publish(&[]);
    assert!(!host.send(event("a")).unwrap_err().is_retry());
    assert_eq!(ask(&mut host), json!({ "total": 1, "other": 0, "topics": { "a": 1 } }));
    host.limit_state_bytes(1);
    assert!(host.send(event("new")).unwrap_err().is_retry());
    assert_eq!(ask(&mut host)["total"], 1);
}

#[test]
fn the_longest_topics_fit_into_the_store() {
    let mut host = host(json!({ "topics_max": TOPICS_MAX, "every_events": 0, "durable_counts": true }));
    for number in 0..20 {
        send(&mut host, &format!("{number:0>255}"), 1);
    }
    assert_eq!(ask(&mut host)["topics"].as_object().unwrap().len(), 20);
}

#[test]
fn filters_and_topic_come_from_the_config() {
    let config = json!({ "filters": ["hook.>"], "topic": "stats.hooks", "every_events": 0 });
    let mut host = Host::<CountTopics>::new(config).unwrap();
    assert_eq!(host.filters(), ["hook.>", "stats.hooks.get"]);
    send(&mut host, "hook.stop", 500);
    assert!(host.published().is_empty());
    assert!(host.send(event("stats.hooks.get")).unwrap().is_some());
}

#[test]
fn a_wrong_config_is_refused_with_the_key() {
    let table = [
        (json!({ "every": 3 }), "config: unknown key `every`, expected one of"),
        (
            json!({ "every_events": "often" }),
            r#"config: key `every_events`: invalid type: string "often", expected u64"#,
        ),
        (json!({ "topics_max": 0 }), "config: key `topics_max`: 0 is not in 1 to 2000"),
        (json!({ "topics_max": 2001 }), "config: key `topics_max`: 2001 is not in 1 to 2000"),
        (json!({ "topic": "a b" }), "config: key `topic`: `a b.get` has ' ' in token 1"),
        (json!({ "filters": ["a.>.b"] }), "filter `a.>.b` has '>' in token 2"),
    ];
    for (config, reason) in table {
        let refused = Host::<CountTopics>::new(config).unwrap_err();
        assert!(refused.reason().starts_with(reason), "{refused}");
    }
}
