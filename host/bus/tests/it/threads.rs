//! Publishing from plain threads: no runtime around them, any number of them, also while the bus ends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Barrier, Mutex};
use std::thread::{JoinHandle, spawn, yield_now};
use std::time::Duration;

use plugbus_bus::*;
use tokio::runtime::Runtime;

use crate::support::*;

const THREADS: u64 = 12;
const EVENTS: u64 = 5_000;

/// What was handled: the numbers of each thread, in the order in which they were handled.
#[derive(Clone, Default)]
struct Handled(Arc<Mutex<BTreeMap<u64, Vec<u64>>>>);

impl Handled {
    fn note(&self, event: &Event) {
        let (thread, number): (u64, u64) = event.payload.parse().unwrap();
        self.0.lock().unwrap().entry(thread).or_default().push(number);
    }

    fn handler(&self) -> Box<dyn Handler> {
        let handled = self.clone();
        Box::new(Sync(move |delivery: &Delivery| {
            handled.note(&delivery.event);
            Ok(Reply(None))
        }))
    }

    fn of(&self, thread: u64) -> Vec<u64> {
        self.0.lock().unwrap().get(&thread).cloned().unwrap_or_default()
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap()
}

fn numbered(thread: u64, number: u64) -> Draft {
    draft("n").subject(format!("thread-{thread}")).json(&(thread, number)).unwrap()
}

/// Starts the threads together; each publishes what the function says.
fn threads<T: Send + 'static>(bus: &Bus, publish: fn(&Bus, u64) -> T) -> Vec<JoinHandle<T>> {
    let start = Arc::new(Barrier::new(THREADS as usize));
    let thread = |number| {
        let (bus, start) = (bus.clone(), start.clone());
        spawn(move || {
            start.wait();
            publish(&bus, number)
        })
    };
    (0..THREADS).map(thread).collect()
}

#[test]
fn a_full_queue_hands_the_event_back_and_nothing_is_lost_or_doubled() {
    let (runtime, bus) = (runtime(), Bus::default());
    let (strict, keyed, inline) = (Handled::default(), Handled::default(), Handled::default());
    let _guard = runtime.enter();
    // So few places that every thread meets a full queue again and again.
    let _strict = bus.subscribe("n").queue_events_max(32).handlers(vec![strict.handler()]).unwrap();
    let four = (0..4).map(|_| keyed.handler()).collect();
    let by_thread = bus.subscribe("n").ordering_key(OrderingKey::Subject).concurrency(4).queue_events_max(64);
    let _keyed = by_thread.handlers(four).unwrap();
    let noted = inline.clone();
    let _inline = bus.subscribe("n").inline(move |delivery: &Delivery| noted.note(&delivery.event)).unwrap();

    let published = threads(&bus, |bus, thread| {
        let mut refused = 0_u64;
        for number in 0..EVENTS {
            let mut next = numbered(thread, number);
            while let Err(error) = bus.try_publish(next.clone()) {
                assert!(matches!(error, PublishError::Full { .. }), "{error}");
                let back = error.into_draft();
                assert_eq!(back, next, "the event comes back as it was given");
                (next, refused) = (back, refused + 1);
                yield_now();
            }
        }
        refused
    });
    let refused: u64 = published.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert!(refused > 0, "no queue was ever full: the test tests nothing");
    assert!(runtime.block_on(bus.wait_idle(LONG)));

    assert_eq!(bus.dead_letters().list(&DeadFilter::default()).len(), 0);
    let expected: Vec<u64> = (0..EVENTS).collect();
    for thread in 0..THREADS {
        for (kind, handled) in [("strict", &strict), ("keyed", &keyed), ("inline", &inline)] {
            assert!(handled.of(thread) == expected, "{kind}: thread {thread} is out of order or not whole");
        }
    }
    let stats = bus.stats();
    assert_eq!((stats.accepted, stats.refused), (THREADS * EVENTS, refused));
}

