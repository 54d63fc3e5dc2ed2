use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use plugbus_bus::*;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn shutdown_settles_what_is_queued_and_what_handlers_publish_meanwhile() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let _relay = bus
        .subscribe("in")
        .on(|delivery| async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            delivery.outbox.publish("r", &delivery.event, draft("out")).unwrap();
        })
        .unwrap();
    let _out = bus.subscribe("out").handlers(vec![recorder(&seen, "")]).unwrap();
    for _ in 0..5 {
        bus.publish(draft("in")).await.unwrap();
    }
    let report = bus.shutdown(LONG).await;
    assert_eq!((report.unsettled.len(), report.cut_off, seen.all().len()), (0, 0, 5));
    assert!(matches!(bus.publish(draft("in")).await, Err(PublishError::Closed(_))));
    assert!(matches!(bus.subscribe(">").on(|_| async {}), Err(SubscribeError::Closed)));
}

#[tokio::test(start_paused = true)]
async fn shutdown_reports_every_event_that_was_not_settled() {
    let bus = Bus::default();
    let _hangs = bus.subscribe("a").name("hangs").on(|_| std::future::pending::<()>()).unwrap();
    let _paused = bus.subscribe("b").name("paused").paused().on(|_| async {}).unwrap();
    let _retries = bus
        .subscribe("c")
        .name("retries")
        .on(|_| async { Err::<(), _>(Failure::retry_after("later", Duration::from_secs(200))) })
        .unwrap();
    for topic in ["a", "a", "b", "c"] {
        bus.publish(draft(topic)).await.unwrap();
    }
    let begun = tokio::time::Instant::now();
    let report = bus.shutdown(Duration::from_secs(3)).await;
    assert_eq!(begun.elapsed().as_secs(), 3);
    let left: Vec<_> =
        report.unsettled.iter().map(|u| format!("{} {}#{}", u.subscription, u.event.topic, u.attempt)).collect();
    assert_eq!(left, ["hangs a#1", "hangs a#1", "paused b#1", "retries c#2"]);
    assert_eq!(report.cut_off, 1);
    assert!(bus.dead_letters().list(&DeadFilter::default()).is_empty());
}

