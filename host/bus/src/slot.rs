//! A slot is one subscription as the bus holds it: its queue, its settings, its counters.
//!
//! Publishers [offer](Slot::offer) events to it, workers take them out. Who waits: publishers, for room, in order of
//! arrival, where the policy says so; workers, for events. What bounds it: [`Settings::queue_events_max`] and
//! `queue_bytes_max`. The lock is held for a few instructions and never across an await or a call of foreign code.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::Release, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::bus::{Inner, phase};
use crate::clock::after;
use crate::control::Workers;
use crate::dead::DeadReason;
use crate::durable::progress::Progress;
use crate::event::Event;
use crate::inline::InlineHandler;
use crate::lifecycle::Watchers;
use crate::name::Name;
use crate::place::{Kept, Place};
use crate::queue::{Item, Lane, Queue, Take};
use crate::settings::{Settings, WhenFull};
use crate::settlement::{Settlement, Waiter, settle};
use crate::state::StateStore;
use crate::stats::Counters;
use crate::topic::Filter;
use crate::watch::{WatchCounters, WatchQueue};

/// Longest wait of somebody who brings events of the past to a durable subscription, for one event.
const PAST_WAIT: Duration = Duration::from_secs(60);

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

/// What a worker does next. Closed: a worker knows nothing else.
pub(crate) enum Wake {
    /// Handle this.
    Delivery(Box<Item>),
    /// A newer generation has taken over, or the subscription has ended.
    Stop,
}

/// What became of an offer.
#[derive(Debug)]
pub(crate) enum Offer {
    /// It is in the queue.
    Queued,
    /// There is no room, and the policy lets a publisher wait.
    WaitForRoom(WaitingPublisher),
    /// There is no room, and waiting is not to be, or the bus has closed: it is a dead letter already.
    Dead,
    /// The policy dropped the new event.
    Dropped,
    /// The subscription has ended, does not want the event, or has had all the events it wanted.
    NotTaken,
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
            state: Mutex::new(State { queue, progress, generation: 0, closed: false }),
            work: Notify::new(),
            room: Notify::new(),
            feed: Notify::new(),
            waiting_publishers: AtomicUsize::new(0),
            saturated: AtomicBool::new(false),
            taken_in: AtomicU64::new(0),
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

