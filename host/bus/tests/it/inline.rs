use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use plugbus_bus::*;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn inline_handlers_run_inside_publish_by_priority() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let add = |label: &'static str, priority| {
        let seen = seen.clone();
        bus.subscribe(">").priority(priority).inline(move |_: &Delivery| seen.add(label)).unwrap()
    };
    let _subs = [add("low", -1), add("first", 0), add("second", 0), add("high", 5)];
    bus.try_publish(draft("a")).unwrap();
    assert_eq!(seen.all(), ["high", "first", "second", "low"]);
}

#[tokio::test(start_paused = true)]
async fn an_inline_handler_can_stop_an_event() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let _stop = bus
        .subscribe("secret.>")
        .name("censor")
        .inline(|_: &Delivery| Flow::Stop(Reply(Some(Payload::text("stopped")))))
        .unwrap();
    let _queued = bus.subscribe(">").handlers(vec![recorder(&seen, "")]).unwrap();
    let settled = bus.publish_and_wait(draft("secret.a"), LONG).await.unwrap();
    assert_eq!(settled.receipt.stopped_by.as_ref().map(Name::as_str), Some("censor"));
    assert_eq!((settled.receipt.matched, settled.results.len()), (1, 1));
    bus.publish(draft("open")).await.unwrap();
    assert_eq!(seen.until(1).await, ["open"]);
}

#[tokio::test(start_paused = true)]
async fn a_failing_or_panicking_inline_handler_is_a_dead_letter_and_the_event_goes_on() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let _panics = bus.subscribe("a").inline(|_: &Delivery| -> () { panic!("inline boom") }).unwrap();
    let _fails = bus.subscribe("a").inline(|_: &Delivery| Err::<(), _>(Failure::retry("later"))).unwrap();
    let _good = bus.subscribe(">").handlers(vec![recorder(&seen, "")]).unwrap();
    let receipt = bus.publish(draft("a")).await.unwrap();
    assert_eq!((receipt.matched, receipt.dead), (3, 2));
    assert_eq!(seen.until(1).await, ["a"]);
    let letters = bus.dead_letters().list(&DeadFilter::default());
    assert!(letters[0].reason.to_string().contains("inline boom"), "{}", letters[0].reason);
}

#[test]
fn an_inline_handler_that_publishes_what_it_listens_to_ends_in_a_dead_letter() {
    let bus = Bus::default();
    let again = bus.clone();
    let _loop = bus
        .subscribe("a")
        .inline(move |_: &Delivery| {
            again.try_publish(draft("a")).unwrap();
        })
        .unwrap();
    bus.try_publish(draft("a")).unwrap();
    let letters = bus.dead_letters().list(&DeadFilter::default());
    assert_eq!((letters.len(), &letters[0].reason), (1, &DeadReason::TooManyHops { hops: 17, max: 16 }));
    assert_eq!(bus.stats().accepted, 18);
}

#[test]
fn an_inline_handlers_outbox_is_released_on_ack_only() {
    let bus = Bus::default();
    let seen = Seen::default();
    let recorded = seen.clone();
    let _out = bus.subscribe("out.*").inline(move |d: &Delivery| recorded.add(d.event.topic.as_str())).unwrap();
    let _in = bus
        .subscribe("in.*")
        .inline(|d: &Delivery| {
            let to = d.event.topic.as_str().replace("in", "out");
            d.outbox.publish("x", &d.event, draft(&to)).unwrap();
            if to == "out.bad" { Err(Failure::reject("bad")) } else { Ok(()) }
        })
        .unwrap();
    bus.try_publish(draft("in.good")).unwrap();
    bus.try_publish(draft("in.bad")).unwrap();
    assert_eq!(seen.all(), ["out.good"]);
}

