//! `relay-webhook` against servers on this machine.

mod batches;

use serde_json::Value;
use toml::Table;

use crate::manage::send;
use crate::support::host::{Place, TestHost};
use crate::support::server::{Reserved, Server, answer};
use crate::support::shipped;

/// Loads it with the sample manifest, but for where it posts to.
pub(super) async fn load(host: &TestHost, origin: &str) {
    load_with(host, origin, |_| {}).await;
}

/// The same with further changes.
async fn load_with(host: &TestHost, origin: &str, change: impl FnOnce(&mut Table)) {
    let manifest = shipped::changed_manifest("relay-webhook", |table| {
        change(table);
        table["config"].as_table_mut().unwrap().insert("url".into(), format!("{origin}/plugbus?key=1").into());
        table["grants"].as_table_mut().unwrap().insert("http".into(), vec![origin.to_owned()].into());
    });
    host.put_plugin("relay-webhook", shipped::component("relay-webhook"), &manifest);
    host.until_running("relay-webhook").await;
}

/// Kind, reason and next step of every failed attempt.
fn failed(host: &TestHost) -> Vec<(String, String, Value)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let reports = host.told.json("plugbus.delivery.failed");
    reports.iter().map(|r| (text(&r["kind"]), text(&r["reason"]), r["next"].clone())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_match_are_posted_as_cloudevents_in_order() {
    let server = Server::start(|_, _| answer("204 No Content", ""));
    let host = TestHost::start().await;
    load(&host, &server.origin()).await;
    for number in 0..20 {
        host.publish("hook.x", number.to_string()).await;
        host.publish("other", "not for the webhook").await;
    }
    host.until("every event is posted", || host.stats("relay-webhook").acked == 20).await;
    let requests = server.requests();
    assert_eq!(requests.len(), 20);
    for (number, request) in requests.iter().enumerate() {
        assert_eq!(request.line, "POST /plugbus?key=1 HTTP/1.1");
        assert_eq!(request.header("content-type"), Some("application/cloudevents+json"));
        let event: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!((&event["type"], &event["data"]), (&"hook.x".into(), &number.to_string().into()));
    }
    assert_eq!(failed(&host), []);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_goes_from_a_request_through_a_plugin_to_the_webhook() {
    let server = Server::start(|_, _| answer("204 No Content", ""));
    let change = |config: &mut plugbus::config::Config| {
        config.http.enabled = true;
        config.http.listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    };
    let host = Place::new().start_with(change, None).await;
    host.put_plugin("normalize-hooks", shipped::component("normalize-hooks"), &shipped::manifest("normalize-hooks"));
    host.until_running("normalize-hooks").await;
    load(&host, &server.origin()).await;
    let parent = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers = [parent, "tracestate: x=1", "content-type: application/json"];
    let hook = shipped::hooks().remove(0);
    let addr = host.host.http_addr().unwrap();
    assert_eq!(send(addr, "POST /v1/topics/hook.raw", &headers, hook.as_bytes()).await.0, 202);
    // The event itself, and what the plugin made of it.
    host.until("both are posted", || host.stats("relay-webhook").acked == 2).await;
    for request in server.requests() {
        let found = (request.header("traceparent"), request.header("tracestate"));
        assert_eq!(found, (parent.strip_prefix("traceparent: "), Some("x=1")), "{}", request.line);
    }
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_in_trouble_is_tried_again_with_the_same_event() {
    let server = Server::start(|number, _| match number {
        0 => answer("500 Internal Server Error", "not now"),
        1 => answer("503 Service Unavailable", ""),
        _ => answer("200 OK", "thanks"),
    });
    let host = TestHost::start().await;
    load(&host, &server.origin()).await;
    host.settle("hook.x", "text").await;
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|request| request.body == requests[0].body));
    let failed = failed(&host);
    let said: Vec<_> = failed.iter().map(|(kind, reason, _)| (kind.as_str(), reason.as_str())).collect();
    assert_eq!(said, [("retry", "retry: webhook answered 500: not now"), ("retry", "retry: webhook answered 503")]);
    let stats = host.stats("relay-webhook");
    assert_eq!((stats.acked, stats.attempts, stats.faults, stats.dead), (1, 3, 0, 0));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_refuses_the_event_is_not_asked_again() {
    let server = Server::start(|_, _| answer("404 Not Found", "no such hook"));
    let host = TestHost::start().await;
    load(&host, &server.origin()).await;
    host.settle("hook.x", "text").await;
    assert_eq!(server.requests().len(), 1);
    let reason = "reject: webhook answered 404: no such hook".to_owned();
    assert_eq!(failed(&host), [("reject".to_owned(), reason, "dead".into())]);
    let letter = host.told.until_json("plugbus.delivery.dead", |_| true).await;
    assert_eq!(letter["reason"], "rejected: webhook answered 404: no such hook");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_yet_gets_the_event_when_it_is() {
    let reserved = Reserved::new();
    let host = TestHost::start().await;
    // Tried for as long as the test may take to start the server.
    let patient = Table::from_iter([("attempts".to_owned(), 100.into()), ("backoff_max_ms".to_owned(), 100.into())]);
    load_with(&host, &reserved.origin(), |table| drop(table.insert("retry".into(), patient.into()))).await;
    host.publish("hook.x", "text").await;
    host.until("the connection has been refused", || !failed(&host).is_empty()).await;
    let server = reserved.serve(|_, _| answer("200 OK", ""));
    host.until("the event is posted", || host.stats("relay-webhook").acked == 1).await;
    assert_eq!(server.requests().len(), 1);
    let failed = failed(&host);
    assert!(failed.iter().all(|(kind, _, next)| kind == "retry" && *next != "dead"), "{failed:?}");
    assert!(failed.iter().all(|(_, reason, _)| reason.contains("refused")), "{failed:?}");
    host.stop().await;
}

/// The vector that GitHub publishes, by a template that says nothing of the event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_signed_with_a_secret_that_the_host_exposes() {
    let server = Server::start(|_, _| answer("204 No Content", ""));
    let host = TestHost::start().await;
    let file = host.beside("key");
    std::fs::write(&file, "It's a Secret to Everybody").unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    load_with(&host, &server.origin(), |table| {
        let secret =
            Table::from_iter([("file".to_owned(), file.to_str().unwrap().into()), ("expose".to_owned(), true.into())]);
        table.insert("secrets".into(), Table::from_iter([("key".to_owned(), secret.into())]).into());
        let config = table["config"].as_table_mut().unwrap();
        config.insert("sign".into(), toml::toml! { scheme = "github"  secrets = "${secret:key}" }.into());
        config.insert("template".into(), toml::toml! { body = "Hello, World!"  content_type = "text/plain" }.into());
    })
    .await;
    host.settle("hook.x", "text").await;
    let request = server.requests().remove(0);
    assert_eq!((request.body.as_slice(), request.header("content-type")), (&b"Hello, World!"[..], Some("text/plain")));
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    assert_eq!(request.header("x-hub-signature-256"), Some(signature));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_it_is_shipped_it_loads_and_reaches_nothing_but_the_example() {
    let host = TestHost::start().await;
    host.put_plugin("relay-webhook", shipped::component("relay-webhook"), &shipped::manifest("relay-webhook"));
    host.until_running("relay-webhook").await;
    let running = host.status("relay-webhook").unwrap().running.unwrap();
    let granted: Vec<String> = running.grants.http.iter().map(ToString::to_string).collect();
    assert_eq!(granted, ["https://hooks.example.com"]);
    host.stop().await;
}

/// More than an instance may have resources open: each request gives back what it took.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_sends_more_requests_than_it_may_have_resources() {
    const EVENTS: usize = 1100;
    let server = Server::start(|_, _| answer("204 No Content", ""));
    let host = TestHost::start().await;
    load(&host, &server.origin()).await;
    for number in 0..EVENTS {
        host.settle("hook.x", number.to_string()).await;
    }
    assert_eq!((server.requests().len(), failed(&host)), (EVENTS, vec![]));
    let running = host.status("relay-webhook").unwrap().running.unwrap();
    assert_eq!(running.metrics.instances_created, 1);
    host.stop().await;
}
