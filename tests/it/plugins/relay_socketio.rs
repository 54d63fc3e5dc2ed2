//! `relay-socketio` against the gateway's own Socket.IO, which listens for `publish` and acknowledges. Servers of others are in
//! `tests/clients/js/relay-socketio.test.mjs`.

use plugbus::bus::{DeadFilter, Event};
use serde_json::json;

use crate::support::events::Recorder;
use crate::support::host::{Place, TestHost};
use crate::support::shipped;

/// A host whose gateway is the server, and the plugin, which emits the data of each event as `publish`.
async fn start(more: &str) -> TestHost {
    let change = |config: &mut plugbus::config::Config| {
        config.http.enabled = true;
        config.http.listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    };
    let host = Place::new().start_with(change, None).await;
    let origin = format!("http://{}", host.host.http_addr().unwrap());
    let manifest = shipped::changed_manifest("relay-socketio", |table| {
        table.insert("filters".into(), vec!["bridge.>"].into());
        let config: toml::Table =
            format!("url = \"{origin}\"\nformat = \"data\"\nevent = \"publish\"\n{more}").parse().unwrap();
        table.insert("config".into(), config.into());
        table["grants"].as_table_mut().unwrap().insert("http".into(), vec![origin].into());
    });
    host.put_plugin("relay-socketio", shipped::component("relay-socketio"), &manifest);
    host.until_running("relay-socketio").await;
    host
}

async fn publish(host: &TestHost, data: &serde_json::Value) {
    host.bus().publish(Event::draft("bridge.x").unwrap().json(data).unwrap()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_reach_the_server_in_order_and_count_when_it_has_acknowledged() {
    let host = start("").await;
    let came = Recorder::on(host.bus(), "came.over");
    for number in 0..20 {
        publish(&host, &json!({ "topic": "came.over", "data": { "n": number } })).await;
    }
    host.until("all are acknowledged", || host.stats("relay-socketio").acked == 20).await;
    let numbers: Vec<_> = came.json("came.over").iter().map(|data| data["n"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..20).collect::<Vec<_>>());
    assert_eq!(host.stats("relay-socketio").attempts, 20);
    drop(came);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledgement_that_says_no_rejects_the_event_with_its_words() {
    let host = start("").await;
    publish(&host, &json!({ "topic": "plugbus.not.yours", "data": 1 })).await;
    host.until("it is given up", || host.stats("relay-socketio").dead == 1).await;
    let letter = &host.bus().dead_letters().list(&DeadFilter::default())[0];
    let reason = letter.reason.to_string();
    assert!(reason.contains("the server's listener says no") && reason.contains("plugbus.not.yours"), "{reason}");
    assert_eq!(host.stats("relay-socketio").attempts, 1);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_where_no_server_is_rejects_and_says_so() {
    let host = start("path = \"/healthz\"").await;
    publish(&host, &json!({ "topic": "came.over", "data": 1 })).await;
    let failed = host.told.until_json("plugbus.delivery.failed", |_| true).await;
    assert_eq!(failed["kind"], "reject");
    assert!(failed["reason"].as_str().unwrap().contains("is no packet of Engine.IO 4"), "{failed}");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_it_is_shipped_it_loads() {
    let host = TestHost::start().await;
    host.put_plugin("relay-socketio", shipped::component("relay-socketio"), &shipped::manifest("relay-socketio"));
    host.until_running("relay-socketio").await;
    host.stop().await;
}
