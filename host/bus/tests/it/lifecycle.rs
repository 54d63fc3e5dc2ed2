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
