//! What a guest publishes and logs.

use plugbus_bus::{Failure, Filter, HandlerError, Reply};

use super::guest::{ACK, REJECT_WITH_PUBLISH_ERROR, data, publish};
use super::*;
use crate::StartError;

fn allowed(topics: &[&str]) -> PluginSpec {
    PluginSpec { publish: topics.iter().map(|topic| Filter::parse(topic).unwrap()).collect(), ..spec() }
}

/// Publishes to a topic and says what came back, if it was an error.
fn publisher(topic: &str) -> Guest {
    Guest::handling(format!(
        "{} (if (result i32) (i32.load8_u (i32.const 512)) (then {REJECT_WITH_PUBLISH_ERROR}) (else {ACK}))",
        publish(2048, topic.len())
    ))
    .items(data(2048, topic))
}

async fn refusal(topic: &str, spec: PluginSpec) -> (String, crate::MetricsSnapshot) {
    let mut handler = start(&publisher(topic), spec).await;
    let Err(HandlerError::Failure(Failure::Reject(reason))) = handle(&mut handler).await else { panic!("{topic}") };
    (reason, handler.template().metrics())
}

#[tokio::test]
async fn what_the_manifest_allows_is_staged_with_the_plugins_name() {
    let mut handler = start(&publisher("out.done"), allowed(&["out.>"])).await;
    let delivery = delivery(event("{}"));
    assert_eq!(handler.handle(&delivery).await, Ok(Reply(None)));
    let drafts = delivery.outbox.take();
    let draft = drafts.first().unwrap();
    assert_eq!((draft.topic.as_str(), draft.source.as_deref()), ("out.done", Some("plugin/probe")));
    assert_eq!((draft.subject.as_deref(), draft.hops, drafts.len()), (Some("session"), 1, 1));
    assert!(draft.id.is_some());
    assert_eq!(handler.template().metrics().publishes, 1);
}

#[tokio::test]
async fn foreign_topics_the_hosts_own_and_malformed_ones_are_refused() {
    let (reason, metrics) = refusal("out.done", spec()).await;
    assert!(reason.contains("publish = [\"out.done\"]"), "{reason}");
    assert_eq!(metrics.publishes_denied, 1);
    let (reason, _) = refusal("out.done", allowed(&["other.>"])).await;
    assert!(reason.contains("do not cover"), "{reason}");
    let (reason, metrics) = refusal("plugbus.plugin.loaded", allowed(&["plugbus.>", ">"])).await;
    assert!(reason.contains("host's own"), "{reason}");
    assert_eq!(metrics.publishes_denied, 1);
    let (reason, metrics) = refusal("out..done", allowed(&[">"])).await;
    assert!(reason.contains("empty token"), "{reason}");
    assert_eq!(metrics.publishes_invalid, 1);
}

#[tokio::test]
async fn init_may_not_publish() {
    let init = format!(
        "{} (i32.store (i32.const 0) (i32.const 1)) (i32.store (i32.const 4) (i32.load (i32.const 520)))
         (i32.store (i32.const 8) (i32.load (i32.const 524))) (i32.const 0)",
        publish(2048, 3)
    );
    let guest = Guest::starting(init).items(data(2048, "out"));
    let template = template(&guest, allowed(&[">"])).await;
    let Err(StartError::Init(reason)) = template.start().await.map(drop) else { panic!() };
    assert!(reason.contains("not allowed in init"), "{reason}");
    assert_eq!(template.metrics().publishes_denied, 1);
}

#[tokio::test]
async fn a_flood_of_publishes_ends_at_the_outboxs_limit() {
    let guest = Guest::handling(format!(
        "(loop {} (br_if 0 (i32.eqz (i32.load8_u (i32.const 512))))) {REJECT_WITH_PUBLISH_ERROR}",
        publish(2048, 3)
    ))
    .items(data(2048, "out"));
    let mut handler = start(&guest, allowed(&["out"])).await;
    let Err(HandlerError::Failure(Failure::Reject(reason))) = handle(&mut handler).await else { panic!() };
    assert!(reason.contains("64 events"), "{reason}");
    let metrics = handler.template().metrics();
    assert_eq!((metrics.publishes, metrics.publishes_over_limit), (64, 1));
}

#[tokio::test]
async fn an_event_over_the_buss_limits_is_invalid() {
    let mut spec = allowed(&[">"]);
    spec.event_limits.data_bytes_max = 5;
    // The payload's text: 6 bytes at 1040.
    let code = publish(2048, 3).replace(
        "(i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)\n",
        "(i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1040)\n",
    );
    let code = code.replacen(
        "(i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512)",
        "(i32.const 6) (i32.const 0) (i32.const 0) (i32.const 512)",
        1,
    );
    let guest = Guest::handling(format!("{code} {REJECT_WITH_PUBLISH_ERROR}")).items(data(2048, "out"));
    let mut handler = start(&guest, spec).await;
    let Err(HandlerError::Failure(Failure::Reject(reason))) = handle(&mut handler).await else { panic!() };
    assert!(reason.contains("data has 6 bytes"), "{reason}");
    assert_eq!(handler.template().metrics().publishes_invalid, 1);
}

