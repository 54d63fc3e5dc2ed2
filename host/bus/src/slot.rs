//! A slot is one subscription as the bus holds it: its queue, its settings, its counters.
//!
//! Publishers [offer](Slot::offer) events to it (`offer`), workers take them out (`take`). Who waits: publishers, for room, in order of
//! arrival, where the policy says so; workers, for events. What bounds it: [`Settings::queue_events_max`] and
//! `queue_bytes_max`. The lock is held for a few instructions and never across an await or a call of foreign code.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::Release};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::bus::Inner;
use crate::control::Workers;
use crate::dead::DeadReason;
use crate::durable::progress::Progress;
use crate::inline::InlineHandler;
use crate::lifecycle::Watchers;
use crate::name::Name;
use crate::queue::{Item, Queue};
use crate::settings::{Settings, WhenFull};
use crate::settlement::{Settlement, settle};
use crate::state::StateStore;
use crate::stats::Counters;
use crate::topic::Filter;
use crate::trace::Tracer;
use crate::watch::{WatchCounters, WatchQueue};

mod durable;
mod offer;
mod take;
mod tick;

pub(crate) use durable::Feed;
pub(crate) use offer::{Offer, WaitingPublisher, lane_of};
pub(crate) use take::Wake;
pub(crate) use tick::Tick;
use tick::Ticking;

/// See the module.
pub(crate) struct Slot {
    pub(crate) number: u64,
    pub(crate) name: Name,
    pub(crate) filters: ArcSwap<Vec<Filter>>,
    pub(crate) settings: ArcSwap<Settings>,
    pub(crate) priority: i32,
    pub(crate) kind: Kind,
    pub(crate) counters: Counters,
    pub(crate) bus: Weak<Inner>,
    /// The bus's, at hand: every settlement goes by here.
    watchers: Arc<Watchers>,
    /// The bus's, at hand: every attempt goes by here.
    pub(crate) tracer: Option<Arc<dyn Tracer>>,
    state: Mutex<State>,
    /// Workers wait here for events.
    work: Notify,
    /// Publishers wait here for room.
    room: Notify,
    /// The feeder of a durable subscription waits here.
    feed: Notify,
    waiting_publishers: AtomicUsize,
    /// Set when a publisher waited in vain; cleared when the queue has fallen to half.
    saturated: AtomicBool,
    taken_in: AtomicU64,
    ticking: Ticking,
    workers: Mutex<Workers>,
    /// What its handlers remember.
    pub(crate) store: Arc<StateStore>,
    /// Whether it has a cursor.
    pub(crate) is_durable: bool,
}

/// How a subscription gets its events.
pub(crate) enum Kind {
    /// Called inside publish.
    Inline {
        handler: Box<InlineHandler>,
        /// Paused, suspended or ended: a call must ask first. Otherwise it costs no lock.
        special: AtomicBool,
        /// Sees what is accepted and cannot stop it: called after the journal, where there is one.
        observes: bool,
    },
    /// Offered inside publish to a watcher's own bounded queue: neither settled nor ever a dead letter.
    Watch { queue: Arc<WatchQueue>, counters: Arc<WatchCounters> },
    /// Through the queue, to worker tasks. What is left at the end becomes dead letters.
    Queued,
    /// Through the queue, to a stream that its owner reads. What is left at the end is counted.
    Stream,
}

impl Kind {
    /// Whether events wait in the slot's queue.
    pub(crate) fn is_queued(&self) -> bool {
        matches!(self, Self::Queued | Self::Stream)
    }
}

struct State {
    queue: Queue,
    /// Where a durable subscription stands.
    progress: Option<Progress>,
    /// Workers of an older generation stop.
    generation: u64,
    closed: bool,
}

impl Slot {
    #[allow(clippy::too_many_arguments, reason = "one caller; a struct would repeat the fields of Slot")]
    pub(crate) fn new(
        number: u64,
        name: Name,
        filters: Vec<Filter>,
        settings: Settings,
        priority: i32,
        kind: Kind,
        progress: Option<Progress>,
        store: Arc<StateStore>,
        bus: &Arc<Inner>,
    ) -> Self {
        let queue = Queue::new(settings.queue_events_max.get(), settings.queue_bytes_max);
        Self {
            is_durable: progress.is_some(),
            number,
            name,
            filters: ArcSwap::from_pointee(filters),
            settings: ArcSwap::from_pointee(settings),
            priority,
            kind,
            counters: Counters::default(),
            bus: Arc::downgrade(bus),
            watchers: bus.watchers.clone(),
            tracer: bus.tracer.clone(),
            state: Mutex::new(State { queue, progress, generation: 0, closed: false }),
            work: Notify::new(),
            room: Notify::new(),
            feed: Notify::new(),
            waiting_publishers: AtomicUsize::new(0),
            saturated: AtomicBool::new(false),
            taken_in: AtomicU64::new(0),
            ticking: Ticking::default(),
            workers: Mutex::default(),
            store,
        }
    }

    /// Puts the tasks of a new generation in the place of the old ones, which are returned.
    pub(crate) fn set_workers(&self, workers: Workers) -> Workers {
        std::mem::replace(&mut *self.workers.lock().unwrap_or_else(PoisonError::into_inner), workers)
    }

