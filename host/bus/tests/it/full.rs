use std::time::Duration;

use plugbus_bus::*;

use crate::support::*;

/// A subscription whose handler never takes a second event.
fn stuck(bus: &Bus, policy: WhenFull) -> Subscription {
    let subscribe = bus.subscribe(">").name("stuck").queue_events_max(2).when_full(policy);
    subscribe.on(|_| std::future::pending::<()>()).unwrap()
}

/// Fills the handler and the queue: three events.
async fn fill(bus: &Bus) {
    bus.publish(draft("f")).await.unwrap();
    while bus.subscriptions()[0].in_flight == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..2 {
        bus.publish(draft("f")).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn wait_waits_its_time_once_then_overflow_becomes_dead_letters_at_once() {
    let bus = Bus::default();
    let _stuck = stuck(&bus, WhenFull::Wait { max: Duration::from_secs(3) });
    fill(&bus).await;
    let begun = tokio::time::Instant::now();
    let receipt = bus.publish(draft("over").id("first")).await.unwrap();
    assert_eq!((begun.elapsed().as_secs(), receipt.matched, receipt.dead), (3, 1, 1));
    let receipt = bus.publish(draft("over")).await.unwrap();
    assert_eq!((begun.elapsed().as_secs(), receipt.dead), (3, 1), "nobody waits for it again");
    let letters = bus.dead_letters().list(&DeadFilter::default());
    assert_eq!(&*letters[0].event.id, "first");
    assert_eq!(letters[0].reason, DeadReason::QueueFull { waiting: 2, held: false });
}

#[tokio::test(start_paused = true)]
async fn wait_goes_on_as_soon_as_there_is_room() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let recorded = seen.clone();
    let _slow = bus
        .subscribe(">")
        .queue_events_max(1)
        .when_full(WhenFull::Wait { max: Duration::from_secs(10) })
        .on(move |delivery| {
            let seen = recorded.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                seen.add(delivery.event.topic.as_str());
            }
        })
        .unwrap();
    for number in 0..10 {
        assert_eq!(bus.publish(draft(&format!("n{number}"))).await.unwrap().dead, 0);
    }
    assert_eq!(seen.until(10).await, (0..10).map(|n| format!("n{n}")).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn publishers_wait_again_after_the_queue_has_fallen_to_half() {
    let bus = Bus::default();
    let go = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let permits = go.clone();
    let _sub = bus
        .subscribe(">")
        .name("gated")
        .queue_events_max(2)
        .when_full(WhenFull::Wait { max: Duration::from_secs(3) })
        .on(move |_| {
            let go = permits.clone();
            async move { go.acquire().await.unwrap().forget() }
        })
        .unwrap();
    fill(&bus).await;
    assert_eq!(bus.publish(draft("lost")).await.unwrap().dead, 1);
    go.add_permits(3);
    assert!(bus.wait_idle(LONG).await);
    fill(&bus).await;
    let begun = tokio::time::Instant::now();
    assert_eq!(bus.publish(draft("waits")).await.unwrap().dead, 1);
    assert_eq!(begun.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn try_publish_is_refused_where_publish_would_wait_and_nobody_sees_the_event() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let _stuck = stuck(&bus, WhenFull::default());
    let _other = bus.subscribe(">").handlers(vec![recorder(&seen, "")]).unwrap();
    fill(&bus).await;
    seen.until(3).await;
    let refused = bus.try_publish(draft("no").id("x")).unwrap_err();
    assert!(matches!(&refused, PublishError::Full { by, .. } if by.as_str() == "stuck"));
    assert_eq!(refused.into_draft(), draft("no").id("x"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(seen.all().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_subscription_that_is_paused_or_suspended() {
    let bus = Bus::default();
    let sub = stuck(&bus, WhenFull::default());
    for hold in [Control::pause as fn(&Control), Control::suspend] {
        hold(&sub);
        let begun = tokio::time::Instant::now();
        for _ in 0..5 {
            bus.publish(draft("a")).await.unwrap();
            bus.try_publish(draft("a")).unwrap();
        }
        assert_eq!(begun.elapsed(), Duration::ZERO);
        sub.resume();
    }
    let letters = bus.dead_letters().list(&DeadFilter::default());
    assert!(letters.iter().all(|letter| letter.reason == DeadReason::QueueFull { waiting: 2, held: true }));
}

#[tokio::test(start_paused = true)]
async fn refuse_hands_the_event_back_before_anybody_sees_it() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let _stuck = stuck(&bus, WhenFull::Refuse);
    let _other = bus.subscribe(">").handlers(vec![recorder(&seen, "")]).unwrap();
    fill(&bus).await;
    assert!(matches!(bus.publish(draft("no")).await, Err(PublishError::Full { .. })));
    seen.until(3).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(seen.all().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn drops_are_counted_and_kept_on_request() {
    for (policy, kept) in [(WhenFull::DropOldest, ["n3", "n4"]), (WhenFull::DropNewest, ["n1", "n2"])] {
        let bus = Bus::default();
        let subscribe = bus.subscribe(">").queue_events_max(2).when_full(policy).dead_letter_drops(true);
        let mut stream = subscribe.stream().unwrap();
        for number in 1..=4 {
            bus.publish(draft(&format!("n{number}"))).await.unwrap();
        }
        let stats = stream.control().stats();
        assert_eq!((stats.dropped, stats.waiting), (2, 2));
        for topic in kept {
            assert_eq!(stream.next().await.unwrap().topic.as_str(), topic);
        }
        assert_eq!(bus.dead_letters().stats().held, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_goes_away_while_it_waits_leaves_a_dead_letter() {
    let bus = Bus::default();
    let _stuck = stuck(&bus, WhenFull::Wait { max: LONG });
    fill(&bus).await;
    assert!(tokio::time::timeout(Duration::from_secs(1), bus.publish(draft("gone"))).await.is_err());
    let letters = bus.dead_letters().list(&DeadFilter::default());
    assert_eq!((letters.len(), &letters[0].reason), (1, &DeadReason::PublisherGone));
}

#[tokio::test(start_paused = true)]
async fn the_bound_in_bytes_holds() {
    let bus = Bus::default();
    let subscribe = bus.subscribe(">").queue_bytes_max(10_000).when_full(WhenFull::DropNewest);
    let stream = subscribe.stream().unwrap();
    for _ in 0..10 {
        bus.publish(draft("a").text("x".repeat(3000))).await.unwrap();
    }
    let stats = stream.control().stats();
    assert!(stats.waiting_bytes <= 10_000 && stats.waiting == 3, "{stats:?}");
    assert_eq!(stats.dropped, 7);
}

#[tokio::test(start_paused = true)]
async fn who_cannot_wait_is_refused_while_others_wait_and_host_events_take_the_room_there_is() {
    let bus = Bus::default();
    let narrow = bus.subscribe([">", "plugbus.probe"]).queue_events_max(1).when_full(WhenFull::Wait { max: LONG });
    let mut stream = narrow.stream().unwrap();
    bus.publish(draft("a")).await.unwrap();
    let mut waiting = Box::pin(bus.publish(draft("b")));
    assert!(std::future::poll_fn(|context| std::task::Poll::Ready(waiting.as_mut().poll(context))).await.is_pending());
    assert_eq!(stream.next().await.unwrap().topic.as_str(), "a");
    // There is room now, and it is the waiting publisher's.
    assert!(matches!(bus.try_publish(draft("c")), Err(PublishError::Full { .. })));
    bus.publish_host("plugbus.probe", &1);
    assert_eq!(stream.next().await.unwrap().topic.as_str(), "plugbus.probe");
    assert_eq!(waiting.await.unwrap().dead, 0);
    assert_eq!(stream.next().await.unwrap().topic.as_str(), "b");
    assert_eq!(bus.dead_letters().stats().total, 0);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_no_event_that_it_would_not_get() {
    let bus = Bus::default();
    let picky = bus.subscribe(">").from_source("mine").queue_events_max(1).when_full(WhenFull::Refuse);
    let _picky = picky.stream().unwrap();
    bus.publish(draft("a").source("mine")).await.unwrap();
    assert!(matches!(bus.publish(draft("a").source("mine")).await, Err(PublishError::Full { .. })));
    assert_eq!(bus.publish(draft("a").source("other")).await.unwrap().matched, 0);
}

#[tokio::test(start_paused = true)]
async fn everything_about_an_event_counts_when_it_is_refused_by_bytes() {
    let bus = Bus::default();
    let small = bus.subscribe(">").queue_bytes_max(2000).when_full(WhenFull::Refuse);
    let _small = small.stream().unwrap();
    bus.publish(draft("a")).await.unwrap();
    for heavy in [draft("a").extension("x", "x".repeat(1900)), draft("a").subject("x".repeat(1900))] {
        let refused = bus.publish(heavy.clone()).await.unwrap_err();
        assert_eq!(refused.into_draft(), heavy);
    }
    assert_eq!(bus.dead_letters().stats().total, 0);
}

#[tokio::test(start_paused = true)]
async fn a_publisher_waits_for_all_full_queues_at_once() {
    let bus = Bus::default();
    let wait = |name: &str| {
        let subscribe = bus.subscribe(">").name(name).queue_events_max(1);
        subscribe.when_full(WhenFull::Wait { max: LONG }).stream().unwrap()
    };
    let (slow, mut quick) = (wait("slow"), wait("quick"));
    bus.publish(draft("a")).await.unwrap();
    let publishing = tokio::spawn({
        let bus = bus.clone();
        async move { bus.publish(draft("b")).await.unwrap() }
    });
    while slow.control().stats().full + quick.control().stats().full < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(quick.next().await.unwrap().topic.as_str(), "a");
    let next = tokio::time::timeout(Duration::from_secs(1), quick.next()).await;
    assert_eq!(next.unwrap().unwrap().topic.as_str(), "b", "it does not stand behind the slow one");
    assert_eq!((publishing.await.unwrap().dead, slow.control().stats().dead), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_makes_room_lets_waiting_publishers_in() {
    let bus = Bus::default();
    let sub = stuck(&bus, WhenFull::Wait { max: LONG });
    fill(&bus).await;
    let waiting = tokio::spawn({
        let bus = bus.clone();
        async move { bus.publish(draft("a")).await.unwrap() }
    });
    while sub.stats().full == 0 {
        tokio::task::yield_now().await;
    }
    let settings = Settings { queue_events_max: 10.try_into().unwrap(), ..Settings::clone(&sub.settings()) };
    let handlers = vec![recorder(&Seen::default(), "")];
    let new = Replace { filters: sub.filters(), handlers, settings: Some(settings) };
    let control = sub.control();
    // The old handler hangs until the end of the grace, and its lane with it: nothing is taken out.
    let replacing = tokio::spawn(async move { control.replace(new, LONG * 10).await.map(drop) });
    let receipt = tokio::time::timeout(Duration::from_secs(1), waiting).await.unwrap().unwrap();
    assert_eq!((receipt.dead, sub.stats().waiting), (0, 3));
    replacing.abort();
}

#[tokio::test(start_paused = true)]
async fn a_receipt_counts_the_dead_letter_of_a_wait_that_was_too_short() {
    let bus = Bus::default();
    let _stuck = stuck(&bus, WhenFull::Wait { max: LONG });
    fill(&bus).await;
    let settled = bus.publish_and_wait(draft("a"), Duration::from_secs(1)).await.unwrap();
    assert_eq!((settled.receipt.dead, &settled.results[0].1), (1, &Settlement::Dead(DeadReason::PublisherGone)));
}
