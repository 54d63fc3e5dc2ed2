//! The host over HTTP, with real plugins: state, pause, reload, upload, metrics, and a trace that goes through.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::host::{Place, TestHost};
use crate::support::wait::PATIENCE;

const WASM: &str = "content-type: application/wasm";

/// Sends one request on a connection of its own: the status, and the body.
pub(crate) async fn send(addr: SocketAddr, line: &str, headers: &[&str], body: &[u8]) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    let head =
        format!("{line} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n");
    let (mut reader, mut writer) = stream.split();
    let mut all = Vec::new();
    let writing = async {
        drop(writer.write_all(head.as_bytes()).await);
        drop(writer.write_all(body).await);
    };
    let both = async { tokio::join!(writing, reader.read_to_end(&mut all)) };
    tokio::time::timeout(PATIENCE, both).await.expect("an answer").1.unwrap();
    let end = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let status = String::from_utf8_lossy(&all[..end]).split(' ').nth(1).unwrap().parse().unwrap();
    (status, all.split_off(end + 4))
}

/// The same for an answer in JSON.
async fn ask(host: &TestHost, line: &str) -> (u16, Value) {
    ask_with(host, line, &[], &[]).await
}

async fn ask_with(host: &TestHost, line: &str, headers: &[&str], body: &[u8]) -> (u16, Value) {
    let (status, body) = send(host.host.http_addr().unwrap(), line, headers, body).await;
    (status, serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{line}: {error}: {body:?}")))
}

async fn serving(upload: bool) -> TestHost {
    let change = move |config: &mut plugbus::config::Config| {
        config.http.enabled = true;
        config.http.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.http.upload = upload;
    };
    Place::new().start_with(change, None).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_is_shown_paused_resumed_and_reloaded_over_http() {
    let host = serving(false).await;
    host.run_fixture("echo", "echo", "").await;
    host.run_fixture("picky", "trap-on-poison", "[retry]\nattempts = 1\n").await;
    host.settle("in.x", "poison").await;

    let (status, plugins) = ask(&host, "GET /v1/plugins").await;
    let plugins = plugins["plugins"].as_array().unwrap();
    assert_eq!(
        (status, plugins.len(), &plugins[0]["name"], &plugins[0]["state"]),
        (200, 2, &json!("echo"), &json!("running"))
    );
    let (_, picky) = ask(&host, "GET /v1/plugins/picky").await;
    assert_eq!((&picky["last_faults"][0]["kind"], &picky["counters"]["faults"]), (&json!("trap"), &json!(1)));
    assert!(!picky["last_faults"][0]["backtrace"].as_array().unwrap().is_empty());
    assert_eq!(picky["limits"]["deadline_ms"], 5000);

    assert_eq!(
        ask(&host, "POST /v1/plugins/echo/pause").await,
        (200, json!({ "message": "echo paused; its events wait" }))
    );
    assert_eq!(ask(&host, "GET /v1/plugins/echo").await.1["state"], "paused");
    assert_eq!(ask(&host, "POST /v1/plugins/echo/resume").await.1["message"], "echo resumed");
    let reloaded = "echo reloaded, generation 2 took over from 1";
    assert_eq!(ask(&host, "POST /v1/plugins/echo/reload").await, (200, json!({ "message": reloaded })));
    let (status, missing) = ask(&host, "POST /v1/plugins/none/reload").await;
    assert_eq!((status, missing["status"].as_u64()), (404, Some(404)));
    assert_eq!(
        ask(&host, "GET /readyz").await,
        (
            200,
            json!({ "ready": true, "checks": [
        { "name": "bus", "ok": true }, { "name": "plugins", "ok": true },
    ] })
        )
    );
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_is_uploaded_replaced_and_removed() {
    let host = serving(true).await;
    let (a, b) = (fixture("generation-a"), fixture("generation-b"));
    let manifest = b"publish = [\"generation.handled\"]\n";
    let (status, kept) = ask_with(&host, "PUT /v1/plugins/gen/manifest", &[], manifest).await;
    assert_eq!((status, kept["message"].as_str().unwrap().ends_with("when the component comes")), (200, true));
    let loaded = ask_with(&host, "PUT /v1/plugins/gen", &[WASM], &a).await;
    assert_eq!(loaded, (200, json!({ "message": "gen loaded, generation 1" })));
    assert_eq!(host.ask("in.x", "1").await, "a");
    let swapped = ask_with(&host, "PUT /v1/plugins/gen", &[WASM], &b).await;
    assert_eq!(swapped, (200, json!({ "message": "gen reloaded, generation 2 took over from 1" })));
    assert_eq!(host.ask("in.x", "2").await, "b");

    assert_eq!(ask(&host, "DELETE /v1/plugins/gen").await, (200, json!({ "message": "gen removed" })));
    assert!(host.status("gen").is_none() && !host.path("gen.toml").exists());
    assert_eq!(ask(&host, "DELETE /v1/plugins/gen").await.0, 404);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_is_refused_changes_nothing() {
    let host = serving(true).await;
    host.run_fixture("echo", "echo", "").await;
    let before = std::fs::read(host.path("echo.wasm")).unwrap();
    let (status, problem) = ask_with(&host, "PUT /v1/plugins/echo", &[WASM], b"no component").await;
    let detail = problem["detail"].as_str().unwrap();
    assert!(status == 422 && detail.starts_with("echo was refused, generation 1 goes on: "), "{status} {detail}");
    let (status, problem) = ask_with(&host, "PUT /v1/plugins/echo/manifest", &[], b"instances = 0\n").await;
    assert!(status == 422 && problem["detail"].as_str().unwrap().contains("instances"), "{problem}");
    assert_eq!(ask_with(&host, "PUT /v1/plugins/other", &[WASM], b"no component").await.0, 422);
    for (name, status) in [("..%2fescape", 422), ("UPPER", 422), (&"x".repeat(65), 422)] {
        assert_eq!(ask_with(&host, &format!("PUT /v1/plugins/{name}"), &[WASM], b"x").await.0, status, "{name}");
    }
    let files: Vec<_> = std::fs::read_dir(host.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["echo.wasm"]);
    assert_eq!(std::fs::read(host.path("echo.wasm")).unwrap(), before);
    assert_eq!((host.ask("in.x", "still here").await, host.generation("echo")), ("still here".into(), Some(1)));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_over_the_limit_is_not_taken() {
    let change = |config: &mut plugbus::config::Config| {
        config.http.enabled = true;
        config.http.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.http.upload = true;
        config.sandbox.component_bytes_max = 1000;
    };
    let host = Place::new().start_with(change, None).await;
    let (status, problem) = ask_with(&host, "PUT /v1/plugins/big", &[WASM], &[0; 1001]).await;
    assert_eq!((status, problem["detail"].as_str().unwrap().contains("1000 bytes")), (413, true));
    assert!(!host.path("big.wasm").exists());
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_tell_of_each_plugin_what_it_did_and_what_it_took() {
    let host = serving(false).await;
    host.run_fixture("picky", "trap-on-poison", "[retry]\nattempts = 1\n").await;
    host.settle("in.x", "fine").await;
    host.settle("in.x", "poison").await;
    let (status, text) = send(host.host.http_addr().unwrap(), "GET /metrics", &[], &[]).await;
    let text = String::from_utf8(text).unwrap();
    assert_eq!(status, 200);
    for line in [
        "plugbus_plugin_state{plugin=\"picky\",state=\"running\"} 1",
        "plugbus_plugin_calls_total{plugin=\"picky\"} 2",
        "plugbus_plugin_faults_total{plugin=\"picky\",kind=\"trap\"} 1",
        "plugbus_plugin_fuel_count{plugin=\"picky\"} 2",
        "plugbus_plugin_fuel_bucket{plugin=\"picky\",le=\"+Inf\"} 2",
        "plugbus_plugin_call_seconds_count{plugin=\"picky\"} 2",
        "plugbus_plugin_limit_fuel_per_event{plugin=\"picky\"} 500000000",
        "plugbus_subscription_acked_total{subscription=\"plugin/picky\"} 1",
        "plugbus_subscription_dead_total{subscription=\"plugin/picky\"} 1",
        "plugbus_bus_dead_letters_held 1",
        "plugbus_loader_plugins 1",
        "# TYPE plugbus_socket_requests_total counter",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    host.stop().await;
}

fn fixture(name: &str) -> Vec<u8> {
    plugbus_fixtures::built::fixture_bytes(name)
}
