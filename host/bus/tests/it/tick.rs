//! Ticks: for one subscription alone, in order, and no traffic.

use std::sync::Arc;

use plugbus_bus::*;

use crate::memory_journal::{Disk, MemoryJournal};
use crate::support::*;

fn tick(sub: &Control) -> bool {
    sub.tick(Topic::parse("plugbus.tick.mine").unwrap(), &serde_json::json!({ "every_ms": 1000 }))
}

/// Notes the topic of each event, and answers as it is told of that.
fn notes(seen: &Seen, answer: impl Fn(&Delivery) -> Outcome + Send + 'static) -> Vec<Box<dyn Handler>> {
    let seen = seen.clone();
    vec![Box::new(Sync(move |delivery: &Delivery| {
        seen.add(delivery.event.topic.as_str());
        answer(delivery)
    }))]
}

#[tokio::test(start_paused = true)]
async fn a_tick_reaches_its_own_handlers_in_order_and_nobody_else() {
    let (bus, seen, others) = (Bus::default(), Seen::default(), Seen::default());
    let sub = bus.subscribe("a.*").name("mine").handlers(notes(&seen, |_| Ok(Reply(None)))).unwrap();
    let _other = bus.subscribe([">", "plugbus.tick.>"]).handlers(notes(&others, |_| Ok(Reply(None)))).unwrap();
    let watch = others.clone();
    let _watch = bus.subscribe("plugbus.tick.>").observe(move |_| watch.add("watched")).unwrap();
    bus.try_publish(draft("a.1")).unwrap();
    assert!(tick(&sub));
    bus.try_publish(draft("a.2")).unwrap();
    assert_eq!(seen.until(3).await, ["a.1", "plugbus.tick.mine", "a.2"]);
    assert!(bus.wait_idle(LONG).await);
    assert_eq!(others.all(), ["a.1", "a.2"]);
    let stats = sub.stats();
    assert_eq!((stats.matched, stats.acked, stats.attempts, stats.ticks), (2, 2, 3, 1));
    assert_eq!(bus.stats().accepted, 2);
    assert!(bus.topics(&Filter::parse("plugbus.tick.>").unwrap()).is_empty());
}

#[tokio::test(start_paused = true)]
async fn there_is_one_at_a_time_and_none_for_who_handles_nothing() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let sub = bus.subscribe("a").name("mine").handlers(notes(&seen, |_| Ok(Reply(None)))).unwrap();
    assert!(tick(&sub));
    assert!(!tick(&sub) && !tick(&sub), "the first is not handled yet");
    assert!(bus.wait_idle(LONG).await);
    seen.until(1).await;
    sub.pause();
    assert!(!tick(&sub));
    sub.resume();
    sub.suspend();
    assert!(!tick(&sub));
    sub.probe();
    assert!(tick(&sub), "as the probe");
    seen.until(2).await;
    assert!(sub.is_suspended() && !tick(&sub));
    sub.unsuspend();
    assert!(tick(&sub));
    seen.until(3).await;
    assert!(bus.wait_idle(LONG).await);
    assert_eq!((sub.stats().ticks, sub.stats().ticks_skipped), (3, 2));
    sub.end();
    assert!(!tick(&sub));
    let stream = bus.subscribe("a").stream().unwrap();
    assert!(!tick(&stream.control()), "it has no handlers");
}

#[tokio::test(start_paused = true)]
async fn a_tick_that_fails_is_over_and_the_next_comes() {
    let (bus, seen, told) = (Bus::default(), Seen::default(), Seen::default());
    let _told = bus.subscribe("plugbus.delivery.>").handlers(notes(&told, |_| Ok(Reply(None)))).unwrap();
    let outcomes = std::sync::Mutex::new(vec![
        Err(Failure::reject("no").into()),
        Err(Failure::retry("later").into()),
        Err(Fault::new(FaultKind::Trap, "trap").into()),
    ]);
    let fails = move |_: &Delivery| outcomes.lock().unwrap().pop().unwrap_or(Ok(Reply(None)));
    let sub = bus.subscribe("a").name("mine").handlers(notes(&seen, fails)).unwrap();
    for number in 1..=4 {
        assert!(tick(&sub), "{number}");
        seen.until(number).await;
        assert!(bus.wait_idle(LONG).await);
    }
    let stats = sub.stats();
    assert_eq!((stats.ticks, stats.ticks_failed, stats.faults), (4, 3, 1));
    assert_eq!((stats.dead, stats.retried, stats.rejected, stats.waiting), (0, 0, 0, 0));
    assert!(bus.dead_letters().list(&DeadFilter::default()).is_empty() && told.all().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_tick_takes_no_room_and_leaves_nothing_behind() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let subscribe = bus.subscribe("a").name("mine").queue_events_max(1).when_full(WhenFull::Refuse);
    let sub = subscribe.handlers(notes(&seen, |_| Ok(Reply(None)))).unwrap();
    assert!(tick(&sub));
    bus.try_publish(draft("a")).unwrap();
    assert!(bus.try_publish(draft("a")).is_err(), "full of events");
    assert_eq!(seen.until(2).await, ["plugbus.tick.mine", "a"]);
    assert!(tick(&sub));
    drop(sub);
    assert!(bus.dead_letters().list(&DeadFilter::default()).is_empty());

    let sub = bus.subscribe("a").name("mine").handlers(notes(&seen, |_| Ok(Reply(None)))).unwrap();
    assert!(tick(&sub));
    sub.pause();
    assert!(bus.shutdown(LONG).await.unsettled.is_empty());
    assert!(!tick(&sub));
}

/// Remembers and publishes on each tick.
struct Remembers(Seen);

impl Handler for Remembers {
    fn handle<'a>(&'a mut self, delivery: &'a Arc<Delivery>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            delivery.state.set("b", "k", "v".into()).await.unwrap();
            delivery.publish(draft("out")).unwrap();
            self.0.add("ticked");
            Ok(Reply(None))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_tick_leads_to_is_committed_as_one() {
    let journal = MemoryJournal::open(Disk::default(), 64);
    let bus = Bus::builder().journal(journal.clone()).build();
    let (seen, out) = (Seen::default(), Seen::default());
    let _out = bus.subscribe("out").handlers(notes(&out, |_| Ok(Reply(None)))).unwrap();
    let handlers: Vec<Box<dyn Handler>> = vec![Box::new(Remembers(seen.clone()))];
    let sub = bus.subscribe("e.>").name("mine").durable(Start::New).handlers(handlers).unwrap();
    // What is to be settled is held then; an event by itself would be refused.
    *journal.gate.failing.lock().unwrap() = true;
    assert!(tick(&sub));
    seen.until(1).await;
    assert!(journal.crash().state.is_empty() && out.all().is_empty());
    *journal.gate.failing.lock().unwrap() = false;
    bus.publish(draft("barrier")).await.unwrap();
    assert_eq!(out.until(1).await, ["out"]);
    let disk = journal.crash();
    assert_eq!((disk.state.len(), disk.events.iter().filter(|event| event.topic.as_str() == "out").count()), (1, 1));
    assert_eq!(bus.stats().outbox_refused, 0);
}
