//! Cursors and the past: where a subscription begins, what waits for it, and what is delivered again.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_full_queue_spills_and_is_caught_up_in_order_while_new_events_come() {
    let (bus, _journal) = start(Disk::default());
    let seen = Seen::default();
    let sub = bus.subscribe("e.>").name("s").durable(Start::New).queue_events_max(4);
    let sub = sub.handlers(vec![recorder(&seen, "")]).unwrap();
    sub.pause();
    for n in 0..1000 {
        let receipt = bus.publish(draft(&format!("e.{n}"))).await.unwrap();
        assert_eq!((receipt.matched, receipt.dead), (1, 0));
    }
    let stats = sub.stats();
    assert!(stats.waiting <= 4, "{stats:?}");
    assert_eq!(stats.durable.map(|durable| (durable.behind, durable.backlog)), Some((true, 1000)));
    sub.resume();
    for n in 1000..1500 {
        bus.publish(draft(&format!("e.{n}"))).await.unwrap();
    }
    let expected: Vec<String> = (0..1500).map(|n| format!("e.{n}")).collect();
    assert_eq!(seen.until(1500).await, expected);
    settled(&bus).await;
    assert_eq!(sub.stats().durable.map(|durable| (durable.behind, durable.backlog)), Some((false, 0)));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_outcomes_hears_of_an_event_that_was_spilled() {
    let (bus, _journal) = start(Disk::default());
    let seen = Seen::default();
    let sub = bus.subscribe("e.>").name("s").durable(Start::New).queue_events_max(1);
    let sub = sub.handlers(vec![recorder(&seen, "")]).unwrap();
    sub.pause();
    for n in 0..10 {
        bus.publish(draft(&format!("e.{n}"))).await.unwrap();
    }
    let control = sub.control();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        control.resume();
    });
    let settled = bus.publish_and_wait(draft("e.last"), LONG).await.unwrap();
    assert!(settled.all_acked(), "{settled:?}");
    assert_eq!(settled.results.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_subscription_begins_where_it_asks_to() {
    let (bus, _journal) = start(Disk::default());
    for n in 1..=5 {
        bus.publish(draft(&format!("e.{n}"))).await.unwrap();
    }
    for (name, start, expected) in [
        ("new", Start::New, 6),
        ("earliest", Start::Earliest, 1),
        ("seq", Start::Seq(4), 4),
        ("future", Start::Seq(99), 6),
    ] {
        let seen = Seen::default();
        let _sub = bus.subscribe("e.>").name(name).durable(start).handlers(vec![recorder(&seen, "")]).unwrap();
        if name == "new" {
            bus.publish(draft("e.6")).await.unwrap();
        }
        let wanted: Vec<String> = (expected..=6).map(|n| format!("e.{n}")).collect();
        if name == "future" {
            assert!(bus.wait_idle(LONG).await);
            assert!(seen.all().is_empty());
        } else {
            assert_eq!(seen.until(wanted.len()).await, wanted, "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cursor_waits_for_its_subscription_and_is_retired_when_nobody_comes() {
    let (bus, _journal) = start(Disk::default());
    let told = Seen::default();
    let note = told.clone();
    let listen = bus.subscribe("plugbus.subscription.retired");
    let _told =
        listen.inline(move |delivery: &Delivery| note.add(String::from_utf8_lossy(&delivery.event.payload.data)));
    let seen = Seen::default();
    drop(subscribe(&bus, &seen));
    for n in 1..=3 {
        assert_eq!(bus.publish(draft(&format!("e.{n}"))).await.unwrap().matched, 0);
    }
    assert_eq!(bus.absent_cursors().len(), 1);
    let sub = subscribe(&bus, &seen);
    assert_eq!(seen.until(3).await, ["e.1", "e.2", "e.3"]);
    assert!(bus.absent_cursors().is_empty());
    settled(&bus).await;
    drop(sub);
    assert_eq!(bus.retire_absent(Duration::from_secs(3600)), 0);
    assert_eq!(bus.retire_absent(Duration::ZERO), 1);
    assert_eq!(told.all(), [r#"{"floor":3,"subscription":"s"}"#]);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_comes_too_late_is_told_what_was_retired() {
    let (bus, journal) = start(Disk::default());
    let seen = Seen::default();
    let sub = bus.subscribe("e.>").name("s").durable(Start::New).queue_events_max(1);
    let sub = sub.handlers(vec![recorder(&seen, "")]).unwrap();
    sub.pause();
    for n in 1..=6 {
        bus.publish(draft(&format!("e.{n}"))).await.unwrap();
    }
    journal.disk.lock().unwrap().retired = 4;
    sub.resume();
    assert_eq!(seen.until(3).await, ["e.1", "e.5", "e.6"]);
    assert_eq!(sub.stats().durable.map(|durable| durable.retired), Some(3));
}

#[tokio::test(start_paused = true)]
async fn the_past_is_delivered_again_to_one_or_to_all() {
    let (bus, journal) = start(Disk::default());
    let (one, two) = (Seen::default(), Seen::default());
    let _one = subscribe(&bus, &one);
    for n in 1..=4 {
        bus.publish(draft(&format!("e.{n}"))).await.unwrap();
    }
    one.until(4).await;
    let sub = bus.subscribe(["e.2", "e.4"]).name("two").durable(Start::New).queue_events_max(1);
    let _two = sub.handlers(vec![recorder(&two, "")]).unwrap();
    let past = Past { subscription: Name::parse("two").ok(), ..Past::default() };
    let done = bus.replay(&past).await.unwrap();
    assert_eq!(done, PastReplayed { first: 1, last: 4, events: 2, deliveries: 2, retired: 0 });
    assert_eq!(two.until(2).await, ["e.2", "e.4"]);
    journal.disk.lock().unwrap().retired = 1;
    let past = Past { from: 1, to: Some(3), filters: vec![Filter::parse("e.*").unwrap()], ..Past::default() };
    let done = bus.replay(&past).await.unwrap();
    assert_eq!(done, PastReplayed { first: 2, last: 3, events: 2, deliveries: 3, retired: 1 });
    assert_eq!(one.until(6).await[4..], ["e.2", "e.3"]);
    assert_eq!(two.until(3).await.len(), 3);
    let nobody = Past { subscription: Name::parse("nobody").ok(), ..Past::default() };
    assert!(matches!(bus.replay(&nobody).await, Err(PastError::NoSubscription(_))));
    assert_eq!(Bus::default().replay(&Past::default()).await, Err(PastError::NoJournal));
}

#[tokio::test(start_paused = true)]
async fn a_durable_subscription_needs_a_name_a_journal_and_handlers() {
    let (bus, _journal) = start(Disk::default());
    let refused = |subscribe: Subscribe| {
        matches!(subscribe.handlers(vec![recorder(&Seen::default(), "")]), Err(SubscribeError::NotDurable(_)))
    };
    assert!(refused(bus.subscribe("a").durable(Start::New)));
    assert!(refused(bus.subscribe("a").name("a").durable(Start::New).once()));
    assert!(refused(bus.subscribe("a").name("a").durable(Start::New).when_full(WhenFull::DropOldest)));
    assert!(refused(bus.subscribe("a").name("a").when_full(WhenFull::Spill)));
    assert!(refused(Bus::default().subscribe("a").name("a").durable(Start::New)));
    assert!(matches!(bus.subscribe("a").name("a").durable(Start::New).stream(), Err(SubscribeError::NotDurable(_))));
}
