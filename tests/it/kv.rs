//! The store of a plugin, through the whole host: what a handler wrote counts if and only if its event is acked, and outlasts
//! whatever happens to instances, generations and hosts.

use std::sync::Arc;
use std::time::Duration;

use plugbus::bus::{Event, Settlement, SubscriptionStats};
use plugbus_fixtures::built;
use tokio::task::JoinSet;

use crate::support::host::{PLENTY_OF_TIME, Place, TestHost};

mod bounds;

const KV: &str = "[grants]\nkv = true\n";

/// The fixture as another file: what stands in a custom section changes nothing but the hash.
fn build(number: u8) -> Vec<u8> {
    let mut bytes = built::fixture_bytes("kv-count");
    bytes.extend([0, 6, 4]);
    bytes.extend(b"mark");
    bytes.push(number);
    bytes
}

/// Publishes so many events to be counted, and waits until each is settled.
async fn count(host: &TestHost, topic: &str, events: usize) {
    let mut publishing = JoinSet::new();
    for _ in 0..events {
        let (bus, draft) = (host.bus().clone(), Event::draft(topic).unwrap());
        publishing.spawn(async move { bus.publish_and_wait(draft, Duration::from_secs(60)).await.unwrap() });
    }
    while let Some(settled) = publishing.join_next().await {
        assert!(settled.unwrap().all_acked());
    }
}

