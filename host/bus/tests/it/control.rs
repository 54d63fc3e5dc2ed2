use std::sync::Arc;
use std::time::Duration;

use plugbus_bus::*;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn removal_is_effective_at_once_and_what_is_queued_becomes_dead_letters() {
    let bus = Bus::default();
    let sub = bus.subscribe(">").name("mine").paused().on(|_| async {}).unwrap();
    bus.publish(draft("a")).await.unwrap();
    drop(sub);
    assert_eq!(bus.publish(draft("b")).await.unwrap().matched, 0);
    let letters = bus.dead_letters().list(&DeadFilter::default());
    assert_eq!((letters.len(), &letters[0].reason), (1, &DeadReason::Unsubscribed));
}

#[tokio::test(start_paused = true)]
async fn a_detached_subscription_lives_and_can_be_ended_by_name() {
    let bus = Bus::default();
    let control = bus.subscribe(">").name("mine").on(|_| async {}).unwrap().detach();
    assert_eq!(bus.publish(draft("a")).await.unwrap().matched, 1);
    assert!(bus.unsubscribe(&Name::parse("mine").unwrap()));
    assert!(!bus.unsubscribe(&Name::parse("mine").unwrap()));
    assert!(control.is_ended());
}

#[tokio::test(start_paused = true)]
async fn names_are_unique_and_bad_options_are_refused() {
    let bus = Bus::builder().subscriptions_max(2).build();
    let _one = bus.subscribe(">").name("n").on(|_| async {}).unwrap();
    assert!(matches!(bus.subscribe(">").name("n").on(|_| async {}), Err(SubscribeError::NameTaken(_))));
    assert!(matches!(bus.subscribe("a..b").on(|_| async {}), Err(SubscribeError::Filter(_))));
    assert!(matches!(bus.subscribe(">").name("no good").on(|_| async {}), Err(SubscribeError::Name(_))));
    assert!(matches!(bus.subscribe(Vec::new()).on(|_| async {}), Err(SubscribeError::FilterCount { count: 0 })));
    let many = vec![Filter::parse("a").unwrap(); 65];
    assert!(matches!(bus.subscribe(many).on(|_| async {}), Err(SubscribeError::FilterCount { count: 65 })));
    assert!(matches!(bus.subscribe(">").handlers(Vec::new()), Err(SubscribeError::Handlers { handlers: 0 })));
    assert!(matches!(bus.subscribe(">").concurrency(5000).on(|_| async {}), Err(SubscribeError::Handlers { .. })));
    let _two = bus.subscribe(">").on(|_| async {}).unwrap();
    assert!(matches!(bus.subscribe(">").on(|_| async {}), Err(SubscribeError::TooMany(2))));
}

