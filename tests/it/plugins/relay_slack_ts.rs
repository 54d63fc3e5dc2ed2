//! `relay-slack-ts`, a plugin in TypeScript, against servers on this machine: HTTP and the store from QuickJS.

use std::os::unix::fs::PermissionsExt as _;

use plugbus::bus::{Event, Payload};
use serde_json::{Value, json};
use toml::Table;

use crate::support::host::TestHost;
use crate::support::server::{Reserved, Server, answer, redirect};
use crate::support::shipped;

const NAME: &str = "relay-slack-ts";
const TOPIC: &str = "hook.notification.bash";

/// Loads it with the sample manifest, but for where it posts to and what a test changes.
async fn start(origin: &str, change: impl FnOnce(&mut Table)) -> TestHost {
    let manifest = shipped::changed_manifest(NAME, |table| {
        let config = table["config"].as_table_mut().unwrap();
        config.insert("url".into(), format!("{origin}/services/${{secret:webhook}}?x=1").into());
        change(config);
        table["grants"].as_table_mut().unwrap().insert("http".into(), vec![origin.to_owned()].into());
        let secret = table["secrets"]["webhook"].as_table_mut().unwrap();
        secret.extend([("file".into(), "../webhook".into()), ("origins".into(), vec![origin.to_owned()].into())]);
        let times = [("deadline_ms".to_owned(), 120_000.into()), ("deadline_init_ms".to_owned(), 120_000.into())];
        table.insert("limits".into(), Table::from_iter(times).into());
    });
    let host = TestHost::start().await;
    std::fs::write(host.beside("webhook"), "T0/B0/hunter2\n").unwrap();
    std::fs::set_permissions(host.beside("webhook"), std::fs::Permissions::from_mode(0o600)).unwrap();
    host.put_plugin(NAME, shipped::component(NAME), &manifest);
    host.until_running(NAME).await;
    host
}

fn texts(server: &Server) -> Vec<Value> {
    server.requests().iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
}

/// Kind and reason of every failed attempt.
fn failed(host: &TestHost) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    host.told.json("plugbus.delivery.failed").iter().map(|r| (text(&r["kind"]), text(&r["reason"]))).collect()
}

/// The same sample as in the plugin's own tests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_is_posted_as_the_template_says() {
    if !shipped::is_there("js") {
        return;
    }
    let server = Server::start(|_, _| answer("200 OK", "ok"));
    let template = "*{{topic}}* {{data.data.message}} (session {{data.session}}, {{subject}})";
    let host = start(&server.origin(), |config| drop(config.insert("template".into(), template.into()))).await;
    let payload = Payload::json(&shipped::sample(NAME, "in")).unwrap();
    host.bus().publish(Event::draft(TOPIC).unwrap().payload(payload)).await.unwrap();
    host.until("it is posted", || host.stats(NAME).acked == 1).await;
    let [request] = &server.requests()[..] else { panic!("one request") };
    assert_eq!(request.line, "POST /services/T0/B0/hunter2?x=1 HTTP/1.1");
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(texts(&server), [shipped::sample(NAME, "expected")]);
    assert_eq!(failed(&host), []);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_asked_too_often_says_when_to_come_again_and_a_refusal_is_final() {
    if !shipped::is_there("js") {
        return;
    }
    let server = Server::start(|number, _| match number {
        0 => "HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 4\r\nconnection: close\r\n\r\nslow"
            .to_owned(),
        1 => answer("503 Service Unavailable", ""),
        2 => answer("200 OK", "ok"),
        3 => redirect("http://127.0.0.1:1/"),
        _ => answer("404 Not Found", "no_service"),
    });
    let host = start(&server.origin(), |_| {}).await;
    let began = std::time::Instant::now();
    host.settle(TOPIC, "one").await;
    assert!(began.elapsed().as_millis() >= 1000, "it came again after {:?}", began.elapsed());
    host.settle(TOPIC, "two").await;
    host.settle(TOPIC, "three").await;
    let said = [
        ("retry", "retry: the webhook answered 429: slow"),
        ("retry", "retry: the webhook answered 503"),
        ("reject", "reject: the webhook answered 302"),
        ("reject", "reject: the webhook answered 404: no_service"),
    ];
    assert_eq!(failed(&host), said.map(|(kind, reason)| (kind.to_owned(), reason.to_owned())));
    let stats = host.stats(NAME);
    assert_eq!((stats.acked, stats.dead, stats.faults), (1, 2, 0));
    host.stop().await;
}

/// The number is in the plugin's store: a new generation knows it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_messages_than_allowed_are_dropped_and_counted_over_a_reload() {
    if !shipped::is_there("js") {
        return;
    }
    let server = Server::start(|_, _| answer("200 OK", "ok"));
    let host = start(&server.origin(), |config| {
        config.extend([("per_minute".into(), 2.into()), ("over".into(), "drop".into())]);
    })
    .await;
    // All of it within one minute of the clock: otherwise there is room for two more.
    let minute = || std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() / 60;
    let began = minute();
    for number in 0..3 {
        host.settle(TOPIC, number.to_string()).await;
    }
    host.put_manifest(
        NAME,
        &std::fs::read_to_string(host.path("relay-slack-ts.toml")).unwrap().replace("\"drop\"", "\"wait\""),
    );
    host.loader().reload(NAME).await.unwrap();
    host.publish(TOPIC, "3").await;
    host.until("it waits or is posted", || !failed(&host).is_empty() || server.requests().len() > 2).await;
    if minute() == began {
        assert_eq!(failed(&host), [("retry".to_owned(), "retry: 2 messages were sent this minute".to_owned())]);
        assert_eq!(texts(&server), [0, 1].map(|n| json!({ "text": format!("*{TOPIC}* {n}") })));
    }
    assert_eq!((host.stats(NAME).acked, host.stats(NAME).faults), (3, 0));
    drop(host);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_answer_is_tried_again_and_what_is_not_granted_is_not() {
    if !shipped::is_there("js") {
        return;
    }
    let reserved = Reserved::new();
    let host = start(&reserved.origin(), |_| {}).await;
    host.publish(TOPIC, "text").await;
    host.until("the connection has been refused", || !failed(&host).is_empty()).await;
    let server = reserved.serve(|_, _| answer("200 OK", "ok"));
    host.until("it is posted", || host.stats(NAME).acked == 1).await;
    let refused = failed(&host);
    assert!(refused.iter().all(|(kind, reason)| kind == "retry" && reason.contains("connection")), "{refused:?}");
    host.stop().await;

    let host = start(&server.origin(), |config| drop(config.insert("url".into(), "http://127.0.0.1:1/x".into()))).await;
    host.settle(TOPIC, "text").await;
    let [(kind, reason)] = &failed(&host)[..] else { panic!("{:?}", failed(&host)) };
    assert!(kind == "reject" && reason.contains("http: denied"), "{reason}");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_never_answers_is_given_up_after_the_time_out() {
    if !shipped::is_there("js") {
        return;
    }
    // It listens, and nobody accepts.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let host = start(&origin, |config| drop(config.insert("timeout_ms".into(), 50.into()))).await;
    host.publish(TOPIC, "text").await;
    host.until("the time is up", || !failed(&host).is_empty()).await;
    let (kind, reason) = failed(&host).remove(0);
    assert_eq!((kind.as_str(), reason.as_str()), ("retry", "retry: http: timed-out: no answer within 50 ms"));
    assert_eq!(host.stats(NAME).faults, 0);
    drop(host);
}