/// Publishes with so many extensions, all `k` = `v`.
fn with_extensions(count: usize) -> Guest {
    let list = format!(
        "(global.set $n (i32.const {count}))
         (loop (global.set $n (i32.sub (global.get $n) (i32.const 1)))
           (global.set $at (i32.add (i32.const 3000) (i32.mul (global.get $n) (i32.const 16))))
           (i32.store (global.get $at) (i32.const 2064)) (i32.store offset=4 (global.get $at) (i32.const 1))
           (i32.store offset=8 (global.get $at) (i32.const 2065)) (i32.store offset=12 (global.get $at) (i32.const 1))
           (br_if 0 (global.get $n)))"
    );
    let publish =
        publish(2048, 3).replacen("(i32.const 0) (i32.const 512)", &format!("(i32.const {count}) (i32.const 512)"), 1);
    let publish = publish.replacen(
        &format!("(i32.const 0) (i32.const {count}) (i32.const 512)"),
        &format!("(i32.const 3000) (i32.const {count}) (i32.const 512)"),
        1,
    );
    Guest::handling(format!(
        "{list} {publish} (if (result i32) (i32.load8_u (i32.const 512)) (then {REJECT_WITH_PUBLISH_ERROR}) (else {ACK}))"
    ))
    .items(format!("{} {} (global $n (mut i32) (i32.const 0)) (global $at (mut i32) (i32.const 0))", data(2048, "out"), data(2064, "kv")))
}

#[tokio::test]
async fn the_trace_that_is_passed_on_does_not_count_among_the_extensions() {
    // The event handled has a `traceparent`, which the host adds by itself: 32 more fit, 33 do not.
    let delivery = delivery(event("{}"));
    let outcome = start(&with_extensions(32), allowed(&["out"])).await.handle(&delivery).await;
    assert_eq!((outcome, delivery.outbox.take()[0].extensions.len()), (Ok(Reply(None)), 33));
    let mut handler = start(&with_extensions(33), allowed(&["out"])).await;
    let Err(HandlerError::Failure(Failure::Reject(reason))) = handle(&mut handler).await else { panic!() };
    assert!(reason.contains("33 extensions"), "{reason}");
}

#[tokio::test]
async fn topic_content_type_and_extensions_count_among_the_bytes() {
    let over = async |guest: Guest, limit: usize| {
        let mut handler = start(&guest, allowed(&["out"])).await;
        let event = event("{}");
        let outbox = Outbox::new(OutboxLimits { events_max: 1, bytes_max: limit });
        let (attempt, subscription) = (1, Name::parse("plugin/probe").unwrap());
        let delivery = Arc::new(Delivery {
            event: Arc::new(event),
            attempt,
            subscription,
            outbox,
            state: plugbus_bus::State::detached(plugbus_bus::StateLimits::default()),
            notes: plugbus_bus::Notes::default(),
        });
        match handler.handle(&delivery).await {
            Ok(_) => None,
            Err(error) => Some(error.to_string()),
        }
    };
    // `out`, `application/octet-stream`, ten times `k` and `v`, and the trace that is passed on.
    let bytes = 3 + 24 + 20 + "traceparent00-aa".len();
    assert_eq!(over(with_extensions(10), bytes).await, None);
    let refused = over(with_extensions(10), bytes - 1).await.unwrap();
    assert!(refused.contains(&format!("{bytes} bytes")), "{refused}");
}

/// Logs a text at a level so many times.
fn logger(text: &str, level: u32, times: u32) -> Guest {
    Guest::handling(format!(
        "(global.set $n (i32.const {times}))
         (loop (call $log (i32.const {level}) (i32.const 1040) (i32.const 4) (i32.const 2048) (i32.const {}))
           (global.set $n (i32.sub (global.get $n) (i32.const 1))) (br_if 0 (global.get $n))) {ACK}",
        text.len()
    ))
    .items(format!("{} (global $n (mut i32) (i32.const 0))", data(2048, text)))
}

#[tokio::test]
async fn log_lines_go_to_the_sink_with_level_context_and_event() {
    let lines = Arc::new(Lines::default());
    let mut handler = start(&logger("hello", 3, 1), PluginSpec { log: lines.clone(), ..spec() }).await;
    handle(&mut handler).await.unwrap();
    let expected = (LogLevel::Warn, "hook".to_owned(), "hello".to_owned(), Some("event-1".to_owned()));
    assert_eq!(*lines.0.lock().unwrap(), [expected]);
}

#[tokio::test]
async fn a_flood_of_log_lines_is_cut_counted_and_said_once_for_each_event() {
    let lines = Arc::new(Lines::default());
    let mut spec = PluginSpec { log: lines.clone(), ..spec() };
    spec.limits.log_bytes = 100;
    let mut handler = start(&logger("0123456789", 2, 1000), spec).await;
    for _ in 0..2 {
        lines.0.lock().unwrap().clear();
        handle(&mut handler).await.unwrap();
        let messages = lines.messages();
        let (last, before) = messages.split_last().unwrap();
        assert!(last.starts_with("warn host: ") && last.contains("log_bytes (100)"), "{last}");
        assert!(before.len() <= 8 && before.iter().all(|line| line.starts_with("info hook: 0")), "{before:?}");
    }
    let cut = handler.template().metrics().log_bytes_cut;
    assert!((2 * 13_900..2 * 14_000).contains(&cut), "{cut}");
}

#[tokio::test]
async fn empty_lines_come_to_an_end_too() {
    let lines = Arc::new(Lines::default());
    let mut spec = PluginSpec { log: lines.clone(), ..spec() };
    spec.limits.log_bytes = 10;
    let code = "(global.set $n (i32.const 1000))
        (loop (call $log (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
          (global.set $n (i32.sub (global.get $n) (i32.const 1))) (br_if 0 (global.get $n))) (i32.const 64)";
    let guest = Guest::handling(code).items("(global $n (mut i32) (i32.const 0))");
    handle(&mut start(&guest, spec).await).await.unwrap();
    assert_eq!(lines.messages().len(), 10);
}