    /// Keeps a place for an event of that size where its publisher would get it back from a full queue: the policy (or the
    /// caller) does not wait. What room there is belongs to those who wait already.
    pub(crate) fn keep_place(&self, source: &str, bytes: usize, may_wait: bool) -> Kept<'_> {
        let settings = self.settings.load();
        let (refuses, spoken_for) = match settings.when_full {
            WhenFull::Refuse => (true, false),
            WhenFull::Wait { .. } => {
                (!may_wait && !self.saturated.load(Relaxed), self.waiting_publishers.load(Relaxed) > 0)
            }
            WhenFull::DropOldest | WhenFull::DropNewest | WhenFull::Spill => (false, false),
        };
        if !refuses || !self.kind.is_queued() || !self.wants_under(&settings, source) {
            return Kept::NotNeeded;
        }
        let mut state = self.lock();
        if state.closed {
            Kept::NotNeeded
        } else if !spoken_for && state.queue.keep_place(bytes) {
            Kept::Place(Place::new(self, bytes))
        } else if state.queue.is_paused() || state.queue.is_suspended() {
            Kept::NotNeeded
        } else {
            Kept::Full
        }
    }

    /// A place that was kept is not used.
    pub(crate) fn free_place(&self, bytes: usize) {
        self.lock().queue.free_place(bytes);
        if self.waiting_publishers.load(Relaxed) > 0 {
            self.room.notify_one();
        }
    }

    /// Whether an event would find no room, and nothing that makes or waits for some. For what can be offered later as well.
    pub(crate) fn is_full_for(&self, bytes: usize) -> bool {
        let waits = match self.settings.load().when_full {
            WhenFull::DropOldest => return false,
            WhenFull::Wait { .. } => !self.saturated.load(Relaxed),
            WhenFull::Spill => true,
            WhenFull::DropNewest | WhenFull::Refuse => false,
        };
        self.read_queue(|queue| {
            let held = queue.is_paused() || queue.is_suspended();
            !queue.has_room_for(bytes) && (held || !waits)
        })
    }

    /// Puts an event into the queue, in the place that was kept for it if one was, or applies the policy.
    pub(crate) fn offer(
        self: &Arc<Self>,
        event: &Arc<Event>,
        waiter: Option<&Arc<Waiter>>,
        may_wait: bool,
        kept: Option<Place<'_>>,
    ) -> Offer {
        let settings = self.settings.load();
        if !self.wants_under(&settings, &event.source) {
            return Offer::NotTaken;
        }
        if event.seq > 0
            && self.is_durable
            && let Some(offer) = self.offer_durable(event, waiter, &settings)
        {
            return offer;
        }
        let Some(last) = self.count_in(settings.events_max) else { return Offer::NotTaken };
        let item = Item::new(event.clone(), lane_of(&settings, event), waiter.cloned());
        let offer = self.place(item, &settings, may_wait, kept);
        if last && let Some(bus) = self.bus.upgrade() {
            // It has had all it wanted: no further event matches it. What is queued is still handled.
            bus.unroute(self.number);
        }
        offer
    }

    /// Offers an event once more, outside its turn: a dead letter, or the past. A durable subscription takes it like any
    /// other event that is not its cursor's.
    pub(crate) fn offer_again(self: &Arc<Self>, event: &Arc<Event>, letter: Option<u64>, may_wait: bool) -> Offer {
        let settings = self.settings.load();
        let mut item = Item::new(event.clone(), lane_of(&settings, event), None);
        item.letter = letter;
        self.place(item, &settings, may_wait, None)
    }

    /// What comes next for a worker of a generation. Cancel-safe: an item is handed out only by returning.
    pub(crate) async fn next(&self, generation: u64) -> Wake {
        loop {
            // To get in line for a notification costs more than to look; look again once in line, lest one be missed.
            if let Ok(wake) = self.take(generation) {
                return wake;
            }
            let work = self.work.notified();
            tokio::pin!(work);
            work.as_mut().enable();
            let due = match self.take(generation) {
                Ok(wake) => return wake,
                Err(due) => due,
            };
            match due {
                None => work.await,
                Some(due) => tokio::select! {
                    () = work => {}
                    () = sleep_until(due) => {}
                },
            }
        }
    }

    /// Takes what is there now; otherwise says when the next retry is due.
    fn take(&self, generation: u64) -> Result<Wake, Option<Instant>> {
        self.take_from(self.lock(), generation)
    }

    fn take_from(&self, mut state: MutexGuard<'_, State>, generation: u64) -> Result<Wake, Option<Instant>> {
        if state.closed || state.generation != generation {
            return Ok(Wake::Stop);
        }
        match state.queue.take(Instant::now) {
            Take::Idle => Err(None),
            Take::WaitUntil(due) => Err(Some(due)),
            Take::Item(item) => {
                // One notification wakes one worker; where more is runnable, it wakes the next.
                let more = state.queue.has_runnable();
                self.check_saturation(&state.queue);
                drop(state);
                if more {
                    self.work.notify_one();
                }
                // Its own place in line was taken under the lock, so a publisher that waits is seen here.
                if self.waiting_publishers.load(Relaxed) > 0 {
                    self.room.notify_one();
                }
                if item.tracked {
                    self.feed.notify_one();
                }
                Ok(Wake::Delivery(item))
            }
        }
    }

    /// An item taken before, by its order, is settled.
    pub(crate) fn settled(&self, order: u64) {
        let mut state = self.lock();
        state.queue.settle(order);
        let more = state.queue.has_runnable();
        drop(state);
        if more {
            self.work.notify_one();
        }
        self.progressed();
    }

    /// The same, and at once what comes next for a worker of a generation, if anything is there.
    pub(crate) fn settled_and_next(&self, order: u64, generation: u64) -> Option<Box<Item>> {
        let mut state = self.lock();
        state.queue.settle(order);
        let more = state.queue.has_runnable();
        let next = match self.take_from(state, generation) {
            Ok(Wake::Delivery(item)) => Some(item),
            Ok(Wake::Stop) | Err(_) => None,
        };
        if more && next.is_none() {
            // It is for the workers of the next generation.
            self.work.notify_one();
        }
        self.progressed();
        next
    }

    /// An item taken before comes again after a delay.
    pub(crate) fn retry_after(&self, item: Box<Item>, delay: Duration) {
        let due = after(delay);
        self.put_back(item, |queue, item| queue.retry(item, due));
    }

    /// An item taken before comes again at once.
    pub(crate) fn again(&self, item: Box<Item>) {
        self.put_back(item, Queue::again);
    }

    fn put_back(&self, item: Box<Item>, back: impl FnOnce(&mut Queue, Box<Item>)) {
        let mut state = self.lock();
        if state.closed {
            drop(state);
            let order = item.order;
            self.leave(*item);
            return self.settled(order);
        }
        back(&mut state.queue, item);
        drop(state);
        self.work.notify_one();
        // What is paused or suspended is idle once nothing of it is in flight.
        self.progressed();
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
            // The journal has it: it comes again with the next subscription of this name.
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

    /// Counts an event in; none where the subscription wants no more, true with the last one it wants.
    pub(crate) fn count_in(&self, max: Option<NonZeroU64>) -> Option<bool> {
        let before = self.taken_in.fetch_add(1, Relaxed);
        match max {
            Some(max) if before >= max.get() => None,
            Some(max) => Some(before + 1 == max.get()),
            None => Some(false),
        }
    }

    fn place(self: &Arc<Self>, item: Item, settings: &Settings, may_wait: bool, kept: Option<Place<'_>>) -> Offer {
        let is_past = item.event.seq > 0;
        // Who comes while others wait stands behind them; who cannot wait takes the room there is.
        let overtaking = kept.is_none() && may_wait && self.waiting_publishers.load(Relaxed) > 0;
        let item = if overtaking && matches!(settings.when_full, WhenFull::Wait { .. }) {
            Box::new(item)
        } else {
            match self.try_place(Box::new(item), kept) {
                Ok(()) => return Offer::Queued,
                Err(item) => item,
            }
        };
        if self.is_closed() {
            if self.bus.upgrade().is_some_and(|bus| bus.phase.load(SeqCst) == phase::CLOSED) {
                // It was accepted while the bus was still open: no choice of this subscription's.
                self.bury(*item, DeadReason::Unsubscribed);
                return Offer::Dead;
            }
            settle(item.waiter.as_ref(), &self.name, || Settlement::Dropped);
            return Offer::NotTaken;
        }
        self.counters.full.fetch_add(1, Relaxed);
        match settings.when_full {
            WhenFull::Wait { max } if may_wait && !self.saturated.load(Relaxed) && !self.is_held() => {
                Offer::WaitForRoom(WaitingPublisher::new(self.clone(), item, max))
            }
            // Somebody brings the past: it takes as long as it takes.
            WhenFull::Spill if may_wait && is_past && !self.is_held() => {
                Offer::WaitForRoom(WaitingPublisher::new(self.clone(), item, PAST_WAIT))
            }
            // Spilled is what the journal has; the host's own events, which it has not, have nowhere to go.
            WhenFull::Wait { .. } | WhenFull::Refuse | WhenFull::Spill => {
                self.bury(*item, self.full_reason());
                Offer::Dead
            }
            WhenFull::DropNewest => {
                self.drop_item(*item, settings);
                Offer::Dropped
            }
            WhenFull::DropOldest => self.place_over_oldest(item, settings),
        }
    }

    fn place_over_oldest(&self, mut item: Box<Item>, settings: &Settings) -> Offer {
        loop {
            let oldest = self.lock().queue.drop_oldest();
            let Some(oldest) = oldest else {
                // Everything is waiting for its retry: the new one goes.
                self.drop_item(*item, settings);
                return Offer::Dropped;
            };
            self.drop_item(*oldest, settings);
            // The next one of its lane may be runnable now.
            self.work.notify_one();
            match self.try_place(item, None) {
                Ok(()) => return Offer::Queued,
                Err(back) => item = back,
            }
        }
    }

    fn drop_item(&self, item: Item, settings: &Settings) {
        self.counters.dropped.fetch_add(1, Relaxed);
        if settings.dead_letter_drops {
            self.bury(item, DeadReason::Dropped);
        } else {
            settle(item.waiter.as_ref(), &self.name, || Settlement::Dropped);
        }
    }

    fn try_place(&self, item: Box<Item>, kept: Option<Place<'_>>) -> Result<(), Box<Item>> {
        // The lock is released before a place that is not used gives itself back.
        let mut state = self.lock();
        if state.closed {
            return Err(item);
        }
        let runnable = match kept {
            Some(place) => state.queue.push_kept(item, place.used()),
            None => state.queue.push(item)?,
        };
        drop(state);
        self.counters.matched.fetch_add(1, Relaxed);
        // What stands behind others of its lane is brought to a worker by whoever settles those.
        if runnable {
            self.work.notify_one();
        }
        Ok(())
    }

    fn full_reason(&self) -> DeadReason {
        self.read_queue(|queue| DeadReason::QueueFull {
            waiting: queue.waiting(),
            held: queue.is_paused() || queue.is_suspended(),
        })
    }

    fn check_saturation(&self, queue: &Queue) {
        if self.saturated.load(Relaxed) && queue.is_half_empty() {
            self.saturated.store(false, Relaxed);
        }
    }

    fn progressed(&self) {
        self.watchers.tell();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

mod durable;

pub(crate) use durable::Feed;

/// The lane of an event under the settings.
pub(crate) fn lane_of(settings: &Settings, event: &Event) -> Lane {
    match &settings.ordering_key {
        Some(key) => Lane::Keyed(key.of(event)),
        None if settings.concurrency.get() == 1 => Lane::Whole,
        None => Lane::Free,
    }
}

/// A publisher's place in the line for room. If it goes away (its future is dropped), the event becomes a dead letter: it
/// was accepted, and other subscriptions may have handled it already.
#[derive(Debug)]
pub(crate) struct WaitingPublisher {
    slot: Arc<Slot>,
    item: Option<Box<Item>>,
    /// Longest wait, counted from when it begins to wait.
    max: Duration,
}

impl WaitingPublisher {
    fn new(slot: Arc<Slot>, item: Box<Item>, max: Duration) -> Self {
        slot.waiting_publishers.fetch_add(1, Relaxed);
        Self { slot, item: Some(item), max }
    }

    /// Waits for room. False when the time is up first: the event is a dead letter.
    pub(crate) async fn wait(mut self) -> bool {
        let slot = self.slot.clone();
        let deadline = after(self.max);
        while let Some(item) = self.item.take() {
            let room = slot.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            match slot.try_place(item, None) {
                Ok(()) => return true,
                Err(item) => self.item = Some(item),
            }
            if slot.is_closed() {
                self.give_up(DeadReason::Unsubscribed);
            } else if slot.is_held() || timeout_at(deadline, room).await.is_err() {
                slot.saturated.store(true, Relaxed);
                self.give_up(slot.full_reason());
            }
        }
        false
    }

    fn give_up(&mut self, reason: DeadReason) {
        if let Some(item) = self.item.take() {
            self.slot.bury(*item, reason);
        }
    }
}

impl Drop for WaitingPublisher {
    fn drop(&mut self) {
        self.give_up(DeadReason::PublisherGone);
        self.slot.waiting_publishers.fetch_sub(1, Relaxed);
        // If this one was woken and did not use its turn, or there is room for more, the next may try.
        self.slot.room.notify_one();
        self.slot.progressed();
        if self.slot.is_exhausted() {
            // It was the last event, and no worker comes by to see that.
            self.slot.end();
        }
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").field("name", &self.name).finish_non_exhaustive()
    }
}
