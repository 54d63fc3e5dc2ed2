//! `count-topics`, which keeps a state.

use serde_json::{Value, json};

use crate::support::events::Recorder;
use crate::support::host::{Place, TestHost};
use crate::support::shipped;

/// Loads it as it is shipped.
pub(super) async fn load(host: &TestHost) {
    host.put_plugin("count-topics", shipped::component("count-topics"), &shipped::manifest("count-topics"));
    host.until_running("count-topics").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_summary_comes_every_hundred_events_and_a_request_is_answered_with_the_counts() {
    let host = TestHost::start().await;
    load(&host).await;
    let out = Recorder::on(host.bus(), "stats.topics");
    for number in 0..250 {
        host.publish(if number % 5 == 0 { "a.five" } else { "b" }, "").await;
    }
    host.until("two summaries", || out.count() == 2).await;
    let reply: Value = serde_json::from_str(&host.ask("stats.topics.get", "").await).unwrap();
    assert_eq!(reply, json!({ "total": 250, "other": 0, "topics": { "a.five": 50, "b": 200 } }));
    let summaries = out.json("stats.topics");
    assert_eq!(summaries[0], json!({ "total": 100, "other": 0, "topics": { "a.five": 20, "b": 80 } }));
    assert_eq!(summaries[1], json!({ "total": 200, "other": 0, "topics": { "a.five": 40, "b": 160 } }));
    assert_eq!(host.stats("count-topics").dead, 0);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn durable_counts_outlast_a_reload_and_a_restart_and_are_exact_with_several_instances() {
    let host = Place::new().start_durable().await;
    let manifest = |every: i64| {
        shipped::changed_manifest("count-topics", |table| {
            table.insert("instances".into(), 3.into());
            table["config"]
                .as_table_mut()
                .unwrap()
                .extend([("durable_counts".into(), true.into()), ("every_events".into(), every.into())]);
        })
    };
    host.put_plugin("count-topics", shipped::component("count-topics"), &manifest(0));
    host.until_running("count-topics").await;
    let send = async |host: &TestHost, count: usize| {
        for number in 0..count {
            host.publish(if number % 5 == 0 { "a.five" } else { "b" }, "").await;
        }
        host.until_idle("count-topics").await;
    };
    send(&host, 100).await;
    host.put_manifest("count-topics", &manifest(1000));
    host.loader().reload("count-topics").await.unwrap();
    // The scan may have seen the manifest first: then it is loaded once more.
    assert!(host.generation("count-topics") > Some(1));
    send(&host, 50).await;

    let host = host.stop_and_leave().await.start_durable().await;
    host.until_running("count-topics").await;
    send(&host, 50).await;
    let reply: Value = serde_json::from_str(&host.ask("stats.topics.get", "").await).unwrap();
    assert_eq!(reply, json!({ "total": 200, "other": 0, "topics": { "a.five": 40, "b": 160 } }));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_grant_to_publish_a_summary_is_refused_and_the_line_that_grants_it_is_named() {
    let host = TestHost::start().await;
    let manifest = shipped::changed_manifest("count-topics", |table| drop(table.remove("publish")));
    host.put_plugin("count-topics", shipped::component("count-topics"), &manifest);
    host.until_running("count-topics").await;
    for _ in 0..100 {
        host.publish("a", "").await;
    }
    let letter = host.told.until_json("plugbus.delivery.dead", |_| true).await;
    assert_eq!(letter["kind"], "rejected");
    let reason = letter["reason"].as_str().unwrap();
    assert!(reason.contains("add `publish = [\"stats.topics\"]`"), "{reason}");
    assert_eq!(host.stats("count-topics").acked, 99);
    host.stop().await;
}
