//! Health, figures and metrics of a gateway over a bus alone.

use plugbus_bus::Event;
use serde_json::json;

use crate::support::{PATIENCE, Serving};

#[tokio::test]
async fn a_host_that_stops_is_alive_and_not_ready() {
    let serving = Serving::start().await;
    let answer = serving.send("GET /healthz", &[], "").await;
    assert_eq!((answer.status, &answer.body[..]), (200, &b"ok\n"[..]));
    let answer = serving.send("GET /readyz", &[], "").await;
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({ "ready": true, "checks": [{ "name": "bus", "ok": true }] }))
    );
    serving.bus.shutdown(PATIENCE).await;
    assert_eq!(serving.send("GET /healthz", &[], "").await.status, 200);
    let answer = serving.send("GET /readyz", &[], "").await;
    let check = json!({ "name": "bus", "ok": false, "detail": "the host is stopping" });
    assert_eq!((answer.status, answer.json()), (503, json!({ "ready": false, "checks": [check] })));
}

#[tokio::test]
async fn figures_are_there_as_json_and_as_metrics() {
    let serving = Serving::start().await;
    let _subscription = serving.bus.subscribe("a.>").name("odd:name").on(|_| async {}).unwrap();
    let _watcher = serving.bus.subscribe("a.>").name("watch/1").observe(|_| {}).unwrap();
    serving.bus.publish_and_wait(Event::draft("a.b").unwrap(), PATIENCE).await.unwrap();

    let stats = serving.send("GET /v1/stats", &[], "").await.json();
    assert_eq!((&stats["bus"]["accepted"], &stats["http"]["requests"]), (&json!(1), &json!(1)));
    assert_eq!(stats["subscriptions"].as_array().unwrap().len(), 2);

    let answer = serving.send("GET /metrics", &[], "").await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = String::from_utf8(answer.body).unwrap();
    for line in [
        "# TYPE plugbus_bus_accepted_total counter",
        "plugbus_bus_accepted_total 1",
        "plugbus_subscription_acked_total{subscription=\"odd:name\"} 1",
        "plugbus_subscription_waiting{subscription=\"odd:name\"} 0",
        "# TYPE plugbus_subscription_handler_seconds histogram",
        "plugbus_subscription_handler_seconds_count{subscription=\"odd:name\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    // Each watcher has a name of its own: their number has no bound over time.
    assert!(!text.contains("watch/1"), "{text}");
}

#[tokio::test]
async fn a_bus_alone_has_no_plugins_and_says_so() {
    let serving = Serving::start().await;
    for line in ["GET /v1/plugins", "GET /v1/plugins/a", "POST /v1/plugins/a/reload"] {
        let answer = serving.send(line, &[], "").await;
        assert_eq!((answer.status, answer.detail().contains("a bus alone")), (404, true), "{line}");
    }
    let answer = serving.send("PUT /v1/plugins/a", &[], "x").await;
    assert_eq!((answer.status, answer.detail().contains("`http.upload = true`")), (403, true), "{answer:?}");
}

#[tokio::test]
async fn a_trace_goes_from_the_request_into_the_event() {
    let serving = Serving::start().await;
    let mut seen = serving.bus.subscribe("a").stream().unwrap();
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    serving.send("POST /v1/topics/a", &[&format!("traceparent: {parent}"), "tracestate: x=1"], "").await;
    serving.send("POST /v1/topics/a", &["traceparent: nonsense"], "").await;
    let event = tokio::time::timeout(PATIENCE, seen.next()).await.unwrap().unwrap();
    assert_eq!((event.extension("traceparent"), event.extension("tracestate")), (Some(parent), Some("x=1")));
    let event = tokio::time::timeout(PATIENCE, seen.next()).await.unwrap().unwrap();
    assert_eq!(event.extensions, []);
}
