use std::time::Duration;

use plugbus_bus::*;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn bounded_queues_with_a_policy() {
    let bus = Bus::default();
    let subscribe = bus.subscribe("a").queue_events_max(2).queue_bytes_max(1 << 20);
    let mut stream = subscribe.when_full(WhenFull::DropOldest).stream().unwrap();
    for id in ["1", "2", "3"] {
        bus.publish(draft("a").id(id)).await.unwrap();
    }
    assert_eq!(&*next(&mut stream).await.id, "2");
    let refusing = bus.subscribe("b").queue_events_max(1).when_full(WhenFull::Refuse).stream().unwrap();
    bus.publish(draft("b")).await.unwrap();
    let refused = bus.publish(draft("b").id("mine")).await.unwrap_err();
    assert_eq!(refused.into_draft().id.as_deref(), Some("mine"));
    drop(refusing);
    let waiting = bus.subscribe("c").queue_events_max(1).when_full(WhenFull::Wait { max: Duration::from_secs(2) });
    let _waiting = waiting.stream().unwrap();
    bus.publish(draft("c")).await.unwrap();
    assert_eq!(bus.publish(draft("c")).await.unwrap().dead, 1, "after two seconds without room");
    let mut newest = bus.subscribe("d").queue_events_max(1).when_full(WhenFull::DropNewest).stream().unwrap();
    bus.publish(draft("d").id("1")).await.unwrap();
    assert_eq!(bus.publish(draft("d").id("2")).await.unwrap().dropped, 1);
    assert_eq!(&*next(&mut newest).await.id, "1");
}

#[tokio::test(start_paused = true)]
async fn per_handler_time_out() {
    let bus = Bus::default();
    let hangs = bus.subscribe("a").timeout(Duration::from_secs(2)).retry(RetryPolicy::never());
    let _hangs = hangs.on(|_| std::future::pending::<()>()).unwrap();
    let settled = bus.publish_and_wait(draft("a"), LONG).await.unwrap();
    let Settlement::Dead(DeadReason::Exhausted { last, .. }) = &settled.results[0].1 else { panic!() };
    assert_eq!(last.fault().unwrap().kind, FaultKind::Deadline { limit: Duration::from_secs(2) });
}

#[tokio::test(start_paused = true)]
async fn dead_letters() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let refuses =
        bus.subscribe("a").name("fixable").on(|_| async { Err::<(), _>(Failure::reject("bad day")) }).unwrap();
    bus.publish(draft("a")).await.unwrap();
    assert!(bus.wait_idle(LONG).await);
    let letters = bus.dead_letters().list(&DeadFilter::default());
    assert_eq!(letters[0].reason, DeadReason::Rejected("bad day".into()));
    drop(refuses);
    let _mended = bus.subscribe("a").name("fixable").handlers(vec![recorder(&seen, "again:")]).unwrap();
    bus.dead_letters().replay(letters[0].id).await.unwrap();
    assert_eq!(seen.until(1).await, ["again:a"]);
    assert!(bus.dead_letters().remove(letters[0].id).is_none(), "it is no letter any more");
}

#[tokio::test(start_paused = true)]
async fn correlated_request_reply() {
    let bus = Bus::default();
    let square = |delivery: std::sync::Arc<Delivery>| async move {
        let number: i64 = delivery.event.payload.parse().map_err(Failure::reject)?;
        Payload::json(&(number * number)).map_err(Failure::reject)
    };
    let _square = bus.subscribe("math.square").concurrency(2).on(square).unwrap();
    let ask = |number: i64| {
        let bus = bus.clone();
        async move { bus.request(draft("math.square").json(&number).unwrap(), LONG).await.unwrap().parse::<i64>().unwrap() }
    };
    assert_eq!(tokio::join!(ask(7), ask(8)), (49, 64));
    assert!(matches!(bus.request(draft("math.root"), LONG).await, Err(RequestError::NoSubscriber { .. })));
}

#[tokio::test(start_paused = true)]
async fn metrics_of_every_drop() {
    let bus = Bus::default();
    let subscribe = bus.subscribe("a").queue_events_max(1).when_full(WhenFull::DropNewest).dead_letter_drops(true);
    let stream = subscribe.stream().unwrap();
    for _ in 0..3 {
        bus.publish(draft("a")).await.unwrap();
    }
    let of_one: SubscriptionStats = stream.control().stats();
    assert_eq!((of_one.matched, of_one.full, of_one.dropped, of_one.dead), (1, 2, 2, 2));
    let control = stream.control();
    drop(stream);
    assert_eq!(control.stats().discarded, 1, "what a stream leaves behind is counted too");
    let _mute = bus.mute(Filter::parse("a").unwrap());
    bus.publish(draft("a")).await.unwrap();
    bus.publish(draft("b")).await.unwrap();
    let of_all: BusStats = bus.stats();
    assert_eq!((of_all.accepted, of_all.muted, of_all.unmatched), (4, 1, 1));
    assert_eq!((of_all.dead_letters.total, of_all.dead_letters.evicted), (2, 0));
}