#[tokio::test(start_paused = true)]
async fn streams_end_when_the_bus_does() {
    let bus = Bus::default();
    let mut stream = bus.subscribe(">").stream().unwrap();
    bus.publish(draft("a")).await.unwrap();
    let reader = tokio::spawn(async move {
        let mut seen = Vec::new();
        while let Some(event) = stream.next().await {
            seen.push(event.topic.to_string());
        }
        seen
    });
    bus.shutdown(LONG).await;
    assert_eq!(reader.await.unwrap(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_ends_streams_and_workers() {
    let bus = Bus::default();
    let mut stream = bus.subscribe(">").stream().unwrap();
    let sub = bus.subscribe(">").on(|_| async {}).unwrap();
    drop(bus);
    assert!(stream.next().await.is_none());
    assert!(sub.is_ended());
}

#[tokio::test(start_paused = true)]
async fn what_is_paused_is_idle_as_soon_as_nothing_of_it_is_in_flight() {
    let bus = Bus::default();
    let fail = |_| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Err::<(), _>(Failure::retry("later"))
    };
    let sub = bus.subscribe("a").on(fail).unwrap();
    bus.publish(draft("a")).await.unwrap();
    while sub.stats().in_flight == 0 {
        tokio::task::yield_now().await;
    }
    sub.pause();
    let begun = tokio::time::Instant::now();
    assert!(bus.wait_idle(LONG).await);
    assert_eq!(begun.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn for_ever_is_a_time_like_any_other() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let ever = Duration::MAX;
    let retry = RetryPolicy { backoff_min: ever, backoff_max: ever, retry_after_max: ever, ..RetryPolicy::default() };
    let failing = bus.subscribe("fails").retry(retry).handlers(vec![Box::new(Sync(|d: &Delivery| {
        let failure =
            if d.event.id.starts_with('b') { Failure::retry("x") } else { Failure::retry_after("x", Duration::MAX) };
        Err(failure.into())
    }))]);
    let failing = failing.unwrap();
    for id in ["a", "b"] {
        bus.publish(draft("fails").id(id)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!((failing.stats().retried, failing.stats().waiting), (1, 2), "it waits for ever, and its lane with it");
    drop(failing);
    let slow = bus.subscribe("a").queue_events_max(1).when_full(WhenFull::Wait { max: ever });
    let slow = slow.timeout(ever).handlers(vec![recorder(&seen, "")]).unwrap();
    for _ in 0..5 {
        assert_eq!(bus.publish(draft("a")).await.unwrap().dead, 0);
    }
    assert!(bus.wait_idle(ever).await);
    let new = Replace { filters: slow.filters(), handlers: vec![recorder(&seen, "")], settings: None };
    assert_eq!(slow.replace(new, ever).await.unwrap().cut_off, 0);
    assert_eq!(slow.drain(ever).await, 0);
    assert_eq!(bus.shutdown(ever).await.cut_off, 0);
    assert_eq!(seen.all().len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bus_is_not_idle_while_an_event_passes_from_one_handler_to_the_next() {
    let (bus, seen) = (Bus::default(), Arc::new(AtomicUsize::new(0)));
    let count = seen.clone();
    let handler = move |_| {
        let count = count.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            count.fetch_add(1, SeqCst);
        }
    };
    let _next = bus.subscribe("out").on(handler).unwrap();
    // Who looks from the first to the last takes long enough for the event to pass from the last to the first.
    let _between: Vec<_> = (0..400).map(|_| bus.subscribe("other").stream().unwrap()).collect();
    let relay = |delivery: Arc<Delivery>| async move {
        delivery.outbox.publish("relay", &delivery.event, draft("out")).unwrap();
    };
    let _first = bus.subscribe("in").on(relay).unwrap();
    for number in 1..=500 {
        bus.publish(draft("in")).await.unwrap();
        assert!(bus.wait_idle(LONG).await);
        assert_eq!(seen.load(SeqCst), number);
    }
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_what_an_ended_subscription_has_in_flight() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let slow = |delivery: Arc<Delivery>| async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        delivery.outbox.publish("slow", &delivery.event, draft("out")).unwrap();
    };
    let sub = bus.subscribe("in").on(slow).unwrap();
    let hangs = bus.subscribe("in").name("hangs").on(|_| std::future::pending::<()>()).unwrap();
    let _out = bus.subscribe("out").handlers(vec![recorder(&seen, "")]).unwrap();
    bus.publish(draft("in")).await.unwrap();
    while sub.stats().in_flight + hangs.stats().in_flight < 2 {
        tokio::task::yield_now().await;
    }
    drop(sub);
    drop(hangs);
    assert!(!bus.wait_idle(Duration::from_secs(1)).await);
    let report = bus.shutdown(Duration::from_secs(10)).await;
    assert_eq!((seen.all(), report.cut_off), (vec!["out".to_owned()], 1));
    let letters = bus.dead_letters().list(&DeadFilter::default());
    assert_eq!((letters.len(), letters[0].subscription.as_ref().map(Name::as_str)), (1, Some("hangs")));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_an_event_is_told_when_the_bus_ends_without_it() {
    let bus = Bus::default();
    let _hangs = bus.subscribe("a").name("hangs").on(|_| std::future::pending::<()>()).unwrap();
    let waiting = tokio::spawn({
        let bus = bus.clone();
        async move { bus.publish_and_wait(draft("a"), Duration::from_secs(3600)).await.unwrap() }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begun = tokio::time::Instant::now();
    assert_eq!(bus.shutdown(Duration::from_secs(1)).await.unsettled.len(), 1);
    let settled = waiting.await.unwrap();
    assert_eq!((begun.elapsed().as_secs(), settled.results[0].1.name()), (1, "dropped"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_blocks_its_thread_does_not_hold_up_the_end() {
    let bus = Bus::default();
    let (go_on, blocks) = std::sync::mpsc::channel::<()>();
    let handler = Sync(move |_: &Delivery| {
        let _ended = blocks.recv();
        Ok(Reply(None))
    });
    let sub = bus.subscribe("a").handlers(vec![Box::new(handler)]).unwrap();
    bus.publish(draft("a")).await.unwrap();
    while sub.stats().in_flight == 0 {
        tokio::task::yield_now().await;
    }
    let report = tokio::time::timeout(LONG / 2, bus.shutdown(Duration::from_millis(1))).await;
    drop(go_on);
    assert_eq!(report.unwrap().cut_off, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_on_its_way_when_the_bus_closes_is_a_dead_letter() {
    let bus = Bus::default();
    let (entered, wait_entered) = std::sync::mpsc::channel();
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let _first = bus.subscribe("a").inline(move |_: &Delivery| {
        entered.send(()).unwrap();
        let _ended = wait.lock().unwrap().recv();
    });
    let _second = bus.subscribe("a").name("second").on(|_| async {}).unwrap();
    let publisher = std::thread::spawn({
        let bus = bus.clone();
        move || bus.try_publish(draft("a")).unwrap()
    });
    wait_entered.recv().unwrap();
    bus.shutdown(Duration::from_millis(1)).await;
    drop(go_on);
    let receipt = publisher.join().unwrap();
    assert_eq!((receipt.matched, receipt.dead), (2, 1));
    let letters = bus.dead_letters().list(&DeadFilter::default());
    assert_eq!((letters.len(), &letters[0].reason), (1, &DeadReason::Unsubscribed));
}
