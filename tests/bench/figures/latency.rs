//! How long an event takes from publish to its handler, through a bus with a journal and through one without, at a rate
//! that neither is busy with. The two take turns, event by event, so that whatever else the machine does meets both.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use plugbus::bus::{Bus, Delivery, Draft, Subscription};
use plugbus::journal::JournalConfig;
use tokio::time::MissedTickBehavior;

use crate::disk::{OnDisk, folder};
use crate::effort;
use crate::host::{PATIENCE, TOPIC, data, draft_of, two_threads};
use crate::record::{Record, Records, per_mille};

/// Events through each bus.
const EVENTS: usize = 5000;
/// Between two events of one bus: 500 a second.
const EVERY: Duration = Duration::from_millis(2);

pub(crate) fn latency(records: &mut Records) {
    let (runtime, folder) = (two_threads(), folder());
    let [mut with, mut without] = runtime.block_on(async {
        let on_disk = OnDisk::open(JournalConfig::new(folder.path()));
        let plain = Bus::default();
        let latencies = measure([&on_disk.bus, &plain]).await;
        on_disk.close().await;
        latencies
    });
    for (name, part) in [("p50", 500), ("p99", 990), ("p99.9", 999)] {
        let [with, without] = [&mut with, &mut without].map(|latencies| per_mille(latencies, part).as_nanos() as f64);
        let name = format!("latency/publish to handler with a journal, sync group, {name}");
        records.add(&Record::new(name, with, "ns").beside("without a journal", without));
    }
}

/// Durations from publish to handler, for each bus.
async fn measure(buses: [&Bus; 2]) -> [Vec<Duration>; 2] {
    let began = Instant::now();
    let receivers = buses.map(|bus| Receiver::new(bus, began));
    let mut ticks = tokio::time::interval(EVERY / 2);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut publishers = Vec::new();
    for _ in 0..effort::times(EVENTS) {
        for bus in buses.map(Clone::clone) {
            ticks.tick().await;
            // In a task of its own: an event that is late does not hold back the next, which would hide how late it was.
            publishers.push(tokio::spawn(async move {
                bus.publish(now(began)).await.expect("the bus takes an event");
            }));
        }
    }
    for publisher in publishers {
        publisher.await.expect("the publisher ends");
    }
    for bus in buses {
        assert!(bus.wait_idle(PATIENCE).await, "every event is handled");
    }
    receivers.map(Receiver::latencies)
}

/// A handler that looks at the clock, and at what it was when the event was published.
struct Receiver {
    latencies: Arc<Mutex<Vec<Duration>>>,
    _subscription: Subscription,
}

impl Receiver {
    fn new(bus: &Bus, began: Instant) -> Self {
        let latencies = Arc::new(Mutex::new(Vec::new()));
        let noted = latencies.clone();
        let handler = move |delivery: Arc<Delivery>| {
            let entered = began.elapsed();
            let published = published(&delivery.event.payload.data);
            noted.lock().unwrap_or_else(PoisonError::into_inner).push(entered.saturating_sub(published));
            async {}
        };
        let subscription = bus.subscribe(TOPIC).on(handler).expect("the bus takes a subscription");
        Self { latencies, _subscription: subscription }
    }

    fn latencies(self) -> Vec<Duration> {
        let all = self.latencies.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert_eq!(all.len(), effort::times(EVENTS), "every event is handled once");
        all
    }
}

/// The event of 256 bytes, of which the first say when it is published.
fn now(began: Instant) -> Draft {
    let nanos = u64::try_from(began.elapsed().as_nanos()).expect("the figure is taken within centuries");
    let mut bytes = nanos.to_le_bytes().to_vec();
    bytes.resize(data().len(), b' ');
    draft_of(TOPIC, Bytes::from(bytes))
}

fn published(data: &Bytes) -> Duration {
    let nanos = data.first_chunk().copied().expect("the data is longer");
    Duration::from_nanos(u64::from_le_bytes(nanos))
}
