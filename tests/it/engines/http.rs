//! HTTP from languages other than Rust: what a request holds of the host's it gives back, however it ends.

use serde_json::{Value, json};

use crate::support::host::{PLENTY_OF_TIME, TestHost};
use crate::support::server::{Reserved, Server, answer};
use crate::support::shipped;

/// More than an instance may have resources open: one that is not given back with each request would be a fault.
const TIMES: usize = 1100;

async fn start(fixture: &str, origins: &[String]) -> TestHost {
    let host = TestHost::start().await;
    let manifest = format!(
        "[grants]\nhttp = {origins:?}\n[limits]\n{PLENTY_OF_TIME}\nhttp_requests_max = 10000\nfuel_per_event = 100000000000\n"
    );
    host.run_fixture("asks", fixture, &manifest).await;
    host
}

async fn ask(host: &TestHost, what: Value) -> Value {
    serde_json::from_str(&host.ask("http.ask", what.to_string()).await).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_javascript_http_does_what_it_does_from_rust() {
    http_works("js", "js-http").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_python_http_does_what_it_does_from_rust() {
    http_works("python", "python-http").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_go_http_does_what_it_does_from_rust() {
    http_works("go", "go-http").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_client_of_gos_own_library_http_does_what_it_does_from_rust() {
    http_works("go", "go-nethttp").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_c_http_does_what_it_does_from_rust() {
    http_works("c", "c-http").await;
}

/// Runs a fixture, where the tools of its language are there.
async fn http_works(tools: &str, fixture: &str) {
    if shipped::is_there(tools) {
        requests_give_back_what_they_held_whether_they_are_answered_refused_or_denied(fixture).await;
        large_bodies_go_out_whole_and_come_in_as_far_as_they_are_wanted(fixture).await;
    }
}

async fn requests_give_back_what_they_held_whether_they_are_answered_refused_or_denied(fixture: &str) {
    let server = Server::start(|_, _| answer("200 OK\r\nContent-Type: a/b", "0123456789"));
    // Nobody listens there.
    let reserved = Reserved::new();
    let host = start(fixture, &[server.origin(), reserved.origin()]).await;
    let answered = json!([{ "status": 200, "kind": "a/b", "bytes": 10, "isCut": false }]);
    assert_eq!(ask(&host, json!({ "times": TIMES, "url": server.origin() })).await, answered);
    assert_eq!(server.requests().len(), TIMES);
    let refused = json!([{ "code": "connection" }]);
    assert_eq!(ask(&host, json!({ "times": TIMES, "url": reserved.origin() })).await, refused);
    let denied = json!([{ "code": "denied" }]);
    assert_eq!(ask(&host, json!({ "times": TIMES, "url": "http://127.0.0.1:1/" })).await, denied);
    let running = host.status("asks").unwrap().running.unwrap();
    assert_eq!((running.metrics.instances_created, host.stats("asks").faults), (1, 0));
    host.stop().await;
}

async fn large_bodies_go_out_whole_and_come_in_as_far_as_they_are_wanted(fixture: &str) {
    const SIZE: usize = 300_000;
    let server = Server::start(|_, request| answer("200 OK", &"b".repeat(request.body.len())));
    let host = start(fixture, &[server.origin()]).await;
    let what = |bytes_max: usize| json!({ "times": 1, "url": server.origin(), "method": "PUT", "size": SIZE, "responseBytesMax": bytes_max });
    for (bytes_max, bytes, is_cut) in
        [(SIZE, SIZE, false), (SIZE - 1, SIZE - 1, true), (0, 0, true), (10 * SIZE, SIZE, false)]
    {
        let answers = ask(&host, what(bytes_max)).await;
        assert_eq!(answers, json!([{ "status": 200, "bytes": bytes, "isCut": is_cut }]), "{bytes_max}");
    }
    assert!(
        server.requests().iter().all(|request| request.line.starts_with("PUT / ") && request.body == vec![b'a'; SIZE])
    );
    host.stop().await;
}

#[test]
fn a_plugin_that_sends_no_requests_does_not_import_http() {
    // With the slash: that is the name of an import, and not a text of the SDK that speaks of the package.
    let imports = |component: Vec<u8>| component.windows(10).any(|part| part == b"wasi:http/");
    for (tools, without, with) in
        [("go", "route-go", "go-http"), ("python", "summarize-python", "python-http"), ("c", "filter-c", "c-http")]
    {
        if shipped::is_there(tools) {
            assert!(!imports(shipped::component(without)), "{without}");
            assert!(imports(plugbus_fixtures::built::fixture_bytes(with)), "{with}");
        }
    }
}
