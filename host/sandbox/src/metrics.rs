//! Counters of one template: every instance of one generation of a plugin adds to the same ones.
//!
//! Plain atomics, written without waiting; a snapshot is not one moment in time, which nothing needs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use plugbus_bus::{FaultKind, Histogram, HistogramSnapshot, TIME_STEPS_NS};
use serde::Serialize;

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident),* $(,)?) => {
        /// Counters that many instances write at once.
        #[derive(Debug, Default)]
        pub(crate) struct Metrics {
            $(pub(crate) $name: AtomicU64,)*
            faults: [AtomicU64; FAULT_NAMES.len()],
            steps: Steps,
        }

        /// The counters of a [`Template`](crate::Template) since it was linked.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
        #[non_exhaustive]
        pub struct MetricsSnapshot {
            $($(#[doc = $doc])+ pub $name: u64,)*
            /// Faults by kind, `init` included; kinds that never occurred are left out.
            pub faults: BTreeMap<&'static str, u64>,
            /// How many calls took how much fuel, in the steps of [`FUEL_STEPS`].
            #[serde(skip)]
            pub fuel: HistogramSnapshot,
            /// How many calls took how long, in the steps of [`TIME_STEPS_NS`], host calls included.
            #[serde(skip)]
            pub time_ns: HistogramSnapshot,
        }

        impl Metrics {
            pub(crate) fn snapshot(&self) -> MetricsSnapshot {
                MetricsSnapshot {
                    $($name: self.$name.load(Relaxed),)*
                    faults: FAULT_NAMES
                        .iter()
                        .zip(&self.faults)
                        .map(|(name, count)| (*name, count.load(Relaxed)))
                        .filter(|(_, count)| *count > 0)
                        .collect(),
                    fuel: self.steps.fuel.snapshot(),
                    time_ns: self.steps.time_ns.snapshot(),
                }
            }
        }
    };
}

counters! {
    /// Calls of `handle` that came to an end, whatever the end.
    calls,
    /// Calls of `handle` that the guest answered with a failure.
    failures,
    /// Calls that were dropped before their end: the generation was replaced or the bus stopped.
    cancelled,
    /// Fuel of the last call.
    fuel_last,
    /// Fuel of the most expensive call.
    fuel_max,
    /// Fuel of all calls.
    fuel_total,
    /// Wall-clock nanoseconds of the last call, host calls included.
    time_ns_last,
    /// Wall-clock nanoseconds of the longest call.
    time_ns_max,
    /// Wall-clock nanoseconds of all calls.
    time_ns_total,
    /// Bytes of linear memory of the instance that was called last.
    memory_bytes_last,
    /// Most bytes of linear memory that one instance has had.
    memory_bytes_peak,
    /// Instances made.
    instances_created,
    /// Instances made anew because the one before had come near its memory limit.
    recycles,
    /// Events staged.
    publishes,
    /// Publishes refused: the manifest does not allow the topic, the call came from `init`, or it was a request.
    publishes_denied,
    /// Publishes refused: malformed.
    publishes_invalid,
    /// Publishes refused: over the number or bytes for one event.
    publishes_over_limit,
    /// Log lines handed to the sink, stdout and stderr included.
    log_lines,
    /// Bytes of log, stdout and stderr that were cut.
    log_bytes_cut,
    /// Outgoing HTTP requests that were let through.
    http_requests,
    /// Outgoing HTTP requests refused: origin not granted, or its address is private.
    http_denied,
    /// Outgoing HTTP requests refused: too many for one event.
    http_over_limit,
    /// Outgoing HTTP requests refused: a secret in them that their origin may not have, too many, or a method that sends them back.
    secrets_denied,
    /// Outgoing TCP connections that were let through.
    tcp_connects,
    /// Uses of the network by sockets refused: host or port not granted, a private address, listening, UDP.
    sockets_denied,
    /// Sockets, connections and lookups of names refused: too many.
    sockets_over_limit,
    /// Keys read from the store, found or not, and keys listed.
    kv_reads,
    /// Keys written to the store or deleted from it, whatever became of the event.
    kv_writes,
    /// Operations on the store refused: over a bound, or called from `init`.
    kv_refused,
    /// Failure reasons and `init` errors that were cut.
    reasons_cut,
}

/// Steps of the fuel that calls take: a thousand to ten billion.
pub const FUEL_STEPS: [u64; 15] = [
    1_000,
    5_000,
    10_000,
    50_000,
    100_000,
    500_000,
    1_000_000,
    5_000_000,
    10_000_000,
    50_000_000,
    100_000_000,
    500_000_000,
    1_000_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// Calls by what they took.
#[derive(Debug)]
struct Steps {
    fuel: Histogram<{ FUEL_STEPS.len() }>,
    time_ns: Histogram<{ TIME_STEPS_NS.len() }>,
}

impl Default for Steps {
    fn default() -> Self {
        Self { fuel: Histogram::new(&FUEL_STEPS), time_ns: Histogram::new(&TIME_STEPS_NS) }
    }
}

const FAULT_NAMES: [&str; 11] =
    ["trap", "panic", "fuel", "deadline", "memory", "stack", "table", "host-call", "handles", "contract", "cancelled"];

impl Metrics {
    pub(crate) fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Relaxed);
    }

    pub(crate) fn fault(&self, kind: FaultKind) {
        let name = kind.name();
        if let Some((_, count)) = FAULT_NAMES.iter().zip(&self.faults).find(|(known, _)| **known == name) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn call_ended(&self, fuel: u64, time: Duration, memory_bytes: u64) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self::add(&self.calls, 1);
        self.fuel_last.store(fuel, Relaxed);
        self.steps.fuel.record(fuel);
        self.steps.time_ns.record(nanos);
        raise(&self.fuel_max, fuel);
        Self::add(&self.fuel_total, fuel);
        self.time_ns_last.store(nanos, Relaxed);
        raise(&self.time_ns_max, nanos);
        Self::add(&self.time_ns_total, nanos);
        self.memory_bytes_last.store(memory_bytes, Relaxed);
        raise(&self.memory_bytes_peak, memory_bytes);
    }
}

