use std::sync::Arc;
use std::time::Duration;

use plugbus_bus::*;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn an_event_reaches_every_subscription_that_matches_and_no_other() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let _a = bus.subscribe("a.*").handlers(vec![recorder(&seen, "1:")]).unwrap();
    let _b = bus.subscribe(["a.b", "a.c", "a.>"]).handlers(vec![recorder(&seen, "2:")]).unwrap();
    let _c = bus.subscribe("b.*").handlers(vec![recorder(&seen, "3:")]).unwrap();
    let receipt = bus.publish(draft("a.b")).await.unwrap();
    assert_eq!((receipt.matched, receipt.seq), (2, 1));
    let mut all = seen.until(2).await;
    all.sort();
    assert!(bus.wait_idle(LONG).await);
    assert_eq!(all, ["1:a.b", "2:a.b"]);
}

#[tokio::test(start_paused = true)]
async fn the_bus_stamps_what_the_publisher_left_out_and_keeps_what_it_gave() {
    let bus = Bus::builder().default_source("me").build();
    let mut stream = bus.subscribe(">").stream().unwrap();
    bus.publish(draft("a")).await.unwrap();
    bus.publish(draft("b").id("i").source("s").subject("x").time_ns(5).extension("k", "1").extension("k", "2"))
        .await
        .unwrap();
    let first = stream.next().await.unwrap();
    assert_eq!((&*first.source, first.seq, first.id.len()), ("me", 1, 36));
    assert!(first.time_ns > 1_700_000_000_000_000_000);
    let second = stream.next().await.unwrap();
    assert_eq!((&*second.id, &*second.source, second.subject.as_deref(), second.time_ns), ("i", "s", Some("x"), 5));
    assert_eq!(second.extensions, [(Arc::from("k"), Arc::from("2"))]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_hands_the_event_back() {
    let bus = Bus::builder().event_limits(EventLimits { data_bytes_max: 3, extensions_max: 1 }).build();
    let big = draft("a").text("four");
    let error = bus.publish(big.clone()).await.unwrap_err();
    assert!(matches!(&error, PublishError::Invalid { source: InvalidEvent::DataTooLarge { bytes: 4, .. }, .. }));
    assert_eq!(error.into_draft(), big);
    let host = draft("plugbus.plugin.loaded");
    let error = bus.try_publish(host.clone()).unwrap_err();
    assert!(matches!(&error, PublishError::Invalid { source: InvalidEvent::HostTopic(_), .. }));
    assert_eq!(error.into_draft(), host);
    assert_eq!(bus.stats().refused, 2);
}

#[tokio::test(start_paused = true)]
async fn only_declared_topics_are_taken_by_a_strict_bus() {
    let bus = Bus::builder().strict_topics(true).build();
    assert!(matches!(bus.try_publish(draft("a")), Err(PublishError::Undeclared { .. })));
    bus.declare(&Topic::parse("a").unwrap(), "the first letter");
    bus.try_publish(draft("a")).unwrap();
    let topics = bus.topics(&Filter::parse(">").unwrap());
    assert_eq!((topics[0].published, topics[0].declared.as_deref()), (1, Some("the first letter")));
}

#[tokio::test(start_paused = true)]
async fn only_what_is_accepted_counts_as_published() {
    let bus = Bus::default();
    let _full = bus.subscribe("a").queue_events_max(1).when_full(WhenFull::Refuse).stream().unwrap();
    bus.publish(draft("a")).await.unwrap();
    bus.publish(draft("a")).await.unwrap_err();
    assert_eq!(bus.topics(&Filter::parse("a").unwrap())[0].published, 1);
}

#[tokio::test]
async fn a_subscription_that_has_ended_is_let_go() {
    let bus = Bus::default();
    let held = Arc::new(());
    let (inline, queued) = (held.clone(), held.clone());
    let inline = bus.subscribe(">").inline(move |_: &Delivery| assert_eq!(Arc::strong_count(&inline), 3)).unwrap();
    let queued = bus.subscribe(">").on(move |_| {
        let _held = queued.clone();
        async {}
    });
    for topic in ["a", "b", "c"] {
        bus.publish(draft(topic)).await.unwrap();
    }
    assert!(bus.wait_idle(LONG).await);
    drop((inline, queued));
    let gone = async {
        while Arc::strong_count(&held) > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG / 2, gone).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn topics_over_the_directorys_bound_are_still_delivered() {
    let bus = Bus::builder().topics_max(1).build();
    let mut stream = bus.subscribe(">").stream().unwrap();
    for topic in ["a", "b", "b"] {
        assert_eq!(bus.publish(draft(topic)).await.unwrap().matched, 1);
    }
    for topic in ["a", "b", "b"] {
        assert_eq!(stream.next().await.unwrap().topic.as_str(), topic);
    }
    assert_eq!((bus.topics(&Filter::parse(">").unwrap()).len(), bus.stats().topics_unlisted), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn every_subscribers_outcome_comes_back_to_who_waits() {
    let bus = Bus::default();
    let _a = bus.subscribe("a").name("acks").on(|_| async { Payload::text("hi") }).unwrap();
    let _b = bus.subscribe("a").name("rejects").on(|_| async { Err::<(), _>(Failure::reject("no")) }).unwrap();
    let _c = bus.subscribe("a").name("hangs").on(|_| std::future::pending::<()>()).unwrap();
    let _d = bus.subscribe("a").name("inline").inline(|_: &Delivery| Payload::text("in")).unwrap();
    let settled = bus.publish_and_wait(draft("a"), Duration::from_secs(5)).await.unwrap();
    let results: Vec<_> = settled.results.iter().map(|(name, s)| (name.as_str(), s.name())).collect();
    assert_eq!(results, [("inline", "acked"), ("acks", "acked"), ("rejects", "dead"), ("hangs", "pending")]);
    assert_eq!(settled.results[2].1, Settlement::Dead(DeadReason::Rejected("no".into())));
    assert!(!settled.all_acked());
}

#[tokio::test(start_paused = true)]
async fn waiting_covers_retries() {
    let bus = Bus::default();
    let _a = bus
        .subscribe("a")
        .on(|delivery| async move {
            if delivery.attempt < 3 {
                Err(Failure::retry("not yet"))
            } else {
                Ok(Payload::text(delivery.attempt.to_string()))
            }
        })
        .unwrap();
    let settled = bus.publish_and_wait(draft("a"), LONG).await.unwrap();
    assert_eq!(settled.results[0].1, Settlement::Acked(Reply(Some(Payload::text("3")))));
}

#[tokio::test(start_paused = true)]
async fn a_request_gets_the_first_reply() {
    let bus = Bus::default();
    let limit = Duration::from_secs(1);
    assert!(matches!(bus.request(draft("a"), limit).await, Err(RequestError::NoSubscriber { .. })));
    let _silent = bus.subscribe("a").on(|_| async {}).unwrap();
    assert!(matches!(bus.request(draft("a"), limit).await, Err(RequestError::NoReply { settled: 1, .. })));
    let hangs = bus.subscribe("a").on(|_| std::future::pending::<()>()).unwrap();
    assert!(matches!(bus.request(draft("a"), limit).await, Err(RequestError::TimedOut { timeout_ms: 1000 })));
    let _replies = bus.subscribe("a").on(|_| async { Payload::text("pong") }).unwrap();
    assert_eq!(bus.request(draft("a"), limit).await.unwrap(), Payload::text("pong"));
    drop(hangs);
}

#[tokio::test(start_paused = true)]
async fn the_host_tells_of_topics_and_subscriptions() {
    let bus = Bus::default();
    let mut host = bus.subscribe("plugbus.>").stream().unwrap();
    let sub = bus.subscribe("a.*").name("mine").on(|_| async {}).unwrap();
    bus.publish(draft("a.b")).await.unwrap();
    bus.publish(draft("a.b")).await.unwrap();
    while sub.stats().acked < 2 {
        tokio::task::yield_now().await;
    }
    drop(sub);
    let mut told = Vec::new();
    for _ in 0..4 {
        let event = host.next().await.unwrap();
        let data: serde_json::Value = event.payload.parse().unwrap();
        told.push(format!("{} {}", event.topic, data["subscription"].as_str().or(data["topic"].as_str()).unwrap()));
    }
    // The first is the stream's own subscription.
    assert_eq!(told[0], "plugbus.subscription.added subscription-0");
    assert_eq!(told[1], "plugbus.subscription.added mine");
    assert_eq!(told[2], "plugbus.topic.added a.b");
    assert_eq!(told[3], "plugbus.subscription.removed mine");
}

#[tokio::test(start_paused = true)]
async fn typed_events_arrive_as_their_type_and_others_are_rejected() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Order {
        number: u32,
    }
    impl TypedEvent for Order {
        const TOPIC: &'static str = "order";
    }
    let (bus, seen) = (Bus::default(), Seen::default());
    let recorded = seen.clone();
    let _sub = bus
        .subscribe_typed::<Order>()
        .on_typed(move |order: Order| {
            let seen = recorded.clone();
            async move { seen.add(order.number.to_string()) }
        })
        .unwrap();
    bus.publish(Draft::typed(&Order { number: 7 }).unwrap()).await.unwrap();
    bus.publish(draft("order").text("nonsense")).await.unwrap();
    assert_eq!(seen.until(1).await, ["7"]);
    assert!(bus.wait_idle(LONG).await);
    let letters = bus.dead_letters().list(&DeadFilter::default());
    assert!(matches!(&letters[0].reason, DeadReason::Rejected(reason) if reason.starts_with("data is no order")));
}

#[tokio::test(start_paused = true)]
async fn wait_for_finds_the_event_that_satisfies() {
    let bus = Bus::default();
    let waiting = tokio::spawn({
        let bus = bus.clone();
        async move { bus.wait_for("a.*", |event| event.subject.as_deref() == Some("me"), LONG).await }
    });
    while bus.subscriptions().is_empty() {
        tokio::task::yield_now().await;
    }
    bus.publish(draft("a.b")).await.unwrap();
    bus.publish(draft("a.c").subject("me")).await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().topic.as_str(), "a.c");
    assert!(bus.subscriptions().is_empty());
    let late = bus.wait_for("a.*", |_| true, Duration::from_secs(1)).await;
    assert!(matches!(late, Err(WaitError::TimedOut { .. })));
}
