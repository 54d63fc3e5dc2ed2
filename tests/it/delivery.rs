//! What a guest publishes leaves it when it acks; what it cannot handle comes again, and ends as a dead letter that tells
//! every attempt.

use std::sync::Arc;

use plugbus::bus::{DeadFilter, DeadLetter, DeadReason, Event, Payload, Reply, Settlement};

use crate::support::events::Recorder;
use crate::support::host::TestHost;
use crate::support::wait::PATIENCE;

const SOON: &str = "[retry]\nbackoff_min_ms = 1\nbackoff_max_ms = 1\n";

/// The one settlement by a plugin.
async fn settle(host: &TestHost, text: &str) -> Settlement {
    let mut settled = host.settle("in", text).await;
    assert_eq!(settled.len(), 1, "{settled:?}");
    settled.remove(0).1
}

fn is_reply(settlement: &Settlement, text: &str) -> bool {
    matches!(settlement, Settlement::Acked(Reply(Some(reply))) if reply.data == text.as_bytes())
}

/// The one dead letter.
fn letter(host: &TestHost) -> DeadLetter {
    let mut letters = host.bus().dead_letters().list(&DeadFilter::default());
    assert_eq!(letters.len(), 1, "{letters:?}");
    letters.remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_fails_publishes_nothing_and_the_one_that_succeeds_publishes_once() {
    for how in ["trap", "retry"] {
        let host = TestHost::start().await;
        let manifest = format!("filters = [\"in\"]\npublish = [\"out\"]\n{SOON}[config]\nhow = \"{how}\"");
        host.run_fixture("fails", "publish-then-fail", &manifest).await;
        let out = Recorder::on(host.bus(), "out");
        let failed = Recorder::on(host.bus(), "plugbus.delivery.failed");
        for (number, text) in ["a", "b", "c"].into_iter().enumerate() {
            assert!(is_reply(&settle(&host, text).await, "ok"), "{how}");
            // The first attempt is over before anything comes out.
            let (out, failed) = (out.all(), failed.all());
            assert_eq!((out.len(), failed.len()), (number + 1, number + 1), "{how}");
            assert!(failed[number].seq < out[number].seq, "{how}");
        }
        assert_eq!(out.texts(), ["a", "b", "c"], "{how}");
        host.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_is_given_up_has_published_nothing() {
    for (how, attempts) in [("reject", 5), ("retry", 1), ("trap", 1)] {
        let host = TestHost::start().await;
        let manifest = format!(
            "filters = [\"in\"]\npublish = [\"out\"]\n[retry]\nattempts = {attempts}\n[config]\nhow = \"{how}\""
        );
        host.run_fixture("fails", "publish-then-fail", &manifest).await;
        let out = Recorder::on(host.bus(), "out");
        assert!(matches!(settle(&host, "text").await, Settlement::Dead(_)), "{how}");
        host.until_idle("fails").await;
        assert_eq!(out.count(), 0, "{how}");
        // The guest's publish had been taken, so it was held back and not refused.
        let metrics = host.status("fails").unwrap().running.unwrap().metrics;
        assert_eq!((metrics.publishes, metrics.publishes_denied), (1, 0), "{how}");
        host.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_asks_twice_gets_the_event_a_third_time() {
    let host = TestHost::start().await;
    host.run_fixture("asks", "retry-twice", "filters = [\"in\"]\n[config]\nafter_ms = 7").await;
    assert!(is_reply(&settle(&host, "text").await, "attempt 3"));
    let reports = host.told.json("plugbus.delivery.failed");
    let said: Vec<_> = reports
        .iter()
        .map(|r| (r["kind"].as_str().unwrap(), r["reason"].as_str().unwrap(), r["next"]["retry_after_ms"].as_u64()))
        .collect();
    let expected =
        [("retry", "retry: attempt 1 is too early", Some(7)), ("retry", "retry: attempt 2 is too early", Some(7))];
    assert_eq!(said, expected);
    let stats = host.stats("asks");
    assert_eq!((stats.matched, stats.attempts, stats.acked, stats.retried, stats.dead), (1, 3, 1, 2, 0));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_asks_for_ever_gets_a_dead_letter_with_the_reason_of_every_attempt() {
    let host = TestHost::start().await;
    host.run_fixture("asks", "retry-always", &format!("filters = [\"in\"]\n{SOON}")).await;
    let settled = settle(&host, "text").await;
    assert!(matches!(settled, Settlement::Dead(DeadReason::Exhausted { attempts: 5, .. })), "{settled:?}");
    let letter = letter(&host);
    assert_eq!(letter.subscription.as_ref().map(ToString::to_string).as_deref(), Some("plugin/asks"));
    assert_eq!(letter.event.payload, Payload::text("text"));
    let attempts: Vec<_> = letter.attempts.iter().map(|a| (a.attempt, a.kind, a.reason.as_str())).collect();
    let reason = "retry: not yet, and never";
    assert_eq!(attempts, [1, 2, 3, 4, 5].map(|number| (number, "retry", reason)));
    assert_eq!(letter.reason.to_string(), format!("5 attempts used up, the last: {reason}"));
    let report = host.told.until_json("plugbus.delivery.dead", |_| true).await;
    assert_eq!((&report["kind"], &report["letter"]), (&"exhausted".into(), &letter.id.into()));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_rejects_gets_no_second_attempt() {
    let host = TestHost::start().await;
    host.run_fixture("rejects", "reject", "filters = [\"in\"]").await;
    let settled = settle(&host, "not for me").await;
    assert_eq!(settled, Settlement::Dead(DeadReason::Rejected("not for me".into())));
    assert_eq!(letter(&host).attempts.len(), 1);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_is_replayed_to_the_build_that_can_handle_it() {
    let host = TestHost::start().await;
    let manifest = format!("filters = [\"in\"]\n{SOON}");
    host.run_fixture("plugin", "trap-on-poison", &manifest).await;
    assert!(matches!(settle(&host, "poison").await, Settlement::Dead(_)));
    let dead = letter(&host);
    assert_eq!(dead.attempts.len(), 5);
    assert!(dead.attempts.iter().all(|attempt| attempt.stderr.as_ref().unwrap().contains("poisoned by")));
    // One poison event is no reason to suspend the plugin.
    assert!(is_reply(&settle(&host, "fine").await, "fine"));

    host.put_fixture("plugin", "echo", &manifest);
    host.told.until_json("plugbus.plugin.reloaded", |_| true).await;
    let acked = host.stats("plugin").acked;
    host.bus().dead_letters().replay(dead.id).await.unwrap();
    host.until("the replayed event is acked", || host.stats("plugin").acked == acked + 1).await;
    assert_eq!(host.bus().dead_letters().stats().held, 0);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_follows_from_an_event_keeps_its_subject_and_trace_and_is_one_hop_further() {
    let host = TestHost::start().await;
    let manifest =
        |from: &str, to: &str| format!("filters = [\"{from}\"]\npublish = [\"{to}\"]\n[config]\ntopic = \"{to}\"");
    host.run_fixture("first", "republish", &manifest("in", "between")).await;
    host.run_fixture("second", "republish", &manifest("between", "out")).await;
    let between = Recorder::on(host.bus(), "between");
    let out = Recorder::on(host.bus(), "out");
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let payload = Payload::new("application/x-test", vec![0_u8, 255, 254, 10]);
    let draft = Event::draft("in").unwrap().payload(payload.clone()).subject("session-7");
    let draft = draft.source("test").extension("traceparent", trace).extension("other", "stays behind");
    host.bus().publish_and_wait(draft, PATIENCE).await.unwrap();
    host.until("both have published", || out.count() == 1).await;
    for (event, source, hops) in [(&between.all()[0], "plugin/first", 1), (&out.all()[0], "plugin/second", 2)] {
        let Event { source: found, subject, payload: data, extensions, hops: found_hops, .. } = &**event;
        assert_eq!((&**found, *found_hops, data), (source, hops, &payload));
        assert_eq!(subject.as_deref(), Some("session-7"));
        assert_eq!(*extensions, [(Arc::from("traceparent"), Arc::from(trace))]);
    }
    host.stop().await;
}