#[test]
fn while_the_bus_ends_each_event_is_handled_or_handed_back() {
    for round in 0..20 {
        let (runtime, bus) = (runtime(), Bus::default());
        let handled = Handled::default();
        let guard = runtime.enter();
        let _sub = bus.subscribe("n").queue_events_max(1_000_000).handlers(vec![handled.handler()]).unwrap();
        drop(guard);
        // Each publishes until the bus takes no more; the numbers that it took.
        let publishers = threads(&bus, |bus, thread| {
            let mut number = 0;
            loop {
                let next = numbered(thread, number);
                match bus.try_publish(next.clone()) {
                    Ok(receipt) => assert_eq!(receipt.matched, 1, "an event is taken for nobody"),
                    Err(PublishError::Closed(back)) => {
                        assert_eq!(*back, next);
                        return number;
                    }
                    Err(other) => panic!("{other}"),
                }
                number += 1;
            }
        });
        while bus.stats().accepted < round * 100 {
            yield_now();
        }
        let report = runtime.block_on(bus.shutdown(LONG));
        assert!(report.unsettled.is_empty() && report.cut_off == 0, "{report:?}");
        for (thread, taken) in publishers.into_iter().map(|thread| thread.join().unwrap()).enumerate() {
            let (found, expected) = (handled.of(thread as u64), (0..taken).collect::<Vec<_>>());
            let missing: BTreeSet<_> = expected.iter().filter(|number| !found.contains(number)).collect();
            assert!(found == expected, "round {round}, thread {thread}: {missing:?} of {taken} are missing");
        }
    }
}

/// A bus with a publisher that has been let in and stands still before the last queue.
struct Halfway {
    runtime: Runtime,
    bus: Bus,
    handled: Handled,
    publisher: JoinHandle<Receipt>,
    go_on: Arc<Barrier>,
    _subscriptions: [Subscription; 2],
}

impl Halfway {
    fn new() -> Self {
        let (runtime, bus) = (runtime(), Bus::default());
        let handled = Handled::default();
        let (inside, go_on) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let guard = runtime.enter();
        let (at, until) = (inside.clone(), go_on.clone());
        // Inline handlers come first.
        let inline = bus.subscribe("n").inline(move |_: &Delivery| {
            at.wait();
            until.wait();
        });
        let queued = bus.subscribe("n").handlers(vec![handled.handler()]);
        drop(guard);
        let publisher = spawn({
            let bus = bus.clone();
            move || bus.try_publish(numbered(0, 0)).unwrap()
        });
        inside.wait();
        let _subscriptions = [inline.unwrap(), queued.unwrap()];
        Self { runtime, bus, handled, publisher, go_on, _subscriptions }
    }
}

#[test]
fn a_shutdown_waits_for_a_publisher_that_is_in_the_middle() {
    let Halfway { runtime, bus, handled, publisher, go_on, _subscriptions } = Halfway::new();
    let shutdown = runtime.spawn({
        let bus = bus.clone();
        async move { bus.shutdown(LONG).await }
    });
    while bus.is_open() {
        yield_now();
    }
    assert!(matches!(bus.try_publish(numbered(0, 1)), Err(PublishError::Closed(_))));
    // With nothing queued the bus is idle, and would end, but for the one who is in the middle.
    for _ in 0..1_000 {
        assert!(!shutdown.is_finished());
        yield_now();
    }
    go_on.wait();
    assert_eq!(publisher.join().unwrap().matched, 2);
    let report = runtime.block_on(shutdown).unwrap();
    assert!(report.unsettled.is_empty(), "{report:?}");
    assert_eq!(handled.of(0), [0]);
}

#[test]
fn who_is_in_the_middle_for_longer_than_the_grace_has_a_dead_letter() {
    let Halfway { runtime, bus, handled, publisher, go_on, _subscriptions } = Halfway::new();
    runtime.block_on(bus.shutdown(Duration::ZERO));
    go_on.wait();
    let receipt = publisher.join().unwrap();
    assert_eq!((receipt.matched, receipt.dead), (2, 1));
    let letters = bus.dead_letters().list(&DeadFilter::default());
    assert_eq!((letters.len(), &letters[0].reason), (1, &DeadReason::Unsubscribed));
    assert!(handled.of(0).is_empty());
}
