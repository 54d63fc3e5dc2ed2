//! `redact-js`, a plugin in JavaScript.

use plugbus::bus::{Event, Payload};
use serde_json::Value;

use crate::support::events::Recorder;
use crate::support::host::TestHost;
use crate::support::shipped;

const TOPIC: &str = "hook.pre-tool-use.bash";

async fn start() -> TestHost {
    let host = TestHost::start().await;
    let manifest = shipped::changed_manifest("redact-js", |table| {
        let limits = table["limits"].as_table_mut().unwrap();
        limits.extend([("deadline_ms".into(), 120_000.into()), ("deadline_init_ms".into(), 120_000.into())]);
    });
    host.put_plugin("redact-js", shipped::component("redact-js"), &manifest);
    host.until_running("redact-js").await;
    host
}

async fn publish(host: &TestHost, payload: Payload) {
    host.bus().publish(Event::draft(TOPIC).unwrap().payload(payload).extension("session", "5f0c")).await.unwrap();
}

/// The same sample as in the plugin's own tests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tools_input_goes_on_without_secrets_and_home_folders() {
    if !shipped::is_there("js") {
        return;
    }
    let host = start().await;
    let out = Recorder::on(host.bus(), "redacted.>");
    publish(&host, Payload::json(&shipped::sample("redact-js", "in")).unwrap()).await;
    host.until("the result is published", || out.count() == 1).await;
    let event = &out.all()[0];
    assert_eq!(event.topic.as_str(), "redacted.hook.pre-tool-use.bash");
    assert_eq!(event.payload.parse::<Value>().unwrap(), shipped::sample("redact-js", "expected"));
    assert_eq!((event.extension("session"), event.extension("redactions")), (Some("5f0c"), Some("11")));
    host.stop().await;
}

/// What takes the most fuel: a large text in which each rule has something to look at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_input_is_within_the_fuel_of_an_event_and_what_is_no_text_is_rejected() {
    if !shipped::is_there("js") {
        return;
    }
    let host = start().await;
    let out = Recorder::on(host.bus(), "redacted.>");
    let line = "TOKEN=abcdef0123456789 sk-x AKIA ghp_ xoxb- https://example.com/home/x /home/ada/notes eyJ Bearer \n";
    publish(&host, Payload::json(&serde_json::json!({ "text": line.repeat(1000) })).unwrap()).await;
    publish(&host, Payload::new("image/png", vec![0xff, 0xd8, 0])).await;
    host.until("both are settled", || host.stats("redact-js").acked + host.stats("redact-js").dead == 2).await;
    let stats = host.stats("redact-js");
    assert_eq!((stats.acked, stats.dead, stats.faults), (1, 1, 0), "{}", host.told.describe());
    let metrics = host.status("redact-js").unwrap().running.unwrap().metrics;
    println!("redact-js: {} bytes take {} fuel", line.len() * 1000, metrics.fuel_max);
    assert_eq!(out.all()[0].extension("redactions"), Some("2000"));
    assert_eq!(out.count(), 1);
    host.stop().await;
}
