//! What the engine of one language does differently from where its plugins are tested natively.

mod http;
mod store;

use std::collections::BTreeSet;
use std::sync::Arc;

use plugbus::sandbox::LogLevel;
use serde_json::{Value, json};

use crate::support::host::{PLENTY_OF_TIME, Place, TestHost};
use crate::support::log::Lines;
use crate::support::shipped;

/// Starts a host with the fixture in QuickJS, a new instance for each event; none where it was skipped.
async fn javascript() -> Option<(TestHost, Arc<Lines>)> {
    if !shipped::is_there("js") {
        return None;
    }
    let lines = Arc::new(Lines::default());
    let host = Place::new().start_with(|_| {}, Some(lines.clone())).await;
    let manifest = format!("fresh = true\npublish = [\"out.>\"]\n[retry]\nattempts = 1\n[limits]\n{PLENTY_OF_TIME}");
    host.run_fixture("engine", "js-engine", &manifest).await;
    Some((host, lines))
}

async fn ask(host: &TestHost, topic: &str) -> Value {
    serde_json::from_str(&host.ask(topic, "ä").await).unwrap()
}

/// Kind and reason of the attempt that failed last.
async fn fails(host: &TestHost, topic: &str) -> (String, String) {
    host.settle(topic, "").await;
    let failed = host.told.json("plugbus.delivery.failed");
    let text = |key: &str| failed.last().unwrap()[key].as_str().unwrap().to_owned();
    (text("kind"), text("reason"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn javascript_has_what_programs_expect_and_says_what_it_has_not() {
    let Some((host, lines)) = javascript().await else { return };
    let encoded = json!({ "length": 38, "isSame": true, "lossy": "a\u{fffd}", "fatal": "TypeError", "own": true });
    assert_eq!(ask(&host, "encode").await, encoded);
    assert_eq!(ask(&host, "absent").await, json!([]));
    host.settle("console", "").await;
    let said: Vec<_> = lines.all().into_iter().map(|line| (line.level, line.message)).collect();
    assert_eq!(said[0], (LogLevel::Info, "a text, 1 {\"a\":[2]}".to_owned()));
    assert!(said[1].0 == LogLevel::Error && said[1].1.starts_with("TypeError: an error\n"), "{said:?}");
    host.stop().await;
}

/// A component is a snapshot: what was drawn while it was built is the same for ever, what is drawn later is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_instance_of_javascript_draws_its_own_random_numbers() {
    let Some((host, _)) = javascript().await else { return };
    let (mut at_build, mut later) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..10 {
        let drawn = ask(&host, "random").await;
        assert!((0.0..1.0).contains(&drawn[1].as_f64().unwrap()), "{drawn}");
        at_build.insert(drawn[0].to_string());
        later.insert(drawn[1].to_string());
    }
    assert_eq!((at_build.len(), later.len()), (1, 10));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_wrong_in_javascript_is_a_rejection_and_no_fault() {
    let Some((host, lines)) = javascript().await else { return };
    let reject = |reason: &str| ("reject".to_owned(), format!("reject: {reason}"));
    assert_eq!(fails(&host, "surrogate").await, reject("\u{fffd}"));
    assert!(lines.all().iter().any(|line| line.message == "\u{fffd}"));
    assert_eq!(fails(&host, "thrown").await, reject("thrown: {\"not\":\"an error\"}"));
    let promise = "TypeError: the handler returned a promise: handlers are synchronous, and so is all that they call";
    assert_eq!(fails(&host, "promise").await, reject(promise));
    let (kind, reason) = fails(&host, "circular").await;
    assert!(kind == "reject" && reason.starts_with("reject: TypeError: "), "{reason}");
    assert_eq!(host.stats("engine").faults, 0);
    // The host's own bound, which comes before the engine's.
    assert_eq!(fails(&host, "overflow").await.0, "stack");
    assert_eq!(ask(&host, "absent").await, json!([]));
    host.stop().await;
}
