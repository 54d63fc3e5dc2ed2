use plugbus_bus::*;

use crate::support::*;

fn filter(text: &str) -> Filter {
    Filter::parse(text).unwrap()
}

#[tokio::test(start_paused = true)]
async fn nested_mutes_do_not_undo_each_other() {
    let bus = Bus::default();
    let _sub = bus.subscribe(">").on(|_| async {}).unwrap();
    let outer = bus.mute(filter("a.>"));
    drop(bus.mute(filter("a.b")));
    let muted = bus.publish(draft("a.b")).await.unwrap();
    assert_eq!((muted.disposition, muted.matched), (Disposition::Muted, 0));
    assert_eq!(bus.publish(draft("c")).await.unwrap().disposition, Disposition::Delivered);
    drop(outer);
    assert_eq!(bus.publish(draft("a.b")).await.unwrap().matched, 1);
    assert_eq!(bus.stats().muted, 1);
}

#[tokio::test(start_paused = true)]
async fn a_hold_keeps_events_in_order_until_it_ends() {
    let bus = Bus::default();
    let mut stream = bus.subscribe(">").stream().unwrap();
    let hold = bus.hold(filter("a"), HoldMode::All, 2);
    let held = bus.publish(draft("a").id("1")).await.unwrap();
    assert_eq!((held.disposition, &*held.id), (Disposition::Held, "1"));
    bus.publish(draft("b").id("2")).await.unwrap();
    bus.publish(draft("a").id("3")).await.unwrap();
    assert!(matches!(bus.publish(draft("a")).await, Err(PublishError::Full { .. })), "bounded");
    assert_eq!(hold.release().await, 2);
    for id in ["2", "1", "3"] {
        assert_eq!(&*stream.next().await.unwrap().id, id);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hold_may_keep_only_the_latest_of_each_topic_and_lets_go_when_dropped() {
    let bus = Bus::default();
    let mut stream = bus.subscribe(">").stream().unwrap();
    let hold = bus.hold(filter(">"), HoldMode::LatestPerTopic, 10);
    for (topic, id) in [("a", "1"), ("b", "2"), ("a", "3")] {
        bus.publish(draft(topic).id(id)).await.unwrap();
    }
    drop(hold);
    assert_eq!(&*stream.next().await.unwrap().id, "2");
    assert_eq!(&*stream.next().await.unwrap().id, "3");
    drop(bus.hold(filter(">"), HoldMode::All, 1));
    bus.publish(draft("c")).await.unwrap();
    assert_eq!(stream.next().await.unwrap().topic.as_str(), "c");
}