/// Raises a maximum. It rarely rises, and reading is far cheaper than writing.
fn raise(maximum: &AtomicU64, value: u64) {
    if value > maximum.load(Relaxed) {
        maximum.fetch_max(value, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_fault_has_a_counter() {
        let metrics = Metrics::default();
        let kinds = [
            FaultKind::Trap,
            FaultKind::Panic,
            FaultKind::Fuel { limit: 1 },
            FaultKind::Deadline { limit: Duration::ZERO },
            FaultKind::Memory { limit_bytes: 1 },
            FaultKind::Stack { limit_bytes: 1 },
            FaultKind::Table { limit: 1 },
            FaultKind::HostCall { limit_bytes: 1 },
            FaultKind::Handles { limit: 1 },
            FaultKind::Contract,
            FaultKind::Cancelled,
        ];
        kinds.into_iter().for_each(|kind| metrics.fault(kind));
        assert_eq!(metrics.snapshot().faults.len(), kinds.len());
    }

    #[test]
    fn calls_are_summed_and_their_maxima_kept() {
        let metrics = Metrics::default();
        metrics.call_ended(10, Duration::from_nanos(5), 100);
        metrics.call_ended(4, Duration::from_nanos(7), 80);
        let shot = metrics.snapshot();
        assert_eq!((shot.calls, shot.fuel_last, shot.fuel_max, shot.fuel_total), (2, 4, 10, 14));
        assert_eq!((shot.fuel.count, shot.fuel.sum, shot.time_ns.sum), (2, 14, 12));
        assert_eq!((shot.time_ns_max, shot.memory_bytes_last, shot.memory_bytes_peak), (7, 80, 100));
    }
}
