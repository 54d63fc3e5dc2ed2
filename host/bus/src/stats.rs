//! Counters: every event in, every end, every drop.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde::Serialize;

use crate::dead::DeadStats;
use crate::handler::{FaultKind, HandlerError};
use crate::histogram::{Histogram, HistogramSnapshot, TIME_STEPS_NS};
use crate::name::Name;
use crate::slot::{Kind, Slot};
use crate::state::StateStats;

/// What a bus counted since it was made.
#[derive(Debug, Clone, Default, Serialize)]
pub struct BusStats {
    /// Events accepted.
    pub accepted: u64,
    /// Publishes refused: malformed, no room, closed.
    pub refused: u64,
    /// Accepted events that matched no subscription.
    pub unmatched: u64,
    /// Publishes that a mute swallowed.
    pub muted: u64,
    /// Publishes that a hold keeps or kept back.
    pub held: u64,
    /// Publishes on topics that found no room in the directory of topics.
    pub topics_unlisted: u64,
    /// Events that handlers published and that were refused at release; each is a dead letter and logged.
    pub outbox_refused: u64,
    /// Events whose id and source had been accepted before, within the journal's window: acknowledged, not delivered.
    pub duplicates: u64,
    /// Events that the journal refused.
    pub journal_refused: u64,
    /// Subscriptions now.
    pub subscriptions: usize,
    /// Dead letters.
    pub dead_letters: DeadStats,
}

/// What one subscription is and has done.
#[derive(Debug, Clone, Serialize)]
pub struct SubscriptionStats {
    /// Its name.
    pub name: Name,
    /// Its filters.
    pub filters: Vec<String>,
    /// `observer`, `inline`, `watcher`, `queued` or `stream`.
    pub kind: &'static str,
    /// Paused by somebody.
    pub paused: bool,
    /// Suspended by a supervisor.
    pub suspended: bool,
    /// Events taken in.
    pub matched: u64,
    /// Attempts that came to their own end. One that was cut off is no attempt, and counts among the faults only.
    pub attempts: u64,
    /// Deliveries acked.
    pub acked: u64,
    /// Attempts that ended in a retry.
    pub retried: u64,
    /// Deliveries that the handler rejected.
    pub rejected: u64,
    /// Attempts that ended in a fault.
    pub faults: u64,
    /// The same by kind; kinds that never happened are left out.
    pub faults_by_kind: Vec<(&'static str, u64)>,
    /// Deliveries that became dead letters.
    pub dead: u64,
    /// Events dropped by the queue's policy.
    pub dropped: u64,
    /// Times that an event found the queue full.
    pub full: u64,
    /// Events left behind by a stream that went away.
    pub discarded: u64,
    /// Attempts repeated because another handler had changed what they had read in the store.
    pub conflicts: u64,
    /// Ticks handled, see [`Control::tick`](crate::Control::tick). They count among the attempts too, and nowhere else.
    pub ticks: u64,
    /// Of these, how many failed.
    pub ticks_failed: u64,
    /// Ticks that were not given because the one before was still on its way.
    pub ticks_skipped: u64,
    /// Events waiting now.
    pub waiting: usize,
    /// Bytes waiting now.
    pub waiting_bytes: usize,
    /// Deliveries in flight now.
    pub in_flight: usize,
    /// Time spent in handlers, nanoseconds.
    pub handler_ns_total: u64,
    /// Longest single attempt, nanoseconds.
    pub handler_ns_max: u64,
    /// How many attempts took how long, in the steps of [`TIME_STEPS_NS`].
    #[serde(skip)]
    pub handler_ns: HistogramSnapshot,
    /// What its handlers remember; none where they remember nothing, or have not looked since the start of the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<StateStats>,
    /// How it stands in the journal, where it is durable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub durable: Option<DurableStats>,
}

/// How a durable subscription stands in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DurableStats {
    /// Every event up to this number is settled.
    pub floor: u64,
    /// Events over the floor, wanted or not, settled or not.
    pub backlog: u64,
    /// Whether more waits in the journal than the queue holds.
    pub behind: bool,
    /// Events that found the queue full, or others in the journal before them, and were read from there.
    pub spilled: u64,
    /// Events that were retired from the journal before the subscription came to them.
    pub retired: u64,
}

