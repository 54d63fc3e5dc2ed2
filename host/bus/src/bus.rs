//! What a bus is made of: the registry of subscriptions, the routes built from it, topics, gates, counters, dead letters. How
//! an event is taken is in `accept`, what handlers publish in `release`. No lock is held while foreign code runs or anybody
//! waits.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use crate::clock::now_ns;
use crate::dead::{AttemptRecord, DeadLetter, DeadLetterLimits, DeadLetters, DeadReason};
use crate::durable::Durable;
use crate::event::{Event, EventLimits};
use crate::gate::Gate;
use crate::history::History;
use crate::journal::Write;
use crate::lifecycle::Watchers;
use crate::name::Name;
use crate::publish::{Disposition, Receipt};
use crate::route::Routes;
use crate::slot::{Kind, Slot};
use crate::topic::Filter;
use crate::topics::{Directory, KnownRoutes};
use crate::trace::Tracer;

/// Most handlers that may stand between an event and the one from outside that began it.
pub const HOPS_MAX: u8 = 16;

/// What a bus is made with.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) event_limits: EventLimits,
    pub(crate) default_source: Arc<str>,
    pub(crate) dead_letters: DeadLetterLimits,
    pub(crate) topics_max: usize,
    pub(crate) subscriptions_max: usize,
    pub(crate) strict_topics: bool,
}

/// The shared state behind every [`Bus`](crate::Bus).
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) phase: AtomicU8,
    /// Publishers from outside whose event is taken, and not yet in every queue or in the journal's hands.
    pub(crate) entering: AtomicUsize,
    pub(crate) seq: AtomicU64,
    pub(crate) registry: Mutex<Registry>,
    pub(crate) table: ArcSwap<Table>,
    pub(crate) topics: Directory,
    pub(crate) dead: DeadLetters,
    pub(crate) counters: BusCounters,
    /// The journal, where the bus has one.
    pub(crate) durable: Option<Durable>,
    pub(crate) watchers: Arc<Watchers>,
    /// The last events, where it has none and remembers some.
    pub(crate) history: Option<Arc<History>>,
    /// Who is told of events and attempts.
    pub(crate) tracer: Option<Arc<dyn Tracer>>,
}

/// The life of a bus.
pub(crate) mod phase {
    /// Takes events.
    pub(crate) const OPEN: u8 = 0;
    /// Takes only what handlers publish.
    pub(crate) const DRAINING: u8 = 1;
    /// Takes nothing.
    pub(crate) const CLOSED: u8 = 2;
}

/// Every subscription, routed or not.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    pub(crate) slots: BTreeMap<u64, Registered>,
    /// Ended, with something in flight still.
    pub(crate) leaving: Vec<Arc<Slot>>,
    pub(crate) next_number: u64,
}

#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) slot: Arc<Slot>,
    /// False once it has had all the events it wanted.
    pub(crate) routed: bool,
}

/// What every publisher looks up: a version of the gates and of the routes.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) gates: Vec<Arc<Gate>>,
    pub(crate) routes: Arc<Routes<Slot>>,
    /// Who matches the topics that were published on since.
    pub(crate) known: KnownRoutes,
}

#[derive(Debug, Default)]
pub(crate) struct BusCounters {
    pub(crate) accepted: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) unmatched: AtomicU64,
    pub(crate) muted: AtomicU64,
    pub(crate) held: AtomicU64,
    pub(crate) outbox_refused: AtomicU64,
    pub(crate) duplicates: AtomicU64,
    pub(crate) journal_refused: AtomicU64,
}

impl Inner {
    pub(crate) fn new(
        config: Config,
        durable: Option<Durable>,
        history: Option<Arc<History>>,
        tracer: Option<Arc<dyn Tracer>>,
    ) -> Self {
        Self {
            phase: AtomicU8::new(phase::OPEN),
            entering: AtomicUsize::new(0),
            seq: AtomicU64::new(0),
            registry: Mutex::default(),
            table: ArcSwap::from_pointee(Table::new(Vec::new(), Arc::new(Routes::new([])))),
            topics: Directory::new(config.topics_max),
            dead: DeadLetters::new(config.dead_letters),
            counters: BusCounters::default(),
            durable,
            watchers: Arc::default(),
            history,
            tracer,
            config,
        }
    }

    /// Records a dead letter and reports it.
    pub(crate) fn bury(
        &self,
        event: Arc<Event>,
        subscription: Option<&Name>,
        reason: DeadReason,
        attempts: Vec<AttemptRecord>,
    ) {
        let letter = self.new_letter(event, subscription, reason, attempts);
        if let Some(durable) = &self.durable {
            durable.submit(Write::Dead(Box::new(letter)), None);
        }
    }

    /// The same for a dead letter that goes into the journal together with what led to it.
    pub(crate) fn new_letter(
        &self,
        event: Arc<Event>,
        subscription: Option<&Name>,
        reason: DeadReason,
        attempts: Vec<AttemptRecord>,
    ) -> DeadLetter {
        let added = self.dead.add(event, subscription.cloned(), reason, attempts, now_ns());
        if let Some(durable) = &self.durable
            && !added.evicted.is_empty()
        {
            durable.submit(Write::DeadGone(added.evicted), None);
        }
        let letter = added.letter;
        self.report_dead(letter.id, &letter.event, subscription, &letter.reason);
        letter
    }

