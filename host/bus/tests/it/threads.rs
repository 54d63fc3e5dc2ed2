//! Publishing from plain threads: no runtime around them, any number of them, also while the bus ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Barrier, Mutex};
use std::thread::{JoinHandle, spawn, yield_now};

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