#[test]
fn once_and_pause_hold_for_inline_handlers_too() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let recorded = seen.clone();
    let _once = bus.subscribe(">").once().inline(move |_: &Delivery| recorded.add("once")).unwrap();
    let recorded = seen.clone();
    let paused = bus.subscribe(">").inline(move |_: &Delivery| recorded.add("paused")).unwrap();
    paused.pause();
    bus.try_publish(draft("a")).unwrap();
    bus.try_publish(draft("a")).unwrap();
    assert_eq!(seen.all(), ["once"]);
    let letters = bus.dead_letters().list(&DeadFilter::default());
    assert_eq!((letters.len(), &letters[0].reason), (2, &DeadReason::Paused));
    assert_eq!(bus.subscriptions().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_inline_handler_that_has_had_its_events_is_not_waited_for() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let (again, nested) = (bus.clone(), AtomicBool::new(true));
    let _first = bus.subscribe("a").name("first").priority(1).inline(move |_: &Delivery| {
        if nested.swap(false, SeqCst) {
            again.try_publish(draft("a")).unwrap();
        }
    });
    let recorded = seen.clone();
    let _once = bus.subscribe("a").once().inline(move |d: &Delivery| recorded.add(d.event.seq.to_string()));
    let begun = tokio::time::Instant::now();
    let settled = bus.publish_and_wait(draft("a"), LONG).await.unwrap();
    assert_eq!((begun.elapsed().as_secs(), settled.receipt.matched), (0, 1));
    let names: Vec<_> = settled.results.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((names, seen.all()), (vec!["first"], vec!["2".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn an_inline_handler_that_was_removed_is_not_called_any_more() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let (recorded, other) = (seen.clone(), bus.clone());
    let _first = bus.subscribe("a").name("first").priority(1).inline(move |_: &Delivery| {
        other.unsubscribe(&Name::parse("second").unwrap());
    });
    let _second = bus.subscribe("a").name("second").inline(move |_: &Delivery| recorded.add("called"));
    let settled = bus.publish_and_wait(draft("a"), LONG).await.unwrap();
    assert_eq!((settled.receipt.matched, settled.results.len(), seen.all().len()), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_suspended_inline_handler_gets_one_probe() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let recorded = seen.clone();
    let sub = bus.subscribe(">").inline(move |d: &Delivery| recorded.add(d.event.topic.as_str())).unwrap();
    sub.suspend();
    bus.try_publish(draft("a")).unwrap();
    sub.probe();
    for topic in ["b", "c"] {
        bus.try_publish(draft(topic)).unwrap();
    }
    sub.unsuspend();
    bus.try_publish(draft("d")).unwrap();
    assert_eq!(seen.all(), ["b", "d"]);
    assert_eq!(bus.dead_letters().stats().held, 2);
}

#[test]
fn an_inline_handler_that_subscribes_whenever_somebody_subscribed_ends() {
    let bus = Bus::default();
    let (again, kept) = (bus.clone(), std::sync::Mutex::new(Vec::new()));
    let _subscribes = bus.subscribe("plugbus.subscription.added").inline(move |_: &Delivery| {
        let one_more = again.subscribe("x").inline(|_: &Delivery| ()).unwrap();
        kept.lock().unwrap().push(one_more);
    });
    let _one = bus.subscribe("x").inline(|_: &Delivery| ()).unwrap();
    assert!(bus.subscriptions().len() < 100);
    let letters = bus.dead_letters().list(&DeadFilter::default());
    assert!(matches!(letters[0].reason, DeadReason::TooManyHops { .. }));
}

#[tokio::test(start_paused = true)]
async fn an_inline_handler_that_has_had_its_events_has_ended_and_is_let_go() {
    let (bus, held) = (Bus::default(), std::sync::Arc::new(()));
    let mut removed = bus.subscribe("plugbus.subscription.removed").stream().unwrap();
    let kept = held.clone();
    let once = bus.subscribe("a").name("once").once().inline(move |_: &Delivery| drop(kept.clone())).unwrap();
    bus.publish(draft("a")).await.unwrap();
    assert!(once.is_ended());
    let told: serde_json::Value = removed.next().await.unwrap().payload.parse().unwrap();
    assert_eq!(told["subscription"], "once");
    let drained = bus.subscribe("a").name("drained").inline(|_: &Delivery| ()).unwrap();
    assert_eq!(drained.drain(LONG).await, 0);
    assert!(drained.is_ended());
    drop(once);
    assert_eq!(std::sync::Arc::strong_count(&held), 1);
}