    /// Builds the routes anew from the registry, which the caller holds.
    pub(crate) fn rebuild(&self, registry: &Registry) {
        let mut slots: Vec<&Arc<Slot>> = registry.slots.values().filter(|r| r.routed).map(|r| &r.slot).collect();
        // Observers first, who see everything; then inline handlers, who may stop an event; each kind by priority, then by
        // registration.
        slots.sort_by_key(|slot| {
            let kind = match slot.kind {
                Kind::Inline { observes: true, .. } | Kind::Watch { .. } => 0,
                Kind::Inline { observes: false, .. } => 1,
                Kind::Queued | Kind::Stream => 2,
            };
            (kind, std::cmp::Reverse(slot.priority), slot.number)
        });
        let routes = Routes::new(slots.into_iter().map(|slot| (slot.clone(), slot.filters.load_full())));
        let gates = self.table.load().gates.clone();
        self.table.store(Arc::new(Table::new(gates, Arc::new(routes))));
    }

    /// Takes the filters away that one covers. The subscriptions that have no other, which keep theirs.
    pub(crate) fn take_filters(&self, filter: &Filter) -> Vec<u64> {
        let registry = self.lock_registry();
        let mut without = Vec::new();
        for slot in registry.slots.values().map(|registered| &registered.slot) {
            let own = slot.filters.load();
            let left: Vec<Filter> = own.iter().filter(|own| !filter.covers(own)).cloned().collect();
            match left.len() {
                same if same == own.len() => {}
                0 => without.push(slot.number),
                _ => slot.filters.store(Arc::new(left)),
            }
        }
        self.rebuild(&registry);
        without
    }

    /// No further event matches the subscription; what is queued is still handled.
    pub(crate) fn unroute(&self, number: u64) {
        let mut registry = self.lock_registry();
        if let Some(registered) = registry.slots.get_mut(&number) {
            registered.routed = false;
            self.rebuild(&registry);
        }
    }

    /// Gives a subscription other filters. Nothing if it is out already.
    pub(crate) fn set_filters(&self, slot: &Slot, filters: Vec<Filter>) {
        let registry = self.lock_registry();
        if registry.slots.contains_key(&slot.number) {
            slot.filters.store(Arc::new(filters));
            self.rebuild(&registry);
        }
    }

    /// Takes a subscription out. Nothing if it is out already.
    pub(crate) fn remove(&self, number: u64) {
        let removed = {
            let mut registry = self.lock_registry();
            let removed = registry.slots.remove(&number);
            if let Some(removed) = &removed {
                registry.leaving.push(removed.slot.clone());
                self.rebuild(&registry);
            }
            removed
        };
        if let Some(removed) = removed {
            let slot = removed.slot;
            slot.close_and_leave();
            self.lock_registry().leaving.retain(|slot| slot.read_queue(|queue| queue.in_flight() > 0));
            self.publish_host("plugbus.subscription.removed", || subscription_json(&slot));
        }
    }

    /// Whose filters match a topic now.
    pub(crate) fn matching(&self, topic: &crate::topic::Topic) -> Vec<Arc<Slot>> {
        self.table.load().routes.matching(topic)
    }

    pub(crate) fn slots(&self) -> Vec<Arc<Slot>> {
        self.lock_registry().slots.values().map(|registered| registered.slot.clone()).collect()
    }

    /// Those that have ended, with something in flight still.
    pub(crate) fn leaving(&self) -> Vec<Arc<Slot>> {
        self.lock_registry().leaving.clone()
    }

    /// Adds or removes gates.
    pub(crate) fn change_gates(&self, change: impl FnOnce(&mut Vec<Arc<Gate>>)) {
        // Routes change under this lock too.
        let _registry = self.lock_registry();
        let table = self.table.load();
        let mut gates = table.gates.clone();
        change(&mut gates);
        self.table.store(Arc::new(Table::new(gates, table.routes.clone())));
    }

    pub(crate) fn remove_gate(&self, gate: &Arc<Gate>) {
        self.change_gates(|gates| gates.retain(|other| !Arc::ptr_eq(other, gate)));
    }

    /// Something was settled or freed: tells who waits for the bus to be idle.
    pub(crate) fn progressed(&self) {
        self.watchers.tell();
    }

    pub(crate) fn lock_registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The last handle of the bus is gone: workers and streams must not wait for ever.
        for slot in self.slots() {
            slot.close();
        }
    }
}

impl Table {
    fn new(gates: Vec<Arc<Gate>>, routes: Arc<Routes<Slot>>) -> Self {
        Self { gates, routes, known: KnownRoutes::default() }
    }
}

impl Receipt {
    pub(crate) fn new(id: Arc<str>, seq: u64) -> Self {
        let disposition = Disposition::Delivered;
        Self { id, seq, matched: 0, dead: 0, dropped: 0, stopped_by: None, disposition }
    }
}

/// What the host says of a subscription when it comes and goes.
pub(crate) fn subscription_json(slot: &Slot) -> serde_json::Value {
    let filters: Vec<String> = slot.filters.load().iter().map(ToString::to_string).collect();
    serde_json::json!({ "subscription": slot.name, "filters": filters })
}