/// The counters of a slot. Written with relaxed atomics: each is exact, together they are a snapshot only when idle.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) matched: AtomicU64,
    pub(crate) attempts: AtomicU64,
    pub(crate) acked: AtomicU64,
    pub(crate) retried: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) dead: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) full: AtomicU64,
    pub(crate) discarded: AtomicU64,
    pub(crate) conflicts: AtomicU64,
    pub(crate) ticks: AtomicU64,
    pub(crate) ticks_failed: AtomicU64,
    pub(crate) ticks_skipped: AtomicU64,
    pub(crate) spilled: AtomicU64,
    pub(crate) retired: AtomicU64,
    faults: [AtomicU64; FAULT_KINDS.len()],
    handler_ns: Times,
    handler_ns_max: AtomicU64,
}

/// How many attempts took how long.
#[derive(Debug)]
struct Times(Histogram<{ TIME_STEPS_NS.len() }>);

impl Default for Times {
    fn default() -> Self {
        Self(Histogram::new(&TIME_STEPS_NS))
    }
}

/// All names of [`FaultKind`], as counted.
const FAULT_KINDS: [&str; 11] =
    ["trap", "panic", "fuel", "deadline", "memory", "stack", "table", "host-call", "handles", "contract", "cancelled"];

impl Counters {
    /// Counts an attempt that ended.
    pub(crate) fn attempt(&self, error: Option<&HandlerError>, took: Duration) {
        self.attempts.fetch_add(1, Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.handler_ns.0.record(nanos);
        // It rarely rises, and reading is far cheaper than writing.
        if nanos > self.handler_ns_max.load(Relaxed) {
            self.handler_ns_max.fetch_max(nanos, Relaxed);
        }
        if let Some(fault) = error.and_then(HandlerError::fault) {
            self.fault(fault.kind);
        }
    }

    /// Counts a fault.
    pub(crate) fn fault(&self, kind: FaultKind) {
        let name = kind.name();
        if let Some((_, counter)) = FAULT_KINDS.iter().zip(&self.faults).find(|(known, _)| **known == name) {
            counter.fetch_add(1, Relaxed);
        }
    }

    fn faults_by_kind(&self) -> Vec<(&'static str, u64)> {
        let counted = FAULT_KINDS.iter().zip(&self.faults).map(|(name, counter)| (*name, counter.load(Relaxed)));
        counted.filter(|(_, count)| *count > 0).collect()
    }
}

/// Reads everything about a slot.
pub(crate) fn snapshot(slot: &Slot) -> SubscriptionStats {
    let counters = &slot.counters;
    let faults_by_kind = counters.faults_by_kind();
    let (paused, suspended, waiting, waiting_bytes, in_flight) =
        slot.read_queue(|q| (q.is_paused(), q.is_suspended(), q.waiting(), q.waiting_bytes(), q.in_flight()));
    let kind = match &slot.kind {
        Kind::Inline { observes: true, .. } => "observer",
        Kind::Inline { observes: false, .. } => "inline",
        Kind::Watch { .. } => "watcher",
        Kind::Queued => "queued",
        Kind::Stream => "stream",
    };
    SubscriptionStats {
        name: slot.name.clone(),
        filters: slot.filters.load().iter().map(ToString::to_string).collect(),
        kind,
        paused,
        suspended,
        matched: counters.matched.load(Relaxed),
        attempts: counters.attempts.load(Relaxed),
        acked: counters.acked.load(Relaxed),
        retried: counters.retried.load(Relaxed),
        rejected: counters.rejected.load(Relaxed),
        faults: faults_by_kind.iter().map(|(_, count)| count).sum(),
        faults_by_kind,
        dead: counters.dead.load(Relaxed),
        dropped: counters.dropped.load(Relaxed),
        full: counters.full.load(Relaxed),
        discarded: counters.discarded.load(Relaxed),
        conflicts: counters.conflicts.load(Relaxed),
        ticks: counters.ticks.load(Relaxed),
        ticks_failed: counters.ticks_failed.load(Relaxed),
        ticks_skipped: counters.ticks_skipped.load(Relaxed),
        waiting,
        waiting_bytes,
        in_flight,
        handler_ns_total: counters.handler_ns.0.sum(),
        handler_ns_max: counters.handler_ns_max.load(Relaxed),
        handler_ns: counters.handler_ns.0.snapshot(),
        state: slot.store.stats().filter(|stats| stats.keys > 0),
        durable: durable(slot),
    }
}

fn durable(slot: &Slot) -> Option<DurableStats> {
    let head = slot.offered_by_bus()?;
    let (_, floor) = slot.floor_at(head)?;
    Some(DurableStats {
        floor,
        backlog: head.saturating_sub(floor),
        behind: slot.is_behind(),
        spilled: slot.counters.spilled.load(Relaxed),
        retired: slot.counters.retired.load(Relaxed),
    })
}
