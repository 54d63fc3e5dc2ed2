//! Components that were made for other hosts of `wasi:messaging`, in the whole host: filters come from the manifest, a message
//! is an event, and what they send leaves with the ack.

use std::sync::Arc;

use plugbus::bus::{DeadFilter, Event, Payload, Reply, Settlement};
use plugbus::loader::PluginState;
use plugbus::sandbox::Contract;
use serde_json::{Value, json};

use crate::support::events::Recorder;
use crate::support::host::{Place, TestHost};
use crate::support::log::Lines;
use crate::support::wait::PATIENCE;

mod bounds;

const SOON: &str = "[retry]\nattempts = 2\nbackoff_min_ms = 1\nbackoff_max_ms = 1\n";
const ENRICH: &str = "filters = [\"order.>\"]\npublish = [\"enriched.>\"]\n";

/// A host with a component that does as it is told, allowed to publish on `out.>`.
async fn misuse(more: &str) -> TestHost {
    let host = TestHost::start().await;
    let manifest = format!("filters = [\"in\"]\npublish = [\"out.>\"]\n{SOON}{more}");
    host.run_fixture("misuse", "messaging-misuse", &manifest).await;
    host
}

/// What the one plugin made of an event.
async fn settle(host: &TestHost, text: &str) -> Settlement {
    let mut settled = host.settle("in", text).await;
    assert_eq!(settled.len(), 1, "{settled:?}");
    settled.remove(0).1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_comes_in_as_a_message_and_what_is_sent_comes_out_as_an_event() {
    let host = TestHost::start().await;
    host.run_fixture("enrich", "messaging-enrich", ENRICH).await;
    let out = Recorder::on(host.bus(), "enriched.>");
    let placed = Event::draft("order.placed").unwrap().id("7").source("shop").subject("anna");
    let placed = placed.time_ns(1_790_000_000_000_000_000).extension("traceparent", "00-aa").extension("shade", "blue");
    let payload = Payload::new("application/vnd.order+json", r#"{"total":3}"#);
    let settled = host.bus().publish_and_wait(placed.payload(payload), PATIENCE).await.unwrap();
    assert!(settled.all_acked(), "{settled:?}");

    let said = out.until_json("enriched.order.placed", |_| true).await;
    let metadata = json!({
        "id": "7", "source": "shop", "subject": "anna", "time": "2026-09-21T14:13:20.000000000Z",
        "traceparent": "00-aa", "shade": "blue",
    });
    assert_eq!(said, json!({ "total": 3, "metadata": metadata }));
    let event = out.all().remove(0);
    assert_eq!((&*event.source, event.subject.as_deref(), event.hops), ("plugin/enrich", Some("anna"), 1));
    assert_eq!(&*event.payload.content_type, "application/vnd.order+json");
    let extensions: Vec<_> = event.extensions.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(extensions, [("enrichedby", "messaging-enrich"), ("shade", "blue"), ("traceparent", "00-aa")]);
    // As for every plugin: derived from the event handled, so that a repeated delivery publishes the same id.
    assert_ne!(&*event.id, "7");

    let running = host.status("enrich").unwrap().running.unwrap();
    assert_eq!((running.contract, running.metrics.publishes), (Contract::Messaging, 1));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tick_comes_in_as_a_message_whatever_the_filters() {
    let host = TestHost::start().await;
    let out = Recorder::on(host.bus(), "enriched.>");
    host.run_fixture("enrich", "messaging-enrich", &format!("tick_ms = 100\n{ENRICH}")).await;
    let said = out.until_json("enriched.plugbus.tick.enrich", |_| true).await;
    assert_eq!((&said["every_ms"], &said["metadata"]["source"]), (&json!(100), &json!("plugbus")), "{said}");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_filters_in_its_manifest_it_is_refused_with_the_line_to_write() {
    let host = TestHost::start().await;
    host.put_fixture("enrich", "messaging-enrich", "publish = [\"enriched.>\"]\n");
    let report = host.until_rejected("enrich").await;
    let cause = report["cause"].as_str().unwrap();
    assert!(
        cause.contains("has no `init` to register any in: write `filters = [\"…\"]` into `enrich.toml`"),
        "{cause}"
    );
    assert!(!cause.contains("return some"), "{cause}");
    host.put_manifest("enrich", ENRICH);
    host.until_running("enrich").await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_it_returns_as_an_error_is_tried_again_but_for_a_permission_that_is_missing() {
    let host = misuse("").await;
    let table = [
        ("timeout", "retry", "timeout", 2),
        ("connection", "retry", "connection: as told", 2),
        ("other", "retry", "other: as told", 2),
        ("permission-denied", "reject", "permission-denied: as told", 1),
    ];
    for (error, kind, reason, attempts) in table {
        let out = Recorder::on(host.bus(), "out.>");
        assert!(matches!(settle(&host, &format!("send-then {error}")).await, Settlement::Dead(_)), "{error}");
        let letters = host.bus().dead_letters();
        let letter = letters.list(&DeadFilter::default()).into_iter().max_by_key(|letter| letter.id).unwrap();
        let told: Vec<_> = letter.attempts.iter().map(|attempt| (attempt.kind, attempt.reason.as_str())).collect();
        assert_eq!(told.len(), attempts, "{told:?}");
        assert!(told.iter().all(|(of, said)| *of == kind && said.ends_with(reason)), "{told:?}");
        // It had been taken each time, and was held back.
        host.until_idle("misuse").await;
        assert_eq!(out.count(), 0, "{error}");
    }
    let stats = host.stats("misuse");
    assert_eq!((stats.faults, stats.dead), (0, 4));
    assert_eq!(host.status("misuse").unwrap().running.unwrap().metrics.publishes, 7);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_it_may_not_or_cannot_send_it_is_told_in_words() {
    let host = misuse("").await;
    let table = [
        ("topic out.fine", "ok", ""),
        ("topic elsewhere", "permission-denied: ", "add `publish = [\"elsewhere\"]`"),
        ("topic plugbus.x", "permission-denied: ", "the host's own"),
        ("topic out..x", "other: topic ", "empty token"),
        ("key shade", "ok", ""),
        ("key X-Request-Id", "other: metadata key `X-Request-Id`: ", "remove it before you send"),
        ("key type", "other: metadata key `type`: ", "an attribute of CloudEvents itself"),
        // The host sets it: another value than the one of the message at hand would be lost.
        ("key id", "other: metadata key `id`: ", "an attribute of CloudEvents itself"),
        ("type 255", "ok", ""),
        ("type 256", "other: content type has 256 bytes", "at most 255"),
        ("request", "other: `request` is not served here", "the topic of the answer"),
        ("disconnected", "connection: the client is disconnected", ""),
    ];
    for (order, start, part) in table {
        let told = host.ask("in", order).await;
        assert!(told.starts_with(start) && told.contains(part), "{order}: {told}");
    }
    let running = host.status("misuse").unwrap().running.unwrap();
    let metrics = &running.metrics;
    assert_eq!((metrics.publishes, metrics.publishes_denied, metrics.publishes_invalid), (3, 3, 5));
    assert_eq!((metrics.instances_created, host.stats("misuse").faults), (1, 0));
    let denied: Vec<_> = running.denials.iter().map(|denial| (denial.what, denial.count)).collect();
    assert_eq!(denied.len(), 3, "{denied:?}");
    assert!(denied.contains(&("request", 1)) && denied.contains(&("publish", 1)), "{denied:?}");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_can_be_sent_on_as_it_came() {
    let host = misuse("").await;
    let out = Recorder::on(host.bus(), "out.>");
    let draft = Event::draft("in").unwrap().subject("anna").extension("shade", "blue").text("forward out.on");
    let settled = host.bus().publish_and_wait(draft, PATIENCE).await.unwrap();
    assert!(settled.all_acked(), "{settled:?}");
    host.until("it is out", || out.count() == 1).await;
    let event = out.all().remove(0);
    assert_eq!((event.topic.as_str(), &*event.payload.data), ("out.on", &b"forward out.on"[..]));
    assert_eq!((event.extension("shade"), event.extensions.len()), (Some("blue"), 1));
    assert_eq!(&*event.payload.content_type, "text/plain; charset=utf-8");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_message_at_hand_has_one_answer_which_leaves_with_the_ack() {
    let lines = Arc::new(Lines::default());
    let host = Place::new().start_with(|_| {}, Some(lines.clone())).await;
    let manifest = format!("filters = [\"in\"]\npublish = [\"out.>\"]\n{SOON}[limits]\nreply_bytes = 200\n");
    host.run_fixture("misuse", "messaging-misuse", &manifest).await;
    let out = Recorder::on(host.bus(), "out.told");
    assert_eq!(host.ask("in", "answer-twice").await, "first");
    host.until("the second was refused", || out.count() == 1).await;
    assert!(out.texts()[0].starts_with("other: the message has its answer"), "{:?}", out.texts());
    for order in ["answer-own", "answer-bytes 201"] {
        let told = host.ask("in", order).await;
        assert!(told.starts_with("other: "), "{order}: {told}");
    }
    // The one that was kept belongs to an event that is settled.
    assert!(matches!(settle(&host, "keep").await, Settlement::Acked(Reply(None))));
    assert!(host.ask("in", "answer-kept").await.contains("only the message that is being handled"));
    assert_eq!(host.ask("in", "answer-metadata").await, "answered");
    let warned = lines.of_host();
    assert!(warned.iter().any(|line| line.contains("its metadata is left out: shade")), "{warned:?}");
    assert_eq!(host.stats("misuse").faults, 0);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_of_both_contracts_follows_the_hosts_own_and_publishes_by_either() {
    let host = TestHost::start().await;
    host.run_fixture("both", "messaging-both", "publish = [\"out.>\"]\n").await;
    let running = host.status("both").unwrap().running.unwrap();
    assert_eq!((running.contract, running.filters[0].as_str()), (Contract::Plugin, "in.>"));
    let imports = |name: &str| running.imports.iter().any(|import| import.starts_with(name));
    assert!(imports("plugbus:plugin/publisher@") && imports("wasi:messaging/producer@"), "{:?}", running.imports);
    let out = Recorder::on(host.bus(), "out.by");
    host.settle("in.x", "").await;
    host.until("it is out", || out.count() == 1).await;
    assert_eq!(out.texts(), ["plugbus"]);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_swapped_and_made_fresh_like_any_other() {
    let host = TestHost::start().await;
    host.run_fixture("enrich", "messaging-enrich", &format!("fresh = true\n{ENRICH}")).await;
    let out = Recorder::on(host.bus(), "enriched.>");
    for _ in 0..3 {
        host.settle("order.a", "{}").await;
    }
    assert!(host.status("enrich").unwrap().running.unwrap().metrics.instances_created >= 3);
    host.put_manifest("enrich", &format!("instances = 2\n{ENRICH}"));
    host.until("the next generation runs", || host.generation("enrich") == Some(2)).await;
    host.settle("order.b", "{}").await;
    // A manifest without filters keeps what runs.
    host.put_manifest("enrich", "publish = [\"enriched.>\"]\n");
    host.until_rejected("enrich").await;
    host.until("it is refused", || host.status("enrich").is_some_and(|status| status.last_rejection.is_some())).await;
    let status = host.status("enrich").unwrap();
    assert_eq!((status.state, status.running.map(|running| running.generation)), (PluginState::Running, Some(2)));
    host.settle("order.c", "{}").await;
    host.until("five orders are out", || out.count() == 5).await;
    assert!(out.json("enriched.order.c").iter().all(Value::is_object));
    host.stop().await;
}
