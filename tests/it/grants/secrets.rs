//! Secrets: the plugin has a placeholder, the granted origin the value, and nobody else either.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use plugbus::loader::Reload;
use serde_json::{Value, json};

use crate::support::host::{Place, TestHost};
use crate::support::log::Lines;
use crate::support::server::{Server, answer};

const VALUE: &str = "T0/B1?hunter2&x";
const IN_PATH: &str = "T0/B1%3Fhunter2%26x";
const IN_QUERY: &str = "T0%2FB1%3Fhunter2%26x";

/// A place with the value in a file beside the plugins.
fn place() -> Place {
    let place = Place::new();
    write_secret(&place.beside("secret"), VALUE, 0o600);
    place
}

fn write_secret(path: &std::path::Path, value: &str, mode: u32) {
    fs::write(path, format!("{value}\n")).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Grants the origins, and the secret these of them.
fn manifest(granted: &[&str], for_secret: &[&str]) -> String {
    format!(
        "filters = [\"send\"]\n[grants]\nhttp = {granted:?}\nenv = {{ TOKEN = \"var ${{secret:token}}\" }}\n\
         [secrets.token]\nfile = \"../secret\"\norigins = {for_secret:?}\n[config]\ntoken = \"${{secret:token}}\""
    )
}

async fn start(granted: &[&str], for_secret: &[&str]) -> (TestHost, Arc<Lines>) {
    let lines = Arc::new(Lines::default());
    let host = place().start_with(|_| {}, Some(lines.clone())).await;
    host.run_fixture("sender", "http-secret", &manifest(granted, for_secret)).await;
    (host, lines)
}

async fn send(host: &TestHost, order: Value) -> Value {
    serde_json::from_str(&host.ask("send", order.to_string()).await).unwrap()
}

/// Why a reload is refused.
async fn refusal(host: &TestHost) -> String {
    match host.loader().reload("sender").await.unwrap() {
        Reload::KeptOld { cause, .. } | Reload::Rejected { cause } => cause,
        loaded => panic!("{loaded:?}"),
    }
}

/// A server that sends path, query and header back in its headers, and the header in its body.
fn echo() -> Server {
    Server::start(|_, request| {
        let path = request.line.split(' ').nth(1).unwrap().to_owned();
        let header = request.header("authorization").unwrap_or_default().to_owned();
        format!(
            "HTTP/1.1 302 Found\r\nlocation: {path}\r\nx-echo: <{header}>\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{header}",
            header.len()
        )
    })
}

/// Everything that an operator can see of a plugin and of what the host said.
fn everything_shown(host: &TestHost, lines: &Lines) -> String {
    let status = host.status("sender").unwrap();
    format!("{} {status:?} {:?} {}", serde_json::to_string(&status).unwrap(), lines.all(), host.told.describe())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_value_goes_to_its_origin_and_the_plugin_sees_a_placeholder_and_gets_one_back() {
    let server = echo();
    let origin = server.origin();
    let (host, lines) = start(&[&origin], &[&origin]).await;
    let order = json!({
        "url": format!("{origin}/a/$token/b?t=$token"), "header": "Bearer $token", "body": "body $token",
    });
    let told = send(&host, order).await;
    let placeholder = told["token"].as_str().unwrap().to_owned();
    assert!(placeholder.starts_with("plugbus-secret-token-"), "{told}");
    assert_eq!(told["variable"], json!(format!("var {placeholder}")));

    let request = server.requests().remove(0);
    assert_eq!(request.line, format!("POST /a/{IN_PATH}/b?t={IN_QUERY} HTTP/1.1"));
    assert_eq!(request.header("authorization"), Some(&*format!("Bearer {VALUE}")));
    // Bodies go as they are, both ways.
    assert_eq!(request.body, format!("body {placeholder}").into_bytes());
    assert_eq!((&told["status"], &told["body"]), (&json!(302), &json!(format!("Bearer {VALUE}"))));
    assert_eq!(told["headers"]["location"], json!(format!("/a/{placeholder}/b?t={placeholder}")));
    assert_eq!(told["headers"]["x-echo"], json!(format!("<Bearer {placeholder}>")));
    // Where the value is, and not what it is.
    let shown = everything_shown(&host, &lines);
    assert!(shown.contains("/secret") && !shown.contains("hunter2"), "{shown}");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_granted_origin_gets_nothing_and_the_refusal_is_counted_and_named() {
    let (here, there) = (echo(), echo());
    let (host, lines) = start(&[&here.origin(), &there.origin()], &[&here.origin()]).await;
    let url = format!("{}/x", there.origin());
    for order in [
        json!({ "url": format!("{url}/$token") }),
        json!({ "url": format!("{url}?$token") }),
        json!({ "url": url, "header": "Bearer $token" }),
    ] {
        let told = send(&host, order).await;
        assert!(told["error"].as_str().unwrap().contains("HttpRequestDenied"), "{told}");
    }
    assert_eq!((here.requests().len(), there.requests().len()), (0, 0));
    let running = host.status("sender").unwrap().running.unwrap();
    assert_eq!((running.metrics.secrets_denied, running.metrics.http_denied), (3, 3));
    let [denial] = &running.denials[..] else { panic!("{:?}", running.denials) };
    let why = format!(
        "secret `token` in a request to `{}`, which may not have it; add it to `origins` under `[secrets.token]`",
        there.origin()
    );
    assert_eq!((denial.what, denial.why.as_str(), denial.count), ("secret", why.as_str(), 3));
    assert!(lines.of_host().iter().any(|line| line.contains(&why)), "{:?}", lines.of_host());
    // Without the placeholder it is reached; a body tells nothing but the placeholder.
    let told = send(&host, json!({ "url": url, "body": "$token" })).await;
    assert_eq!(told["status"], json!(302));
    assert_eq!(there.requests()[0].body, told["token"].as_str().unwrap().as_bytes());
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_to_another_origin_does_not_take_the_value_along() {
    let there = echo();
    let to = format!("{}/steal", there.origin());
    let here = Server::start(move |_, request| {
        let path = request.line.split(' ').nth(1).unwrap().to_owned();
        format!("HTTP/1.1 302 Found\r\nlocation: {to}{path}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    });
    let (host, _) = start(&[&here.origin(), &there.origin()], &[&here.origin()]).await;
    let told = send(&host, json!({ "url": format!("{}/$token", here.origin()) })).await;
    let location = told["headers"]["location"].as_str().unwrap();
    assert_eq!(location, format!("{}/steal/{}", there.origin(), told["token"].as_str().unwrap()));
    let told = send(&host, json!({ "url": location })).await;
    assert!(told["error"].as_str().unwrap().contains("HttpRequestDenied"), "{told}");
    assert_eq!(there.requests().len(), 0);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_cannot_be_had_refuses_the_plugin_and_says_how_to_mend_it() {
    let host = TestHost::start().await;
    let server = Server::start(|_, _| answer("200 OK", ""));
    let manifest = manifest(&[&server.origin()], &[&server.origin()]);
    host.put_fixture("sender", "http-secret", &manifest);
    let report = host.until_rejected("sender").await;
    let cause = report["cause"].as_str().unwrap();
    for part in ["secret `token`: the file ", "/secret cannot be read", "write the value into it"] {
        assert!(cause.contains(part), "{cause}");
    }
    assert_eq!(report["kind"], "link");
    write_secret(&host.beside("secret"), VALUE, 0o644);
    let cause = refusal(&host).await;
    assert!(cause.contains("has mode 644") && !cause.contains("hunter2"), "{cause}");
    write_secret(&host.beside("secret"), "hunter2", 0o600);
    let cause = refusal(&host).await;
    assert!(cause.contains("of 7 characters") && !cause.contains("hunter2"), "{cause}");
    write_secret(&host.beside("secret"), VALUE, 0o600);
    host.loader().reload("sender").await.unwrap();
    assert_eq!(send(&host, json!({ "url": format!("{}/", server.origin()) })).await["status"], json!(200));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_reads_the_value_anew_and_keeps_the_old_one_where_there_is_none() {
    let server = echo();
    let origin = server.origin();
    let (host, _) = start(&[&origin], &[&origin]).await;
    let order = json!({ "url": format!("{origin}/"), "header": "$token" });
    let first = send(&host, order.clone()).await;
    write_secret(&host.beside("secret"), "another value", 0o600);
    // Nothing looks at the file until somebody asks for it.
    send(&host, order.clone()).await;
    let generation = host.generation("sender").unwrap();
    host.loader().reload("sender").await.unwrap();
    assert_eq!(host.generation("sender"), Some(generation + 1));
    let third = send(&host, order.clone()).await;
    assert_eq!(first["token"], third["token"], "the placeholder is the same");
    fs::remove_file(host.beside("secret")).unwrap();
    let cause = refusal(&host).await;
    assert!(cause.contains("cannot be read"), "{cause}");
    send(&host, order).await;
    let seen: Vec<_> = server.requests().iter().map(|r| r.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(seen, [VALUE, VALUE, "another value", "another value"]);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exposed_secret_is_given_to_the_plugin_and_still_not_shown() {
    let server = echo();
    let origin = server.origin();
    let lines = Arc::new(Lines::default());
    let host = place().start_with(|_| {}, Some(lines.clone())).await;
    let manifest = manifest(&[&origin], &[]).replace("origins = []", "expose = true");
    host.run_fixture("sender", "http-secret", &manifest).await;
    let told = send(&host, json!({ "url": format!("{origin}/"), "body": "signed with $token" })).await;
    assert_eq!((&told["token"], &told["variable"]), (&json!(VALUE), &json!(format!("var {VALUE}"))));
    assert_eq!(server.requests()[0].body, format!("signed with {VALUE}").into_bytes());
    let shown = everything_shown(&host, &lines);
    assert!(shown.contains("\"expose\":true") && !shown.contains("hunter2"), "{shown}");
    host.stop().await;
}
