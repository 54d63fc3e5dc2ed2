//! Outgoing HTTP: exactly the granted origins, whatever a server answers.

use std::sync::Arc;

use crate::support::host::{Place, TestHost};
use crate::support::log::Lines;
use crate::support::server::{Server, answer, redirect};

/// A plugin that gets what it is asked to get and follows three redirects, with a grant for these origins.
fn manifest(origins: &[&str]) -> String {
    format!("filters = [\"get\"]\n[grants]\nhttp = {origins:?}\n[config]\nredirects = 3")
}

async fn start(origins: &[&str]) -> (TestHost, Arc<Lines>) {
    let lines = Arc::new(Lines::default());
    let host = Place::new().start_with(|_| {}, Some(lines.clone())).await;
    host.run_fixture("getter", "http-get", &manifest(origins)).await;
    (host, lines)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_grant_the_imports_are_named_at_load() {
    let host = TestHost::start().await;
    host.put_fixture("getter", "http-get", "");
    let report = host.until_rejected("getter").await;
    assert_eq!(report["kind"], "link");
    let cause = report["cause"].as_str().unwrap();
    for import in ["`wasi:http/outgoing-handler@0.2.", "`wasi:http/types@0.2."] {
        assert!(cause.contains(import), "{cause}");
    }
    assert!(cause.contains("(add `http = [\"https://host\"]` under `[grants]`)"), "{cause}");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_granted_origin_is_reached() {
    let server = Server::start(|_, _| answer("204 No Content", ""));
    let (host, _) = start(&[&server.origin()]).await;
    assert_eq!(host.ask("get", format!("{}/path?query=1", server.origin())).await, "204");
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].line, "GET /path?query=1 HTTP/1.1");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_to_another_granted_origin_is_followed() {
    let last = Server::start(|_, _| answer("200 OK", "here"));
    let to = format!("{}/there", last.origin());
    let first = Server::start(move |_, _| redirect(&to));
    let (host, _) = start(&[&first.origin(), &last.origin()]).await;
    assert_eq!(host.ask("get", first.origin()).await, "200");
    assert_eq!((first.requests().len(), last.requests().len()), (1, 1));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_out_of_the_grant_is_refused_and_the_server_there_sees_nothing() {
    let secret = Server::start(|_, _| answer("200 OK", "secret"));
    let to = secret.origin();
    let first = Server::start(move |_, _| redirect(&to));
    let (host, lines) = start(&[&first.origin()]).await;
    let reply = host.ask("get", first.origin()).await;
    assert!(reply.starts_with("error: ") && reply.contains("HttpRequestDenied"), "{reply}");
    assert_eq!((first.requests().len(), secret.requests().len()), (1, 0));
    let said = lines.of_host().join("\n");
    let expected = format!("HTTP request refused: origin `{}` is not granted; add it to `http`", secret.origin());
    assert!(said.contains(&expected), "{said}");
    let metrics = host.status("getter").unwrap().running.unwrap().metrics;
    assert_eq!((metrics.http_requests, metrics.http_denied), (1, 1));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_port_name_or_scheme_than_the_granted_is_refused() {
    let granted = Server::start(|_, _| answer("200 OK", ""));
    let other = Server::start(|_, _| answer("200 OK", ""));
    let (host, _) = start(&[&granted.origin()]).await;
    let port = granted.port();
    let denied = [
        other.origin(),
        format!("http://localhost:{port}/"),
        format!("https://127.0.0.1:{port}/"),
        "http://[::1]/".into(),
    ];
    for url in denied {
        let reply = host.ask("get", url.as_str()).await;
        assert!(reply.contains("HttpRequestDenied"), "{url}: {reply}");
    }
    assert_eq!((granted.requests().len(), other.requests().len()), (0, 0));
    assert_eq!(host.ask("get", granted.origin()).await, "200");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn localhost_is_reached_where_it_is_named() {
    let server = Server::start(|_, _| answer("200 OK", ""));
    let origin = format!("http://localhost:{}", server.port());
    let (host, _) = start(&[&origin]).await;
    assert_eq!(host.ask("get", origin).await, "200");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_never_answers_costs_the_call_its_deadline_and_no_more() {
    // Bound and listening, but nobody accepts: the connection is made and then silent.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let host = TestHost::start().await;
    let limits = "\n[limits]\ndeadline_ms = 300\n[retry]\nattempts = 1";
    host.run_fixture("getter", "http-get", &(manifest(&[&origin]) + limits)).await;
    host.run_fixture("echo", "echo", "filters = [\"echo\"]").await;
    let settled = host.settle("get", origin).await;
    // Either the gate's own time-out was first, and the guest replied with it, or the deadline of the whole call.
    assert_eq!(settled.len(), 1, "{settled:?}");
    assert_eq!(host.ask("echo", "still here").await, "still here");
    host.stop().await;
}
