//! Many threads publish while handlers fail, are cut off, replaced, paused and full: what the receipts promised, the
//! subscriptions have accounted for, event by event.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use plugbus_bus::*;

use crate::support::*;

/// Fails now and then, by the event's number and the attempt.
fn unsteady(delivery: &Delivery) -> Outcome {
    match (delivery.event.seq + u64::from(delivery.attempt)) % 7 {
        0 => Err(Failure::retry_after("later", Duration::from_millis(1)).into()),
        1 if delivery.event.seq.is_multiple_of(5) => Err(Failure::reject("no").into()),
        _ => Ok(Reply(None)),
    }
}

struct Unsteady;

impl Handler for Unsteady {
    fn handle<'a>(&'a mut self, delivery: &'a Arc<Delivery>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_micros(delivery.event.seq % 300)).await;
            unsteady(delivery)
        })
    }
}

fn handlers(count: usize) -> Vec<Box<dyn Handler>> {
    (0..count).map(|_| Box::new(Unsteady) as Box<dyn Handler>).collect()
}

fn subscribe(bus: &Bus, name: &str, policy: WhenFull, count: usize) -> Subscription {
    let subscribe = bus.subscribe(">").name(name).queue_events_max(8).when_full(policy);
    subscribe.handlers(handlers(count)).unwrap()
}

/// What the receipts of one publisher promised.
fn publish(bus: &Bus, go_on: &AtomicBool, runtime: &tokio::runtime::Handle, waits: bool) -> usize {
    let mut promised = 0;
    for number in 0.. {
        if !go_on.load(SeqCst) {
            break;
        }
        let draft = draft("a").subject((number % 3).to_string());
        let receipt = if waits { runtime.block_on(bus.publish(draft)) } else { bus.try_publish(draft) };
        promised += receipt.map_or(0, |receipt| receipt.matched);
    }
    promised
}

async fn disturb(subs: &[Subscription], until: tokio::time::Instant) {
    for round in 0usize.. {
        if tokio::time::Instant::now() > until {
            break;
        }
        let sub = &subs[round % subs.len()];
        match round % 5 {
            0 => sub.pause(),
            1 => sub.suspend(),
            2 => sub.probe(),
            _ => {
                let settings = Settings {
                    ordering_key: (round % 2 == 0).then_some(OrderingKey::Subject),
                    ..Settings::clone(&sub.settings())
                };
                let handlers = handlers(round % 4 + 1);
                let new = Replace { filters: sub.filters(), handlers, settings: Some(settings) };
                sub.replace(new, Duration::from_micros(100)).await.unwrap();
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        sub.resume();
        sub.unsuspend();
    }
}

#[test]
fn what_receipts_promise_is_accounted_for() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    let (bus, go_on) = (Bus::default(), Arc::new(AtomicBool::new(true)));
    let guard = runtime.enter();
    let wait = WhenFull::Wait { max: Duration::from_millis(2) };
    let subs = [
        subscribe(&bus, "waits", wait, 1),
        subscribe(&bus, "waits-at-once", wait, 3),
        subscribe(&bus, "oldest", WhenFull::DropOldest, 2),
        subscribe(&bus, "newest", WhenFull::DropNewest, 1),
        subscribe(&bus, "refuses", WhenFull::Refuse, 2),
    ];
    let mut stream = bus.subscribe(">").name("stream").when_full(WhenFull::DropOldest).stream().unwrap();
    let control = stream.control();
    let inline = bus.subscribe(">").name("inline").inline(|d: &Delivery| unsteady(d).map(|_| ())).unwrap();
    drop(guard);
    let read = Arc::new(AtomicUsize::new(0));
    let counter = read.clone();
    let reader = runtime.spawn(async move {
        while stream.next().await.is_some() {
            counter.fetch_add(1, SeqCst);
        }
    });
    let publishers: Vec<_> = (0..4)
        .map(|number| {
            let (bus, go_on, runtime) = (bus.clone(), go_on.clone(), runtime.handle().clone());
            std::thread::spawn(move || publish(&bus, &go_on, &runtime, number % 2 == 0))
        })
        .collect();
    let until = tokio::time::Instant::now() + Duration::from_millis(1500);
    runtime.block_on(disturb(&subs, until));
    go_on.store(false, SeqCst);
    let promised: usize = publishers.into_iter().map(|thread| thread.join().unwrap()).sum();
    let report = runtime.block_on(bus.shutdown(Duration::from_millis(50)));
    runtime.block_on(reader).unwrap();
    let all: Vec<SubscriptionStats> =
        subs.iter().map(|sub| sub.stats()).chain([control.stats(), inline.stats()]).collect();
    let settled: u64 = all.iter().map(|stats| stats.acked + stats.dead + stats.dropped).sum();
    assert_eq!(settled + report.unsettled.len() as u64, promised as u64, "{all:#?}");
    assert!(all.iter().all(|stats| stats.in_flight == 0 && stats.waiting == 0), "{all:#?}");
    assert_eq!(control.stats().acked, read.load(SeqCst) as u64);
    let letters = bus.dead_letters().stats();
    assert_eq!(letters.total, all.iter().map(|stats| stats.dead).sum::<u64>());
    assert!(promised > 100, "{promised}");
}
