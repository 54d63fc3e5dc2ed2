use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use plugbus_bus::*;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn on() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let (by_task, by_call) = (seen.clone(), seen.clone());
    let _task = bus
        .subscribe("order")
        .on(move |delivery| {
            let seen = by_task.clone();
            async move { seen.add(format!("task {}", delivery.event.topic)) }
        })
        .unwrap();
    let _call = bus.subscribe("order").inline(move |_: &Delivery| by_call.add("inline")).unwrap();
    let mut stream = bus.subscribe("order").stream().unwrap();
    bus.publish(draft("order")).await.unwrap();
    assert_eq!(seen.until(2).await, ["inline", "task order"]);
    assert_eq!(next(&mut stream).await.topic.as_str(), "order");
}

#[tokio::test(start_paused = true)]
async fn once() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let _sub = bus.subscribe("order").once().handlers(vec![recorder(&seen, "")]).unwrap();
    assert_eq!(bus.publish(draft("order")).await.unwrap().matched, 1);
    assert_eq!(bus.publish(draft("order")).await.unwrap().matched, 0);
    assert_eq!(seen.until(1).await, ["order"]);
}

#[tokio::test(start_paused = true)]
async fn emit() {
    let bus = Bus::default();
    let _sub = bus.subscribe("order").on(|_| async {}).unwrap();
    assert_eq!(bus.publish(draft("order")).await.unwrap().matched, 1);
    let from_a_thread = std::thread::spawn({
        let bus = bus.clone();
        move || bus.try_publish(draft("order")).unwrap().matched
    });
    assert_eq!(from_a_thread.join().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn remove() {
    let bus = Bus::default();
    let subscribe = |name| bus.subscribe("order").name(name).on(|_| async {}).unwrap();
    let [dropped, ended, named]: [Subscription; 3] = ["dropped", "ended", "named"].map(subscribe);
    drop(dropped);
    assert_eq!(bus.publish(draft("order")).await.unwrap().matched, 2);
    let control: Control = ended.control();
    control.end();
    assert!(bus.unsubscribe(named.name()));
    assert_eq!(bus.publish(draft("order")).await.unwrap().matched, 0);
}

#[tokio::test(start_paused = true)]
async fn error_events() {
    let bus = Bus::default();
    let mut failed = bus.subscribe("plugbus.delivery.failed").stream().unwrap();
    let mut dead = bus.subscribe("plugbus.delivery.dead").stream().unwrap();
    let _bad = bus.subscribe("order").name("bad").on(|_| async { Err::<(), _>(Failure::reject("no stock")) }).unwrap();
    bus.publish(draft("order")).await.expect("the publisher has no part in it");
    for stream in [&mut failed, &mut dead] {
        let data: serde_json::Value = next(stream).await.payload.parse().unwrap();
        assert_eq!((&data["subscription"], &data["event"]["topic"]), (&"bad".into(), &"order".into()));
        assert!(data["reason"].as_str().unwrap().contains("no stock"));
    }
}

#[tokio::test(start_paused = true)]
async fn event_names() {
    let bus = Bus::default();
    bus.publish(draft("order")).await.unwrap();
    bus.publish(draft("bill")).await.unwrap();
    let names: Vec<String> =
        bus.topics(&Filter::parse(">").unwrap()).iter().map(|info| info.topic.to_string()).collect();
    assert_eq!(names, ["bill", "order"]);
}

#[tokio::test(start_paused = true)]
async fn listener_lists() {
    let bus = Bus::default();
    let _all = bus.subscribe(">").name("all").on(|_| async {}).unwrap();
    let _bills = bus.subscribe("bill").name("bills").on(|_| async {}).unwrap();
    assert_eq!(bus.matching(&Topic::parse("order").unwrap()), [Name::parse("all").unwrap()]);
    let everyone = bus.subscriptions();
    assert_eq!((everyone.len(), &*everyone[1].filters), (2, &["bill".to_owned()][..]));
}

#[tokio::test(start_paused = true)]
async fn new_listener_events() {
    let bus = Bus::default();
    let mut added = bus.subscribe("plugbus.subscription.added").stream().unwrap();
    assert_eq!(next(&mut added).await.topic.as_str(), "plugbus.subscription.added", "of the stream itself");
    let _sub = bus.subscribe("order").name("new").on(|_| async {}).unwrap();
    let data: serde_json::Value = next(&mut added).await.payload.parse().unwrap();
    assert_eq!((&data["subscription"], &data["filters"][0]), (&"new".into(), &"order".into()));
}

#[tokio::test(start_paused = true)]
async fn wait_for_completion() {
    let bus = Bus::default();
    let done = Arc::new(AtomicU32::new(0));
    let counted = done.clone();
    let _slow = bus
        .subscribe("order")
        .on(move |_| {
            let done = counted.clone();
            async move {
                tokio::time::sleep(Duration::from_secs(3)).await;
                done.fetch_add(1, Relaxed);
            }
        })
        .unwrap();
    let settled = bus.publish_and_wait(draft("order"), LONG).await.unwrap();
    assert_eq!((settled.all_acked(), done.load(Relaxed)), (true, 1));
    bus.publish(draft("order")).await.unwrap();
    assert!(bus.wait_idle(LONG).await);
    assert_eq!(done.load(Relaxed), 2);
}