    /// Whether an event that matched by topic is wanted: by source, and by how many were wanted in all.
    pub(crate) fn wants(&self, source: &str) -> bool {
        self.wants_under(&self.settings.load(), source)
    }

    fn wants_under(&self, settings: &Settings, source: &str) -> bool {
        settings.source.as_ref().is_none_or(|wanted| wanted.matches(source))
            && settings.events_max.is_none_or(|max| self.taken_in.load(Relaxed) < max.get())
    }

    /// Starts a new generation of workers: those of older ones stop before their next event. Returns its number.
    pub(crate) fn new_generation(&self, filters: Vec<Filter>, settings: Option<Settings>) -> u64 {
        let mut state = self.lock();
        state.generation += 1;
        let generation = state.generation;
        self.filters.store(Arc::new(filters));
        if let Some(mut settings) = settings {
            if state.progress.is_some() {
                settings.when_full = WhenFull::Spill;
            }
            state.queue.set_bounds(settings.queue_events_max.get(), settings.queue_bytes_max);
            let old = self.settings.swap(Arc::new(settings.clone()));
            let one_lane = |s: &Settings| (s.ordering_key.clone(), s.concurrency.get() == 1);
            if one_lane(&old) != one_lane(&settings) {
                state.queue.relane(|event| lane_of(&settings, event));
            }
        }
        drop(state);
        self.work.notify_waiters();
        self.work.notify_one();
        // The bounds may be wider now.
        self.room.notify_waiters();
        generation
    }

    /// Ends the subscription and returns what was waiting. Workers stop before their next event.
    pub(crate) fn close(&self) -> Vec<Item> {
        let mut state = self.lock();
        let was_closed = std::mem::replace(&mut state.closed, true);
        let left = state.queue.drain();
        if !was_closed {
            self.leave_cursor(&state, &left);
        }
        self.note_special(&state);
        drop(state);
        self.work.notify_waiters();
        self.room.notify_waiters();
        self.feed.notify_one();
        if let Kind::Watch { queue, .. } = &self.kind {
            queue.close();
        }
        left
    }

    /// Ends the subscription; what was waiting becomes dead letters, or is counted where a stream simply went away.
    pub(crate) fn close_and_leave(&self) {
        for item in self.close() {
            self.leave(item);
        }
        self.progressed();
    }

    /// Takes the subscription out of the bus and closes it.
    pub(crate) fn end(&self) {
        match self.bus.upgrade() {
            Some(bus) => bus.remove(self.number),
            None => self.close_and_leave(),
        }
    }

    /// What happens to an event whose subscription ended first.
    fn leave(&self, item: Item) {
        if item.is_kept() {
            // What the journal has comes again with the next subscription of this name.
            return settle(item.waiter.as_ref(), &self.name, || Settlement::Dropped);
        }
        match self.kind {
            Kind::Stream => {
                self.counters.discarded.fetch_add(1, Relaxed);
                settle(item.waiter.as_ref(), &self.name, || Settlement::Dropped);
            }
            Kind::Inline { .. } | Kind::Watch { .. } | Kind::Queued => self.bury(item, DeadReason::Unsubscribed),
        }
    }

    /// Makes a dead letter of an item. Counts, tells the bus, tells the waiter: whoever is told finds the letter there.
    pub(crate) fn bury(&self, item: Item, reason: DeadReason) {
        self.counters.dead.fetch_add(1, Relaxed);
        let settlement = Settlement::Dead(reason.clone());
        if let Some(bus) = self.bus.upgrade() {
            bus.bury(item.event, Some(&self.name), reason, item.history);
        }
        settle(item.waiter.as_ref(), &self.name, || settlement);
    }

    /// Runs something on the queue and wakes who may be waiting for its effect.
    pub(crate) fn with_queue<T>(&self, change: impl FnOnce(&mut Queue) -> T) -> T {
        let mut state = self.lock();
        let value = change(&mut state.queue);
        self.note_special(&state);
        drop(state);
        self.work.notify_waiters();
        self.work.notify_one();
        self.room.notify_waiters();
        self.progressed();
        value
    }

    fn note_special(&self, state: &State) {
        if let Kind::Inline { special, .. } = &self.kind {
            special.store(state.closed || state.queue.is_paused() || state.queue.is_suspended(), Release);
        }
    }

    /// Reads the queue without waking anybody.
    pub(crate) fn read_queue<T>(&self, read: impl FnOnce(&Queue) -> T) -> T {
        read(&self.lock().queue)
    }

    /// Whether nothing waits and nothing is in flight; for a durable subscription, in the journal neither.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.lock();
        let behind = state.progress.as_ref().is_some_and(Progress::is_behind);
        self.waiting_publishers.load(Relaxed) == 0
            && !behind
            && state.queue.waiting() == 0
            && state.queue.in_flight() == 0
    }

    fn wake_workers(&self) {
        self.work.notify_waiters();
        self.work.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Whether it has taken in all the events it wanted and settled them.
    pub(crate) fn is_exhausted(&self) -> bool {
        let max = self.settings.load().events_max;
        max.is_some_and(|max| self.taken_in.load(Relaxed) >= max.get()) && self.is_idle()
    }

    fn is_held(&self) -> bool {
        self.read_queue(|queue| queue.is_paused() || queue.is_suspended())
    }

    fn progressed(&self) {
        self.watchers.tell();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").field("name", &self.name).finish_non_exhaustive()
    }
}
