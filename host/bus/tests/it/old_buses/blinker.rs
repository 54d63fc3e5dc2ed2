use std::sync::Arc;
use std::time::Duration;

use plugbus_bus::*;
use tokio::sync::Barrier;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn named_signals() {
    let (bus, seen) = (Bus::default(), Seen::default());
    // A name is enough: who publishes and who subscribes share nothing else.
    let ready = Topic::parse("round.ready").unwrap();
    assert!(bus.declare(&ready, "a round may begin"));
    let _sub = bus.subscribe("round.ready").handlers(vec![recorder(&seen, "")]).unwrap();
    bus.publish(Draft::new(ready.clone())).await.unwrap();
    assert_eq!(seen.until(1).await, ["round.ready"]);
    assert_eq!(bus.topics(&(&ready).into())[0].declared.as_deref(), Some("a round may begin"));
}

#[tokio::test(start_paused = true)]
async fn sender_filter() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let _one = bus.subscribe("a").from_source("sensor/7").handlers(vec![recorder(&seen, "one:")]).unwrap();
    let _kind = bus.subscribe("a").from_source("sensor/*").handlers(vec![recorder(&seen, "kind:")]).unwrap();
    assert_eq!(bus.publish(draft("a").source("sensor/7")).await.unwrap().matched, 2);
    assert_eq!(bus.publish(draft("a").source("sensor/8")).await.unwrap().matched, 1);
    assert_eq!(bus.publish(draft("a").source("clock")).await.unwrap().matched, 0);
    seen.until(3).await;
}

#[tokio::test(start_paused = true)]
async fn collected_return_values() {
    let bus = Bus::default();
    let _one = bus.subscribe("sum").name("one").on(|_| async { Payload::text("1") }).unwrap();
    let _two = bus.subscribe("sum").name("two").on(|_| async { Payload::text("2") }).unwrap();
    let settled: Settlements = bus.publish_and_wait(draft("sum"), LONG).await.unwrap();
    let returned =
        |name: &str, text: &str| (Name::parse(name).unwrap(), Settlement::Acked(Reply(Some(Payload::text(text)))));
    assert_eq!(settled.results, [returned("one", "1"), returned("two", "2")]);
}

#[tokio::test(start_paused = true)]
async fn muted() {
    let bus = Bus::default();
    let _sub = bus.subscribe("a").on(|_| async {}).unwrap();
    let outer: MuteGuard = bus.mute(Filter::parse("a").unwrap());
    drop(bus.mute(Filter::parse(">").unwrap()));
    let receipt = bus.publish(draft("a")).await.unwrap();
    assert_eq!(
        (receipt.disposition, receipt.matched),
        (Disposition::Muted, 0),
        "the inner guard does not undo the outer"
    );
    drop(outer);
    assert_eq!(bus.publish(draft("a")).await.unwrap().matched, 1);
}

#[tokio::test(start_paused = true)]
async fn temporarily_connected() {
    let bus = Bus::default();
    let _lasting = bus.subscribe("a").on(|_| async {}).unwrap();
    {
        let _for_now: Subscription = bus.subscribe("a").on(|_| async {}).unwrap();
        assert_eq!(bus.publish(draft("a")).await.unwrap().matched, 2);
    }
    assert_eq!(bus.publish(draft("a")).await.unwrap().matched, 1);
}

#[tokio::test(start_paused = true)]
async fn receiver_connected() {
    let bus = Bus::default();
    let mut told = bus.subscribe(["plugbus.subscription.added", "plugbus.subscription.removed"]).stream().unwrap();
    drop(bus.subscribe("a").name("brief").on(|_| async {}).unwrap());
    let mut topics = Vec::new();
    for _ in 0..3 {
        topics.push(next(&mut told).await.topic.to_string());
    }
    assert_eq!(topics[1..], ["plugbus.subscription.added", "plugbus.subscription.removed"]);
}

#[tokio::test(start_paused = true)]
async fn async_send() {
    let bus = Bus::default();
    // Neither passes before both have begun: they run side by side.
    let both = Arc::new(Barrier::new(2));
    let waits = |bus: &Bus| {
        let both = both.clone();
        bus.subscribe("a")
            .timeout(Duration::from_secs(30))
            .on(move |_| {
                let both = both.clone();
                async move {
                    both.wait().await;
                }
            })
            .unwrap()
    };
    let _subs = [waits(&bus), waits(&bus)];
    bus.publish(draft("a")).await.unwrap();
    assert!(bus.wait_idle(LONG).await);
    assert_eq!(bus.dead_letters().stats().total, 0);
}
