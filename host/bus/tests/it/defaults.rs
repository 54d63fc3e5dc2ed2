//! The defaults of the design, and what is counted.

use std::time::Duration;

use plugbus_bus::*;

use crate::support::*;

#[test]
fn every_bound_has_the_default_of_the_design() {
    let settings = Settings::default();
    assert_eq!(
        (settings.concurrency.get(), settings.queue_events_max.get(), settings.queue_bytes_max),
        (1, 1024, 64 << 20)
    );
    assert_eq!(settings.when_full, WhenFull::Wait { max: Duration::from_secs(1) });
    assert!(settings.ordering_key.is_none() && settings.source.is_none() && settings.events_max.is_none());
    assert!(settings.timeout.is_none() && !settings.dead_letter_drops);
    let RetryPolicy { attempts, backoff_min, backoff_max, retry_after_max, jitter } = settings.retry;
    let millis = [backoff_min, backoff_max, retry_after_max].map(|duration| duration.as_millis());
    assert_eq!((attempts.get(), millis, jitter), (5, [100, 30_000, 300_000], 0.2));
    assert_eq!((settings.outbox.events_max, settings.outbox.bytes_max), (64, 1 << 20));
    assert_eq!(EventLimits::default(), EventLimits { data_bytes_max: 1 << 20, extensions_max: 32 });
    assert_eq!(DeadLetterLimits::default(), DeadLetterLimits { letters_max: 10_000, bytes_max: 64 << 20 });
    assert_eq!(HOPS_MAX, 16);
}

#[tokio::test(start_paused = true)]
async fn the_bus_counts_what_it_took_and_what_it_did_not() {
    let bus = Bus::default();
    let _sub = bus.subscribe("a").on(|_| async { Err::<(), _>(Failure::reject("no")) }).unwrap();
    bus.publish(draft("a")).await.unwrap();
    bus.publish(draft("nobody")).await.unwrap();
    bus.publish(draft("plugbus.x")).await.unwrap_err();
    let hold = bus.hold(Filter::parse("held").unwrap(), HoldMode::LatestPerTopic, 1);
    for _ in 0..2 {
        bus.publish(draft("held")).await.unwrap();
    }
    let mute = bus.mute(Filter::parse("muted").unwrap());
    bus.publish(draft("muted")).await.unwrap();
    assert!(bus.wait_idle(LONG).await);
    let stats = bus.stats();
    assert_eq!((stats.accepted, stats.refused, stats.unmatched), (2, 1, 1));
    assert_eq!((stats.held, stats.muted), (2, 2), "one was muted, one replaced in the hold");
    assert_eq!(
        (stats.subscriptions, stats.dead_letters.total, stats.outbox_refused, stats.topics_unlisted),
        (1, 1, 0, 0)
    );
    drop((hold, mute));
    assert_eq!(bus.stats().accepted, 3);
}

#[tokio::test(start_paused = true)]
async fn data_is_shared_by_every_subscriber() {
    let bus = Bus::default();
    let (mut one, mut two) = (bus.subscribe(">").stream().unwrap(), bus.subscribe("a").stream().unwrap());
    let payload = Payload::text("x".repeat(1000));
    let place = payload.data.as_ptr();
    bus.publish(draft("a").payload(payload)).await.unwrap();
    assert_eq!(one.next().await.unwrap().payload.data.as_ptr(), place);
    assert_eq!(two.next().await.unwrap().payload.data.as_ptr(), place);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_keeps_the_stderr_and_backtrace_of_every_attempt_and_the_report_the_limit() {
    let bus = Bus::default();
    let mut failed = bus.subscribe("plugbus.delivery.failed").stream().unwrap();
    let fault = |delivery: &Delivery| {
        let mut fault = Fault::new(FaultKind::Fuel { limit: 7 }, "spins");
        fault.stderr = Some(format!("stderr {}", delivery.attempt));
        fault.backtrace = vec![format!("frame {}", delivery.attempt)];
        Err(fault.into())
    };
    let retry = RetryPolicy { attempts: 2.try_into().unwrap(), ..RetryPolicy::default() };
    let _sub = bus.subscribe("a").retry(retry).handlers(vec![Box::new(Sync(fault))]).unwrap();
    bus.publish(draft("a")).await.unwrap();
    while bus.dead_letters().stats().held == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let letters = bus.dead_letters().list(&DeadFilter::default());
    let kept: Vec<_> = letters[0].attempts.iter().map(|a| (a.kind, a.stderr.clone(), a.backtrace.join(" "))).collect();
    let expected = |n: u32| ("fuel", Some(format!("stderr {n}")), format!("frame {n}"));
    assert_eq!(kept, [expected(1), expected(2)]);
    let told: serde_json::Value = failed.next().await.unwrap().payload.parse().unwrap();
    assert_eq!((told["kind"].as_str(), told["limit"].as_str()), (Some("fuel"), Some("7 fuel")));
    assert_eq!((told["stderr"].as_str(), told["backtrace"][0].as_str()), (Some("stderr 1"), Some("frame 1")));
    assert!(told["next"]["retry_after_ms"].as_u64().is_some_and(|ms| (80..=100).contains(&ms)), "{told}");
}

#[tokio::test(start_paused = true)]
async fn the_host_publishes_on_its_own_topics_only() {
    let bus = Bus::default();
    let mut all = bus.subscribe([">", "plugbus.x"]).stream().unwrap();
    bus.publish_host("a.b", &1);
    bus.publish_host("not a topic", &1);
    bus.publish_host("plugbus.x", &1);
    let event = all.next().await.unwrap();
    assert_eq!((event.topic.as_str(), &*event.source, event.payload.is_json()), ("plugbus.x", HOST_SOURCE, true));
    assert_eq!(all.control().stats().matched, 1);
}
