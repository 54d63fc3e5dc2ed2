use plugbus_bus::*;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn declared_events() {
    let bus = Bus::builder().strict_topics(true).build();
    assert!(bus.declare(&Topic::parse("door.open").unwrap(), "somebody has opened the door"));
    bus.publish(draft("door.open")).await.unwrap();
    assert!(matches!(bus.publish(draft("door.opne")).await, Err(PublishError::Undeclared { .. })));
}

#[tokio::test(start_paused = true)]
async fn emission_lock() {
    let bus = Bus::default();
    let mut stream = bus.subscribe("level").stream().unwrap();
    let lock: HoldGuard = bus.hold(Filter::parse("level").unwrap(), HoldMode::LatestPerTopic, 10);
    for level in 1..=3 {
        let receipt = bus.publish(draft("level").json(&level).unwrap()).await.unwrap();
        assert_eq!(receipt.disposition, Disposition::Held);
    }
    drop(lock);
    assert_eq!(next(&mut stream).await.payload.parse::<u32>().unwrap(), 3, "the last one, when the lock is gone");
    assert_eq!(stream.control().stats().waiting, 0);
    drop(bus.hold(Filter::parse("level").unwrap(), HoldMode::LatestPerTopic, 10));
    assert_eq!(bus.publish(draft("level")).await.unwrap().matched, 1, "with nothing held it mutes nothing");
}

#[tokio::test(start_paused = true)]
async fn stop_propagation() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let _later = bus.subscribe("key").handlers(vec![recorder(&seen, "")]).unwrap();
    let handled = |_: &Delivery| Flow::Stop(Reply(None));
    let _first = bus.subscribe("key").name("dialog").priority(10).inline(handled).unwrap();
    let receipt = bus.publish(draft("key")).await.unwrap();
    assert_eq!((receipt.matched, receipt.stopped_by), (1, Name::parse("dialog").ok()));
    assert!(bus.wait_idle(LONG).await && seen.all().is_empty());
}
