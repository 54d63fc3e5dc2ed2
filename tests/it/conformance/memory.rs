//! 10,000 events: whatever a toolchain leaks, the host stays within its bounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use plugbus::bus::{Bus, Delivery, Subscription};
use serde_json::{Value, json};

use super::guest::Language;
use crate::support::events::Recorder;
use crate::support::memory::resident_bytes;

const EVENTS: u64 = 10_000;
/// Events before the first look: by then pools, caches and the guest's heap have their size.
const WARM_UP: u64 = 2_000;
/// Memory of the instance in MiB. One that leaks is made anew at three quarters of it, before or after the first look.
const MEMORY_MIB: u64 = 32;
/// What the others may add. Without a bound it would be some tens of MiB for a guest that keeps the data of each event.
const GROWTH_MAX: u64 = 8 << 20;

/// Sent one after the other, so that what waits does not count. In a process of its own, where nothing else moves memory.
pub(super) async fn ten_thousand_events_in_flat_memory(language: &Language) {
    let mut guest = language.start_with(&format!("memory_bytes = {}", MEMORY_MIB << 20)).await;
    // The one that it comes with would keep every event.
    guest.out = Recorder::on(guest.host.bus(), "out.nothing");
    let (count, _counting) = count_in_order(guest.host.bus());
    let mut before = 0;
    for n in 0..EVENTS {
        if n == WARM_UP {
            before = resident_bytes();
        }
        let end = guest.send_json("c.count", &json!({ "n": n, "padding": "x".repeat(1000) })).await;
        assert_eq!(end.name(), "acked", "{n}");
    }
    let grown = resident_bytes().saturating_sub(before);
    assert_eq!(count.load(Ordering::Relaxed), EVENTS, "not each of them once, in order");
    let metrics = guest.host.status(language.name).unwrap().running.unwrap().metrics;
    println!(
        "{}: {EVENTS} events, the host has grown by {grown} bytes since event {WARM_UP}; {} recycles, instance {} bytes, \
         {} fuel and {} ns an event",
        language.name,
        metrics.recycles,
        metrics.memory_bytes_last,
        metrics.fuel_total / EVENTS,
        metrics.time_ns_total / EVENTS,
    );
    assert!(grown <= GROWTH_MAX, "{grown} bytes more");
    guest.stop(language.name).await;
}

/// How many numbers have come on `out.count`: each must be the next one.
fn count_in_order(bus: &Bus) -> (Arc<AtomicU64>, Subscription) {
    let count = Arc::new(AtomicU64::new(0));
    let counted = count.clone();
    let next = move |delivery: &Delivery| {
        let data: Value = delivery.event.payload.parse().unwrap();
        if data["n"] == counted.load(Ordering::Relaxed) {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    };
    (count, bus.subscribe("out.count").inline(next).unwrap())
}
