//! How long an event takes from publish to its handler, through a bus with a journal and through one without, at a rate
//! that neither is busy with. The two take turns, event by event, so that whatever else the machine does meets both.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use plugbus::bus::{Bus, Delivery, Draft, Subscription};
use plugbus::journal::JournalConfig;
use tokio::time::MissedTickBehavior;

use crate::disk::{OnDisk, folder};
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
    let latencies = buses.map(|_| Latencies::default());
    let subscriptions = [0, 1].map(|bus| subscribe(buses[bus], began, &latencies[bus]));
    let mut ticks = tokio::time::interval(EVERY / 2);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut publishers = Vec::new();
    for number in 0..2 * EVENTS {
        ticks.tick().await;
        let bus = buses[number % 2].clone();
        // In a task of its own: an event that is late does not hold back the next, which would hide how late it was.
        publishers.push(tokio::spawn(async move {
            bus.publish(now(began)).await.expect("the bus takes an event");
        }));
    }
    for publisher in publishers {
        publisher.await.expect("the publisher ends");
    }
    for bus in buses {
        assert!(bus.wait_idle(PATIENCE).await, "every event is handled");
    }
    drop(subscriptions);
    latencies.map(|latencies| {
        let all = std::mem::take(&mut *latencies.lock().unwrap_or_else(PoisonError::into_inner));
        assert_eq!(all.len(), EVENTS, "every event is handled once");
        all
    })
}

type Latencies = Arc<Mutex<Vec<Duration>>>;

/// A handler that looks at the clock, and what it was when the event was published.
fn subscribe(bus: &Bus, began: Instant, latencies: &Latencies) -> Subscription {
    let latencies = latencies.clone();
    let handler = move |delivery: Arc<Delivery>| {
        let entered = began.elapsed();
        let published = published(&delivery.event.payload.data);
        latencies.lock().unwrap_or_else(PoisonError::into_inner).push(entered.saturating_sub(published));
        async {}
    };
    bus.subscribe(TOPIC).on(handler).expect("the bus takes a subscription")
}

/// The event of 256 bytes, of which the first say when it is published.
fn now(began: Instant) -> Draft {
    let mut data = data().to_vec();
    let nanos = u64::try_from(began.elapsed().as_nanos()).expect("the figure is taken within centuries");
    data[..8].copy_from_slice(&nanos.to_le_bytes());
    draft_of(TOPIC, Bytes::from(data))
}

fn published(data: &Bytes) -> Duration {
    let nanos = data.first_chunk().copied().expect("the data is longer");
    Duration::from_nanos(u64::from_le_bytes(nanos))
}
