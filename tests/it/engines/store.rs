//! The store from languages whose SDKs have their own side of `wasi:keyvalue`.

use serde_json::{Value, json};

use crate::support::host::{PLENTY_OF_TIME, Place, TestHost};
use crate::support::shipped;

/// More than an instance may have resources open, and more keys than the host lists at one time.
const TIMES: usize = 1100;

async fn start(fixture: &str) -> TestHost {
    let host = Place::new().start_durable().await;
    let manifest = format!(
        "[grants]\nkv = true\n[limits]\n{PLENTY_OF_TIME}\nfuel_per_event = 100000000000\n[retry]\nattempts = 2\nbackoff_min_ms = 1\n"
    );
    host.run_fixture("stores", fixture, &manifest).await;
    host
}

async fn ask(host: &TestHost, what: Value) -> Value {
    let reply = host.ask("store.ask", what.to_string()).await;
    serde_json::from_str(&reply).unwrap_or(Value::String(reply))
}

/// The reason for which an event was given up.
async fn refused(host: &TestHost, what: Value) -> String {
    let settled = host.settle("store.ask", what.to_string()).await;
    format!("{settled:?}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_go_the_store_does_what_it_does_from_rust() {
    if shipped::is_there("go") {
        the_store_works("go-store").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_c_the_store_does_what_it_does_from_rust() {
    if shipped::is_there("c") {
        the_store_works("c-store").await;
    }
}

async fn the_store_works(fixture: &str) {
    let host = start(fixture).await;
    assert_eq!(ask(&host, json!({ "do": "get", "key": "k" })).await, json!({ "found": false, "value": "" }));
    assert_eq!(ask(&host, json!({ "do": "set", "key": "k", "value": "é" })).await, "set");
    assert_eq!(ask(&host, json!({ "do": "get", "key": "k" })).await, json!({ "found": true, "value": "é" }));
    assert_eq!(ask(&host, json!({ "do": "set", "key": "empty", "value": "" })).await, "set");
    assert_eq!(ask(&host, json!({ "do": "get", "key": "empty" })).await, json!({ "found": true, "value": "" }));
    assert_eq!(ask(&host, json!({ "do": "get", "bucket": "other", "key": "k" })).await["found"], false);
    assert_eq!(ask(&host, json!({ "do": "keys" })).await, json!(["empty", "k"]));
    assert_eq!(ask(&host, json!({ "do": "delete", "key": "k" })).await, "deleted");
    assert_eq!(ask(&host, json!({ "do": "increment", "key": "n", "times": TIMES })).await, TIMES);
    assert_eq!(ask(&host, json!({ "do": "fill", "bucket": "many", "key": "k", "times": TIMES })).await, "filled");
    let keys = ask(&host, json!({ "do": "keys", "bucket": "many" })).await;
    assert_eq!((keys.as_array().unwrap().len(), &keys[TIMES - 1]), (TIMES, &json!(format!("k{:05}", TIMES - 1))));

    let text = refused(&host, json!({ "do": "increment", "key": "n", "times": 1, "fail": true })).await;
    assert!(text.contains("as it was asked to"), "{text}");
    assert_eq!(ask(&host, json!({ "do": "get", "key": "n" })).await["value"], TIMES.to_string(), "not committed");
    let text = refused(&host, json!({ "do": "set", "key": "k".repeat(300), "value": "" })).await;
    assert!(text.contains("Exhausted") && text.contains("kv_key_bytes"), "{text}");
    let text = refused(&host, json!({ "do": "increment", "key": "empty", "times": 1 })).await;
    assert!(text.contains("empty") && text.contains("number"), "{text}");
    let text = refused(&host, json!({ "do": "get", "bucket": "b".repeat(65), "key": "k" })).await;
    assert!(text.contains("Rejected") && text.contains("no such bucket"), "{text}");

    let host = host.stop_and_leave().await.start_durable().await;
    host.until_running("stores").await;
    assert_eq!(ask(&host, json!({ "do": "increment", "key": "n", "times": 1 })).await, TIMES + 1, "over a restart");
    assert_eq!(
        (host.stats("stores").faults, host.status("stores").unwrap().running.unwrap().metrics.instances_created),
        (0, 1)
    );
    host.stop().await;
}

#[test]
fn a_plugin_that_does_not_use_the_store_does_not_import_it() {
    let imports = |component: Vec<u8>| component.windows(13).any(|part| part == b"wasi:keyvalue");
    for (tools, without, with) in [("go", "route-go", "go-store"), ("c", "filter-c", "c-store")] {
        if shipped::is_there(tools) {
            assert!(!imports(shipped::component(without)), "{without}");
            assert!(imports(plugbus_fixtures::built::fixture_bytes(with)), "{with}");
        }
    }
}