fn state_of(host: &TestHost, name: &str) -> (usize, u64) {
    let SubscriptionStats { state, conflicts, .. } = host.stats(name);
    (state.map_or(0, |state| state.keys), conflicts)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_grant_the_store_is_named_at_load() {
    let host = TestHost::start().await;
    host.put_fixture("counter", "kv-count", "");
    let report = host.until_rejected("counter").await;
    assert_eq!(report["kind"], "link");
    let cause = report["cause"].as_str().unwrap();
    assert!(cause.contains("`wasi:keyvalue/store@0.2.0-draft` (add `kv = true` under `[grants]`)"), "{cause}");
    host.put_manifest("counter", KV);
    host.until_running("counter").await;
    assert_eq!(host.ask("x", "").await, "1");
    host.stop().await;
}

#[test]
fn a_plugin_that_does_not_use_the_store_does_not_import_it() {
    let imports = |component: &[u8]| component.windows(13).any(|part| part == b"wasi:keyvalue");
    for name in ["normalize-hooks", "log-jsonl"] {
        assert!(!imports(&std::fs::read(built::plugin(name)).unwrap()), "{name}");
    }
    for name in ["greet", "echo", "http-get"] {
        assert!(!imports(&built::fixture_bytes(name)), "{name}");
    }
    assert!(imports(&built::fixture_bytes("kv-count")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_count_outlasts_reloads_of_manifest_and_file_and_restarts_of_the_host() {
    let host = Place::new().start_durable().await;
    host.put_plugin("counter", build(1), KV);
    host.until_running("counter").await;
    assert_eq!(host.ask("x", "").await, "1");
    for number in 2..=5 {
        host.put_bytes("counter.wasm", build(number));
        host.until("the next build runs", || host.generation("counter") == Some(number.into())).await;
        assert_eq!(host.ask("x", "").await, number.to_string());
    }
    host.put_manifest("counter", &format!("fresh = true\n{KV}"));
    host.loader().reload("counter").await.unwrap();
    assert_eq!(host.ask("x", "").await, "6");
    let mut place = host.stop_and_leave().await;
    for number in 7..=9 {
        let host = place.start_durable().await;
        host.until_running("counter").await;
        assert_eq!(host.ask("x", "").await, number.to_string());
        assert_eq!(state_of(&host, "counter"), (1, 0));
        place = host.stop_and_leave().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_dropped_without_a_word_has_kept_what_was_acked() {
    let host = Place::new().start_durable().await;
    host.put_plugin("counter", build(1), KV);
    host.until_running("counter").await;
    count(&host, "x", 40).await;
    let host = host.abandon().start_durable().await;
    host.until_running("counter").await;
    assert_eq!(host.ask("x", "").await, "41");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_instances_count_each_event_once_although_they_meet() {
    for durable in [false, true] {
        let place = Place::new();
        let host = if durable { place.start_durable().await } else { place.start().await };
        let manifest = format!("instances = 4\n{KV}[limits]\n{PLENTY_OF_TIME}\n[config]\npause_ms = 2\n");
        host.run_fixture("counter", "kv-count", &manifest).await;
        count(&host, "x", 200).await;
        let stats = host.stats("counter");
        assert_eq!((stats.acked, stats.dead, stats.faults), (200, 0, 0));
        assert!(stats.conflicts > 0, "they have not met");
        assert_eq!(host.ask("x", "ask").await, "200");
        host.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_that_come_and_go_under_load_lose_no_count() {
    let host = Place::new().start_durable().await;
    let manifest = format!("instances = 3\n{KV}[limits]\n{PLENTY_OF_TIME}\n");
    host.put_plugin("counter", build(1), &manifest);
    host.until_running("counter").await;
    let host = Arc::new(host);
    let counting = {
        let host = host.clone();
        tokio::spawn(async move { count(&host, "x", 600).await })
    };
    let mut number = 1;
    while !counting.is_finished() {
        number += 1;
        host.put_bytes("counter.wasm", build(number));
        host.until("the next build runs", || host.generation("counter") == Some(number.into())).await;
    }
    counting.await.unwrap();
    assert!(number > 1);
    assert_eq!(host.ask("x", "ask").await, "600");
    Arc::into_inner(host).unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_fails_or_traps_leaves_no_change() {
    for durable in [false, true] {
        let place = Place::new();
        let host = if durable { place.start_durable().await } else { place.start().await };
        let manifest = format!("{KV}[retry]\nattempts = 2\nbackoff_min_ms = 1\n[supervision]\nbudget = 1000\n");
        host.run_fixture("counter", "kv-count", &manifest).await;
        assert_eq!(host.ask("x", "").await, "1");
        // The second attempt sees what was there before the first.
        assert_eq!(host.ask("x", "retry").await, "2");
        assert_eq!(host.ask("x", "trap").await, "3");
        for order in ["reject", "always-trap"] {
            let settled = host.settle("x", order).await;
            assert!(matches!(settled[..], [(_, Settlement::Dead(_))]), "{settled:?}");
        }
        assert_eq!(host.ask("x", "ask").await, "3");
        let stats = host.stats("counter");
        assert_eq!((stats.dead, stats.faults_by_kind), (2, vec![("trap", 3)]));
        host.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_is_taken_away_and_put_back_finds_its_store_and_after_the_retention_an_empty_one() {
    let host = Place::new().start_durable().await;
    let put = async || {
        host.put_fixture("counter", "kv-count", KV);
        host.until_running("counter").await;
    };
    let take = async |times: usize| {
        host.remove("counter");
        let unloaded = || host.told.json("plugbus.plugin.unloaded").len() == times;
        host.until("the plugin is unloaded", unloaded).await;
    };
    put().await;
    assert_eq!(host.ask("x", "").await, "1");
    take(1).await;
    put().await;
    assert_eq!(host.ask("x", "").await, "2");
    take(2).await;
    // What the host does every minute, as if the retention were over.
    assert_eq!(host.bus().retire_absent(Duration::ZERO), 1);
    put().await;
    assert_eq!(host.ask("x", "").await, "1");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_of_an_absent_plugin_outlasts_a_restart_too() {
    let host = Place::new().start_durable().await;
    host.run_fixture("counter", "kv-count", KV).await;
    count(&host, "x", 3).await;
    host.remove("counter");
    host.until_unloaded("counter").await;
    let host = host.stop_and_leave().await.start_durable().await;
    host.run_fixture("counter", "kv-count", KV).await;
    assert_eq!(host.ask("x", "").await, "4");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plugins_and_buckets_are_apart() {
    let host = Place::new().start_durable().await;
    let manifest =
        |topic: &str, bucket: &str| format!("filters = [\"{topic}\"]\n{KV}[config]\nbucket = \"{bucket}\"\n");
    host.run_fixture("one", "kv-count", &manifest("one", "")).await;
    host.run_fixture("two", "kv-count", &manifest("two", "default")).await;
    count(&host, "one", 3).await;
    assert_eq!(host.ask("two", "").await, "1");
    assert_eq!(host.ask("one", "ask").await, "3");
    // The empty name is that of the default bucket; another name is another bucket.
    host.put_manifest("one", &manifest("one", "default"));
    host.loader().reload("one").await.unwrap();
    assert_eq!(host.ask("one", "").await, "4");
    host.put_manifest("one", &manifest("one", "other"));
    host.loader().reload("one").await.unwrap();
    assert_eq!(host.ask("one", "").await, "1");
    assert_eq!((state_of(&host, "one").0, state_of(&host, "two").0), (2, 1));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_journal_the_store_is_in_memory_and_lasts_as_long_as_the_plugin_is_loaded() {
    let host = TestHost::start().await;
    host.put_plugin("counter", build(1), KV);
    host.until_running("counter").await;
    count(&host, "x", 5).await;
    host.put_bytes("counter.wasm", build(2));
    host.until("the next build runs", || host.generation("counter") == Some(2)).await;
    assert_eq!(host.ask("x", "").await, "6");
    host.remove("counter");
    host.until_unloaded("counter").await;
    host.put_fixture("counter", "kv-count", KV);
    host.until_running("counter").await;
    assert_eq!(host.ask("x", "").await, "1");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_is_not_durable_in_a_host_with_a_journal_keeps_its_store_in_memory() {
    let host = Place::new().start_durable().await;
    host.run_fixture("counter", "kv-count", &format!("durable = false\n{KV}")).await;
    count(&host, "x", 2).await;
    assert_eq!(host.ask("x", "").await, "3");
    let host = host.stop_and_leave().await.start_durable().await;
    host.until_running("counter").await;
    assert_eq!(host.ask("x", "").await, "1");
    host.stop().await;
}
