//! How publishers bring events into a slot: with a place kept for them, at once, by waiting for room, or not at all.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Duration;

use tokio::time::timeout_at;

use super::Slot;
use crate::bus::phase;
use crate::clock::after;
use crate::dead::DeadReason;
use crate::event::Event;
use crate::place::{Kept, Place};
use crate::queue::{Item, Lane};
use crate::settings::{Settings, WhenFull};
use crate::settlement::{Settlement, Waiter, settle};

/// Longest wait of somebody who brings events of the past to a durable subscription, for one event.
const PAST_WAIT: Duration = Duration::from_secs(60);

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
        if item.tick.is_some() {
            return;
        }
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
}

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
