//! The socket with clients that do not: each bound is hit, counted, and harms nobody else.

use std::time::Duration;

use plugbus::bus::Event;
use proptest::prelude::*;
use serde_json::json;

use crate::support::{Peer, Serving, within};

const PING: &str = r#"{"ping":{}}"#;

#[tokio::test]
async fn a_line_over_the_limit_is_refused_and_closed_without_reading_on() {
    let serving = Serving::start(|config| config.events.data_bytes_max = 1024).await;
    let max = (1024 * 2 + (512 << 10)) as usize;
    let mut peer = serving.connect().await;
    peer.send(vec![b'x'; max + 1]).await;
    let error = peer.line().await;
    assert_eq!((&error["error"]["code"], &error["error"]["closing"]), (&json!("line_too_long"), &json!(true)));
    peer.rest().await;
    let fits = format!("{{\"ping\":{{}}}}{}", " ".repeat(max - PING.len()));
    assert!(serving.connect().await.call(&fits).await["pong"].is_object());
    assert_eq!(serving.host.socket_stats().long_lines, 1);
    serving.stop().await;
}

#[tokio::test]
async fn data_over_the_events_limit_is_an_error_of_that_line_alone() {
    let serving = Serving::start(|config| config.events.data_bytes_max = 8).await;
    let mut peer = serving.connect().await;
    let answer = peer.call(r#"{"publish":{"event":{"type":"a","data":"123456789"}}}"#).await;
    assert_eq!(answer["error"]["code"], "invalid_event");
    assert!(answer["error"]["message"].as_str().unwrap().contains("at most 8 are allowed"), "{answer}");
    assert!(peer.call(PING).await["pong"].is_object());
    let host_topic = peer.call(r#"{"publish":{"event":{"type":"plugbus.plugin.loaded"}}}"#).await;
    assert_eq!(host_topic["error"]["code"], "invalid_event");
    serving.stop().await;
}

#[tokio::test]
async fn half_a_line_is_never_acted_upon() {
    let serving = Serving::start(|_| {}).await;
    let mut peer = serving.connect().await;
    peer.send(r#"{"publish":{"event":{"type":"a"}}}"#).await;
    peer.finish().await;
    let error = peer.line().await;
    assert_eq!((&error["error"]["code"], &error["error"]["line"]), (&json!("bad_json"), &json!(1)));
    peer.rest().await;
    assert_eq!(serving.bus().stats().accepted, 0);
    assert_eq!(serving.host.socket_stats().half_lines, 1);
    // A client that only stops sending still gets its answers.
    let mut peer = serving.connect().await;
    peer.send("{\"ping\":{}}\n{\"ping\":{}}\n").await;
    peer.finish().await;
    assert_eq!(peer.rest().await.lines().count(), 2);
    serving.stop().await;
}

#[tokio::test]
async fn a_line_that_is_never_finished_is_closed() {
    let serving = Serving::start(|config| config.clients.line_timeout_ms = 20).await;
    let mut peer = serving.connect().await;
    peer.send("{\"ping\"").await;
    assert_eq!(peer.line().await["error"]["code"], "timed_out");
    peer.rest().await;
    assert_eq!(serving.host.socket_stats().read_timeouts, 1);
    serving.stop().await;
}

#[tokio::test]
async fn a_silent_client_is_closed_and_a_silent_watcher_is_not() {
    let serving = Serving::start(|config| config.clients.idle_timeout_ms = 20).await;
    let mut watcher = serving.connect().await;
    watcher.call(r#"{"tail":{}}"#).await;
    let mut peer = serving.connect().await;
    assert_eq!(peer.line().await["error"]["code"], "timed_out");
    peer.rest().await;
    serving.bus().publish(Event::draft("a").unwrap()).await.unwrap();
    assert_eq!(watcher.line().await["event"]["type"], "a");
    serving.stop().await;
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let serving = Serving::start(|config| config.clients.connections_max = 2).await;
    let (mut one, mut two) = (serving.connect().await, serving.connect().await);
    one.call(PING).await;
    two.call(PING).await;
    let mut three = serving.connect().await;
    assert_eq!(three.line().await["error"]["code"], "too_many_connections");
    three.rest().await;
    assert_eq!(serving.host.socket_stats().refused, 1);
    drop(one);
    within("a place is free", async || {
        let mut peer = serving.connect().await;
        peer.send(format!("{PING}\n")).await;
        peer.line().await.get("pong").is_some().then_some(())
    })
    .await;
    serving.stop().await;
}

#[tokio::test]
async fn a_client_that_reads_no_answers_is_closed() {
    let serving = Serving::start(|config| config.clients.write_timeout_ms = 50).await;
    let mut peer = serving.connect().await;
    let lines = "garbage\n".repeat(20_000);
    // The host stops reading, so this blocks until it closes.
    let sent = tokio::time::timeout(crate::support::PATIENCE, async {
        let mut stream = tokio::net::UnixStream::connect(&serving.socket).await.unwrap();
        while tokio::io::AsyncWriteExt::write_all(&mut stream, lines.as_bytes()).await.is_ok() {}
    });
    sent.await.expect("closed in time");
    assert_eq!(serving.host.socket_stats().write_timeouts, 1);
    assert!(peer.call(PING).await["pong"].is_object());
    serving.stop().await;
}

#[tokio::test]
async fn a_slow_watcher_misses_events_and_is_told_how_many_and_where() {
    let serving = Serving::start(|config| {
        config.clients.watch_events_max = 10;
        config.clients.write_timeout_ms = 10;
    })
    .await;
    let mut watcher = serving.connect().await;
    watcher.call(r#"{"tail":{}}"#).await;
    let total = 5_000_u64;
    for n in 0..total {
        let draft = Event::draft("a").unwrap().id(n.to_string()).text("x".repeat(1000));
        serving.bus().publish(draft).await.unwrap();
    }
    let stats = serving.host.socket_stats();
    assert_eq!(stats.watched + stats.missed, total);
    assert!(stats.missed > 0);
    // Everything is accounted for, in order: what came and what is said to be missing adds up.
    let mut next = 0;
    while next < total {
        let line = watcher.line().await;
        match line["missed"]["count"].as_u64() {
            Some(count) => next += count,
            None => {
                assert_eq!(line["event"]["id"], next.to_string());
                next += 1;
            }
        }
    }
    serving.stop().await;
}

#[tokio::test]
async fn a_watcher_that_never_reads_does_not_hold_up_the_stop() {
    let serving = Serving::start(|_| {}).await;
    let mut watcher = serving.connect().await;
    watcher.call(r#"{"tail":{}}"#).await;
    for _ in 0..2_000 {
        serving.bus().publish(Event::draft("a").unwrap().text("x".repeat(1000))).await.unwrap();
    }
    tokio::time::timeout(crate::support::PATIENCE, serving.stop()).await.expect("stopped in time");
}

#[tokio::test]
async fn a_watcher_that_talks_is_closed() {
    let serving = Serving::start(|_| {}).await;
    let mut watcher = serving.connect().await;
    watcher.call(r#"{"tail":{}}"#).await;
    let error = watcher.call(PING).await;
    assert_eq!((&error["error"]["code"], &error["error"]["closing"]), (&json!("bad_request"), &json!(true)));
    watcher.rest().await;
    within("its subscription has ended", async || serving.bus().subscriptions().is_empty().then_some(())).await;
    serving.stop().await;
}

#[tokio::test]
async fn a_choice_of_very_many_dead_letters_is_refused() {
    let serving = Serving::start(|_| {}).await;
    let mut peer = serving.connect().await;
    for (count, code) in [(10_000, None), (10_001, Some("bad_request"))] {
        for operation in ["dead_list", "dead_replay", "dead_drop"] {
            let ids: Vec<u64> = (0..count).collect();
            let answer = peer.call(&json!({ operation: { "select": { "ids": ids } } }).to_string()).await;
            assert_eq!(answer["error"]["code"].as_str(), code, "{operation} of {count}");
        }
    }
    serving.stop().await;
}

#[tokio::test]
async fn clients_that_come_and_go_leave_nothing() {
    let serving = Serving::start(|_| {}).await;
    for n in 0..300 {
        let mut peer = serving.connect().await;
        match n % 3 {
            0 => {}
            1 => peer.send("{\"publish\":{\"event\":{\"type\"").await,
            _ => peer.send("{\"tail\":{}}\n").await,
        }
    }
    within("all are gone", async || {
        let stats = serving.host.socket_stats();
        (stats.open == 0 && stats.watchers == 0).then_some(())
    })
    .await;
    assert!(serving.bus().subscriptions().is_empty());
    serving.stop().await;
}

/// Sends bytes to a host of its own and sees that it still answers another client afterwards.
fn survives(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let serving = Serving::start(|_| {}).await;
        let mut peer = serving.connect().await;
        peer.send(bytes).await;
        peer.finish().await;
        let said = peer.rest().await;
        // A capital letter begins HTTP, whose answer, if it is worth one, is a refusal.
        if bytes.first().is_some_and(u8::is_ascii_uppercase) {
            assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
        } else {
            said.lines().for_each(|line| drop(serde_json::from_str::<serde_json::Value>(line).unwrap()));
        }
        assert!(Peer::connect(&serving.socket).await.call(PING).await["pong"].is_object());
        tokio::time::timeout(Duration::from_secs(30), serving.stop()).await.unwrap();
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_bytes_come_the_host_answers_in_json_and_goes_on(
        bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'{'), Just(b'"')], 0..500),
    ) {
        survives(&bytes);
    }
}
