use plugbus_bus::*;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn topic_tree() {
    let bus = Bus::default();
    let _branch = bus.subscribe(["orders", "orders.>"]).on(|_| async {}).unwrap();
    for topic in ["orders", "orders.created", "orders.eu.created"] {
        assert_eq!(bus.publish(draft(topic)).await.unwrap().matched, 1, "{topic}");
    }
    assert_eq!(bus.publish(draft("bills")).await.unwrap().matched, 0);
    let below = bus.topics(&Filter::parse("orders.>").unwrap());
    assert_eq!(
        below.iter().map(|info| info.topic.as_str()).collect::<Vec<_>>(),
        ["orders.created", "orders.eu.created"]
    );
}

#[tokio::test(start_paused = true)]
async fn all_topics() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let _all = bus.subscribe(">").handlers(vec![recorder(&seen, "")]).unwrap();
    let _host = bus.subscribe("plugbus.>").on(|_| async {}).unwrap();
    bus.publish(draft("a")).await.unwrap();
    bus.publish(draft("b.c.d")).await.unwrap();
    assert!(bus.wait_idle(LONG).await);
    assert_eq!(seen.all(), ["a", "b.c.d"], "and not the bus's own events, which `plugbus.>` asks for");
}

#[tokio::test(start_paused = true)]
async fn listener_and_exception_handlers() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let mut failed = bus.subscribe("plugbus.delivery.failed").stream().unwrap();
    let crash = |_: &Delivery| -> () { panic!("a bug") };
    let _bad = bus.subscribe("a").name("bad").inline(crash).unwrap();
    let _good = bus.subscribe("a").name("good").handlers(vec![recorder(&seen, "")]).unwrap();
    bus.publish(draft("a")).await.unwrap();
    assert_eq!(seen.until(1).await, ["a"], "one listener's exception is not the others' business");
    let data: serde_json::Value = next(&mut failed).await.payload.parse().unwrap();
    assert_eq!(
        (&data["subscription"], &data["kind"], &data["is_fault"]),
        (&"bad".into(), &"panic".into(), &true.into())
    );
    assert!(data["reason"].as_str().unwrap().contains("a bug"));
}

#[tokio::test(start_paused = true)]
async fn topic_notifications() {
    let bus = Bus::default();
    let mut told = bus.subscribe(["plugbus.topic.*", "plugbus.subscription.*"]).stream().unwrap();
    assert!(bus.declare(&Topic::parse("declared").unwrap(), "before anybody publishes"));
    bus.publish(draft("declared")).await.unwrap();
    drop(bus.subscribe("a").on(|_| async {}).unwrap());
    bus.publish(draft("published")).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..5 {
        let event = next(&mut told).await;
        let data: serde_json::Value = event.payload.parse().unwrap();
        seen.push(format!("{} {}", event.topic, data["topic"].as_str().or(data["filters"][0].as_str()).unwrap()));
    }
    assert_eq!(
        seen[1..],
        [
            "plugbus.topic.added declared",
            "plugbus.subscription.added a",
            "plugbus.subscription.removed a",
            "plugbus.topic.added published"
        ]
    );
}
