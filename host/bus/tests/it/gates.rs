use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

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

#[tokio::test(start_paused = true)]
async fn a_release_that_is_given_up_half_way_loses_nothing() {
    let bus = Bus::default();
    let full = bus.subscribe(">").name("full").queue_events_max(1).when_full(WhenFull::Wait { max: LONG });
    let _full = full.on(|_| std::future::pending::<()>()).unwrap();
    bus.publish(draft("first")).await.unwrap();
    while bus.subscriptions()[0].in_flight == 0 {
        tokio::task::yield_now().await;
    }
    bus.publish(draft("second")).await.unwrap();
    let hold = bus.hold(filter("a"), HoldMode::All, 10);
    for id in ["1", "2", "3"] {
        bus.publish(draft("a").id(id)).await.unwrap();
    }
    assert!(tokio::time::timeout(Duration::from_secs(1), hold.release()).await.is_err());
    let letters = bus.dead_letters().list(&DeadFilter::default());
    let ids: Vec<&str> = letters.iter().map(|letter| &*letter.event.id).collect();
    assert_eq!(ids, ["1", "2", "3"]);
    assert_eq!(bus.publish(draft("a")).await.unwrap().disposition, Disposition::Delivered);
}

#[test]
fn nothing_is_lost_between_publishers_and_the_end_of_a_hold() {
    let (bus, seen, go_on) = (Bus::default(), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(true)));
    let count = seen.clone();
    let _all = bus
        .subscribe(">")
        .inline(move |_: &Delivery| {
            count.fetch_add(1, SeqCst);
        })
        .unwrap();
    let publishers: Vec<_> = (0..2)
        .map(|_| {
            let (bus, go_on) = (bus.clone(), go_on.clone());
            std::thread::spawn(move || {
                let mut published = 0;
                while go_on.load(SeqCst) {
                    published += usize::from(bus.try_publish(draft("a")).is_ok());
                }
                published
            })
        })
        .collect();
    for _ in 0..5000 {
        drop(bus.hold(filter("a"), HoldMode::All, 1 << 20));
    }
    go_on.store(false, SeqCst);
    let published: usize = publishers.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!(seen.load(SeqCst), published);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_a_gate_takes_is_told_so() {
    let bus = Bus::default();
    let _sub = bus.subscribe("a").on(|_| async { Payload::text("pong") }).unwrap();
    let mute = bus.mute(filter("a"));
    let muted = bus.request(draft("a"), LONG).await.unwrap_err();
    assert!(matches!(&muted, RequestError::Withheld { disposition: Disposition::Muted, .. }), "{muted}");
    drop(mute);
    let _hold = bus.hold(filter("a"), HoldMode::All, 1);
    let held = bus.request(draft("a"), LONG).await.unwrap_err();
    assert!(matches!(&held, RequestError::Withheld { disposition: Disposition::Held, .. }), "{held}");
}