#[test]
fn subscribing_with_tasks_needs_a_runtime_and_inline_does_not() {
    let bus = Bus::default();
    assert!(matches!(bus.subscribe(">").on(|_| async {}), Err(SubscribeError::NoRuntime)));
    let seen = Seen::default();
    let recorded = seen.clone();
    let _sub = bus.subscribe(">").inline(move |d: &Delivery| recorded.add(d.event.topic.as_str())).unwrap();
    bus.try_publish(draft("a")).unwrap();
    assert_eq!(seen.all(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn pause_holds_events_and_resume_lets_them_go() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let sub = bus.subscribe(">").handlers(vec![recorder(&seen, "")]).unwrap();
    sub.pause();
    bus.publish(draft("a")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(seen.all().is_empty() && sub.is_paused());
    sub.resume();
    assert_eq!(seen.until(1).await, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_probe_lets_exactly_one_delivery_through() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let sub = bus.subscribe(">").handlers(vec![recorder(&seen, "")]).unwrap();
    sub.suspend();
    for topic in ["a", "b", "c"] {
        bus.publish(draft(topic)).await.unwrap();
    }
    sub.probe();
    assert_eq!(seen.until(1).await, ["a"]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(seen.all(), ["a"]);
    sub.unsuspend();
    assert_eq!(seen.until(3).await, ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn replaced_handlers_take_over_between_events_in_order() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let recorded = seen.clone();
    let old = Box::new(Slow { seen: recorded, millis: 100 });
    let sub = bus.subscribe(">").handlers(vec![old]).unwrap();
    for topic in ["a", "b", "c"] {
        bus.publish(draft(topic)).await.unwrap();
    }
    // The first is in flight when the new handler takes over.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let new = Replace { filters: sub.filters(), handlers: vec![recorder(&seen, "new:")], settings: None };
    assert_eq!(sub.replace(new, LONG).await.unwrap(), Replaced { cut_off: 0 });
    assert_eq!(seen.until(3).await, ["a", "new:b", "new:c"]);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_outlives_the_grace_is_cut_off_and_its_event_comes_again() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let sub = bus.subscribe(">").name("s").on(|_| std::future::pending::<()>()).unwrap();
    let mut failed = bus.subscribe("plugbus.delivery.failed").stream().unwrap();
    bus.publish(draft("a")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let new = Replace { filters: sub.filters(), handlers: vec![recorder(&seen, "new:")], settings: None };
    let replaced = sub.replace(new, Duration::from_secs(5)).await.unwrap();
    assert_eq!((replaced.cut_off, seen.until(1).await), (1, vec!["new:a".to_owned()]));
    let data: serde_json::Value = failed.next().await.unwrap().payload.parse().unwrap();
    assert_eq!(data["kind"], "cancelled");
    assert!(bus.dead_letters().list(&DeadFilter::default()).is_empty());
}

#[tokio::test(start_paused = true)]
async fn filters_change_with_the_handlers() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let sub = bus.subscribe("a").handlers(vec![recorder(&seen, "")]).unwrap();
    let new =
        Replace { filters: vec![Filter::parse("b").unwrap()], handlers: vec![recorder(&seen, "")], settings: None };
    sub.replace(new, LONG).await.unwrap();
    assert_eq!(bus.publish(draft("a")).await.unwrap().matched, 0);
    assert_eq!(bus.publish(draft("b")).await.unwrap().matched, 1);
    assert_eq!(bus.matching(&Topic::parse("b").unwrap()).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn drain_handles_what_is_queued_then_ends() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let sub = bus.subscribe(">").handlers(vec![Box::new(Slow { seen: seen.clone(), millis: 100 })]).unwrap();
    for topic in ["a", "b"] {
        bus.publish(draft(topic)).await.unwrap();
    }
    assert_eq!(sub.drain(LONG).await, 0);
    assert_eq!(seen.all(), ["a", "b"]);
    assert!(sub.is_ended() && bus.dead_letters().list(&DeadFilter::default()).is_empty());
}

#[tokio::test(start_paused = true)]
async fn all_of_a_family_can_be_cleared() {
    let bus = Bus::default();
    let _a = bus.subscribe("a.b").on(|_| async {}).unwrap();
    let _b = bus.subscribe("a.*").on(|_| async {}).unwrap();
    let _c = bus.subscribe("b").on(|_| async {}).unwrap();
    assert_eq!(bus.unsubscribe_all(&Filter::parse("a.>").unwrap()), 2);
    assert_eq!(bus.subscriptions().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_replayed_to_their_own_subscription_only() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let broken = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let (flag, recorded) = (broken.clone(), seen.clone());
    let sub = bus
        .subscribe(">")
        .name("fixable")
        .handlers(vec![Box::new(Sync(move |d: &Delivery| {
            if flag.load(std::sync::atomic::Ordering::SeqCst) {
                return Err(Failure::reject("broken").into());
            }
            recorded.add(format!("{}#{}", d.event.topic, d.attempt));
            Ok(Reply(None))
        }))])
        .unwrap();
    let other = Seen::default();
    let _other = bus.subscribe(">").handlers(vec![recorder(&other, "")]).unwrap();
    bus.publish(draft("a")).await.unwrap();
    assert!(bus.wait_idle(LONG).await);
    let id = bus.dead_letters().list(&DeadFilter::default())[0].id;
    broken.store(false, std::sync::atomic::Ordering::SeqCst);
    bus.dead_letters().replay(id).await.unwrap();
    assert_eq!(seen.until(1).await, ["a#1"]);
    assert!(bus.wait_idle(LONG).await);
    assert_eq!((other.all().len(), bus.dead_letters().stats().held), (1, 0));
    assert_eq!(bus.dead_letters().replay(id).await, Err(ReplayError::Unknown(id)));
    broken.store(true, std::sync::atomic::Ordering::SeqCst);
    bus.publish(draft("b")).await.unwrap();
    assert!(bus.wait_idle(LONG).await);
    drop(sub);
    let id = bus.dead_letters().list(&DeadFilter::default())[0].id;
    assert!(matches!(bus.dead_letters().replay(id).await, Err(ReplayError::NoSubscription(_))));
    assert!(bus.dead_letters().get(id).is_some(), "the letter stays");
    assert!(bus.dead_letters().remove(id).is_some());
}

struct Slow {
    seen: Seen,
    millis: u64,
}

impl Handler for Slow {
    fn handle<'a>(&'a mut self, delivery: &'a Arc<Delivery>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(self.millis)).await;
            self.seen.add(delivery.event.topic.as_str());
            Ok(Reply(None))
        })
    }
}
