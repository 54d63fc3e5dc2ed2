use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
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
async fn a_replacement_that_is_given_up_cuts_the_old_handlers_off() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let sub = bus.subscribe(">").on(|_| std::future::pending::<()>()).unwrap();
    bus.publish(draft("a")).await.unwrap();
    while sub.stats().in_flight == 0 {
        tokio::task::yield_now().await;
    }
    let new = Replace { filters: sub.filters(), handlers: vec![recorder(&seen, "new:")], settings: None };
    assert!(tokio::time::timeout(Duration::from_secs(1), sub.replace(new, LONG)).await.is_err());
    assert_eq!(seen.until(1).await, ["new:a"]);
}

#[tokio::test(start_paused = true)]
async fn the_order_of_a_key_holds_when_a_reload_changes_the_ordering() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let handler = |label: &'static str, millis| {
        let seen = seen.clone();
        Box::new(Timed { label, millis, seen }) as Box<dyn Handler>
    };
    let sub = bus.subscribe("t").handlers(vec![handler("old", 100)]).unwrap();
    for (subject, id) in [("a", "a1"), ("a", "a2"), ("b", "b1")] {
        bus.publish(draft("t").subject(subject).id(id)).await.unwrap();
    }
    while sub.stats().in_flight == 0 {
        tokio::task::yield_now().await;
    }
    let settings = Settings { ordering_key: Some(OrderingKey::Subject), ..Settings::clone(&sub.settings()) };
    let handlers = vec![handler("new", 1), handler("new", 1)];
    let new = Replace { filters: sub.filters(), handlers, settings: Some(settings) };
    assert_eq!(sub.replace(new, LONG).await.unwrap().cut_off, 0);
    // The first attempt fails in the old generation; its repetition comes before the next of its key.
    assert_eq!(seen.until(4).await, ["new b1#1", "old a1#1", "new a1#2", "new a2#1"]);
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
    assert!(bus.wait_idle(LONG).await);
    let stats = sub.stats();
    assert_eq!((stats.attempts, stats.acked, stats.faults_by_kind), (1, 1, vec![("cancelled", 1)]));
    assert!(bus.dead_letters().list(&DeadFilter::default()).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_acked_and_waits_to_publish_is_not_repeated_when_it_is_cut_off() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let full = bus.subscribe("full").queue_events_max(1).when_full(WhenFull::Wait { max: LONG });
    let full = full.on(|_| std::future::pending::<()>()).unwrap();
    bus.publish(draft("full")).await.unwrap();
    while full.stats().in_flight == 0 {
        tokio::task::yield_now().await;
    }
    bus.publish(draft("full")).await.unwrap();
    let relay = bus
        .subscribe("in")
        .on(|delivery| async move {
            for topic in ["out.a", "full", "out.b"] {
                delivery.outbox.publish("relay", &delivery.event, draft(topic)).unwrap();
            }
        })
        .unwrap();
    let _out = bus.subscribe("out.*").handlers(vec![recorder(&seen, "")]).unwrap();
    bus.publish(draft("in")).await.unwrap();
    seen.until(1).await;
    let new = Replace { filters: relay.filters(), handlers: vec![recorder(&seen, "new:")], settings: None };
    assert_eq!(relay.replace(new, Duration::from_secs(1)).await.unwrap().cut_off, 1);
    assert_eq!(seen.until(2).await, ["out.a", "out.b"]);
    assert!(tokio::time::timeout(Duration::from_secs(5), seen.until(3)).await.is_err(), "{:?}", seen.all());
    assert_eq!((relay.stats().acked, relay.stats().in_flight), (1, 0));
    let letters = bus.dead_letters().list(&DeadFilter::default());
    assert_eq!((letters.len(), &letters[0].reason), (1, &DeadReason::PublisherGone));
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
async fn who_listens_to_two_families_goes_on_with_the_one_that_is_not_cleared() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let sub = bus.subscribe(["a.b", "c"]).handlers(vec![recorder(&seen, "")]).unwrap();
    assert_eq!(bus.unsubscribe_all(&Filter::parse("a.>").unwrap()), 0);
    assert_eq!(sub.filters(), [Filter::parse("c").unwrap()]);
    assert_eq!(bus.publish(draft("a.b")).await.unwrap().matched, 0);
    bus.publish(draft("c")).await.unwrap();
    assert!(bus.wait_idle(LONG).await);
    assert_eq!(seen.all(), ["c"]);
    assert_eq!(bus.unsubscribe_all(&Filter::parse("c").unwrap()), 1);
    assert!(sub.is_ended());
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_replayed_to_their_own_subscription_only() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let broken = Arc::new(AtomicBool::new(true));
    let (flag, recorded) = (broken.clone(), seen.clone());
    let sub = bus
        .subscribe(">")
        .name("fixable")
        .handlers(vec![Box::new(Sync(move |d: &Delivery| {
            if flag.load(SeqCst) {
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
    broken.store(false, SeqCst);
    bus.dead_letters().replay(id).await.unwrap();
    assert_eq!(seen.until(1).await, ["a#1"]);
    assert!(bus.wait_idle(LONG).await);
    assert_eq!((other.all().len(), bus.dead_letters().stats().held), (1, 0));
    assert_eq!(bus.dead_letters().replay(id).await, Err(ReplayError::Unknown(id)));
    broken.store(true, SeqCst);
    bus.publish(draft("b")).await.unwrap();
    assert!(bus.wait_idle(LONG).await);
    drop(sub);
    let id = bus.dead_letters().list(&DeadFilter::default())[0].id;
    assert!(matches!(bus.dead_letters().replay(id).await, Err(ReplayError::NoSubscription(_))));
    assert!(bus.dead_letters().get(id).is_some(), "the letter stays");
    assert!(bus.dead_letters().remove(id).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_of_an_inline_handler_is_replayed_inside_the_call() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let broken = Arc::new(AtomicBool::new(true));
    let (flag, recorded) = (broken.clone(), seen.clone());
    let sub = bus.subscribe(">").inline(move |delivery: &Delivery| {
        if flag.load(SeqCst) {
            return Err(Failure::reject("broken"));
        }
        recorded.add(delivery.event.topic.as_str());
        Ok(())
    });
    let sub = sub.unwrap();
    bus.publish(draft("a")).await.unwrap();
    broken.store(false, SeqCst);
    let id = bus.dead_letters().list(&DeadFilter::default())[0].id;
    bus.dead_letters().replay(id).await.unwrap();
    assert_eq!((seen.all(), bus.dead_letters().stats().held), (vec!["a".to_owned()], 0));
    assert_eq!((sub.stats().acked, sub.stats().waiting), (1, 0));
}

/// One dead letter of a subscription with one event in flight and its queue of one full. It goes on with the permits.
async fn letter_of_a_full_one(
    bus: &Bus,
    policy: WhenFull,
    seen: &Seen,
) -> (Subscription, u64, Arc<tokio::sync::Semaphore>) {
    let go = Arc::new(tokio::sync::Semaphore::new(0));
    let (permits, recorded) = (go.clone(), seen.clone());
    let sub = bus.subscribe(">").name("s").queue_events_max(1).when_full(policy).on(move |delivery| {
        let (go, seen) = (permits.clone(), recorded.clone());
        async move {
            if delivery.event.topic.as_str() == "bad" && seen.all().is_empty() {
                seen.add("broken");
                return Err(Failure::reject("broken"));
            }
            go.acquire().await.unwrap().forget();
            seen.add(delivery.event.topic.as_str());
            Ok(())
        }
    });
    bus.publish(draft("bad")).await.unwrap();
    assert!(bus.wait_idle(LONG).await);
    bus.publish(draft("a")).await.unwrap();
    while bus.subscriptions()[0].in_flight == 0 {
        tokio::task::yield_now().await;
    }
    bus.publish(draft("b")).await.unwrap();
    (sub.unwrap(), bus.dead_letters().list(&DeadFilter::default())[0].id, go)
}

#[tokio::test(start_paused = true)]
async fn a_replay_waits_for_room_where_a_publisher_would() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let (sub, id, go) = letter_of_a_full_one(&bus, WhenFull::Wait { max: LONG }, &seen).await;
    let replay = tokio::spawn({
        let bus = bus.clone();
        async move { bus.dead_letters().replay(id).await }
    });
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!replay.is_finished());
    go.add_permits(10);
    assert_eq!(replay.await.unwrap(), Ok(()));
    assert_eq!(seen.until(4).await, ["broken", "a", "b", "bad"]);
    assert_eq!((bus.dead_letters().stats().held, sub.stats().acked), (0, 3));
}

#[tokio::test(start_paused = true)]
async fn a_replay_keeps_its_letter_where_there_is_no_room_and_no_wait() {
    for policy in [WhenFull::Refuse, WhenFull::DropNewest, WhenFull::Wait { max: LONG }] {
        let bus = Bus::default();
        let (sub, id, _go) = letter_of_a_full_one(&bus, policy, &Seen::default()).await;
        if policy == (WhenFull::Wait { max: LONG }) {
            // Nobody waits for what is paused.
            sub.pause();
        }
        let full = Err(ReplayError::Full(Name::parse("s").unwrap()));
        assert_eq!(bus.dead_letters().replay(id).await, full, "{policy:?}");
        assert!(bus.dead_letters().get(id).is_some(), "{policy:?}");
        assert_eq!((bus.dead_letters().stats().total, sub.stats().dropped), (1, 0), "{policy:?}");
    }
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

/// Takes its time; fails the first attempt of `a1`.
struct Timed {
    label: &'static str,
    millis: u64,
    seen: Seen,
}

impl Handler for Timed {
    fn handle<'a>(&'a mut self, delivery: &'a Arc<Delivery>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(self.millis)).await;
            self.seen.add(format!("{} {}#{}", self.label, delivery.event.id, delivery.attempt));
            match (&*delivery.event.id, delivery.attempt) {
                ("a1", 1) => Err(Failure::retry("once more").into()),
                _ => Ok(Reply(None)),
            }
        })
    }
}
