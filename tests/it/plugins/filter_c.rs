//! `filter-c`, a plugin in C, with the rules of its sample manifest.

use plugbus::bus::{Event, Payload};
use serde_json::json;

use crate::support::events::Recorder;
use crate::support::host::TestHost;
use crate::support::shipped;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_rule_matches_goes_on_and_the_rest_does_not() {
    if !shipped::is_there("c") {
        return;
    }
    let host = TestHost::start().await;
    host.put_plugin("filter-c", shipped::component("filter-c"), &shipped::manifest("filter-c"));
    host.until_running("filter-c").await;
    let out = Recorder::on(host.bus(), "alert.>");
    let command = |text: &str| json!({ "data": { "tool_input": { "command": text } } });
    let events = [
        ("hook.pre-tool-use.bash", command("sudo rm -rf /")),
        ("hook.pre-tool-use.bash", command("ls")),
        ("hook.pre-tool-use.read", command("rm -rf /")),
        ("hook.post-tool-use.bash", json!({ "data": { "duration_ms": 60_001 } })),
        ("hook.post-tool-use.bash", json!({ "data": { "duration_ms": 60_000 } })),
    ];
    for (topic, data) in &events {
        host.bus().publish(Event::draft(topic).unwrap().payload(Payload::json(data).unwrap())).await.unwrap();
    }
    host.publish("hook.pre-tool-use.bash", "no JSON").await;
    host.until("all are handled", || host.stats("filter-c").acked == events.len() as u64 + 1).await;

    let seen: Vec<_> =
        out.all().iter().map(|event| (event.topic.to_string(), event.extension("rule").map(str::to_owned))).collect();
    let expected = [("alert.command", "dangerous-command"), ("alert.slow", "slow-tool")];
    assert_eq!(seen, expected.map(|(topic, rule)| (topic.to_owned(), Some(rule.to_owned()))));
    assert_eq!(out.json("alert.command")[0], events[0].1);
    host.stop().await;
}
