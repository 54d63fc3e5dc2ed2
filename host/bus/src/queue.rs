//! The queue of one subscription: a plain data structure, without clock, locks or tasks.
//!
//! It is made of *lanes*. Of each lane one delivery is out at a time (runnable, in flight, or waiting for its retry); the
//! others wait behind it. A subscription with one handler and no ordering key is one lane, with a key it has a lane for
//! each key, and otherwise each event is its own lane. So order within a lane holds through retries and reloads.
//!
//! Bounded in events and bytes: [`Queue::push`] hands back what does not fit, and the caller applies the policy. Retries
//! always fit, since they came out of the bound before. Lanes with nothing in them are forgotten.
//!
//! When the ordering changes, what is out goes on to hold its new lane, perhaps with others; what waits comes after them all.

mod lanes;

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use tokio::time::Instant;

use crate::dead::AttemptRecord;
use crate::event::Event;
use crate::settlement::Waiter;
use crate::slot::Tick;

pub(crate) use self::lanes::Lane;
use self::lanes::Lanes;

/// An event that waits for a handler.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) event: Arc<Event>,
    /// Number of the attempt to come, from 1.
    pub(crate) attempt: u32,
    pub(crate) lane: Lane,
    /// Position in the order of arrival; given by the queue.
    pub(crate) order: u64,
    /// Who wants to know how it ends.
    pub(crate) waiter: Option<Arc<Waiter>>,
    /// What earlier attempts came to; see [`AttemptRecord::add_to`] for its bound. Empty for nearly all.
    pub(crate) history: Vec<AttemptRecord>,
    /// Whether the journal knows this delivery: it is an event of a durable subscription, in its turn.
    pub(crate) tracked: bool,
    /// The dead letter that is delivered again.
    pub(crate) letter: Option<u64>,
    /// It is a tick: not counted among what waits, and nothing is lost with it.
    pub(crate) tick: Option<Tick>,
}

impl Item {
    pub(crate) fn new(event: Arc<Event>, lane: Lane, waiter: Option<Arc<Waiter>>) -> Self {
        Self {
            event,
            attempt: 1,
            lane,
            order: 0,
            waiter,
            history: Vec::new(),
            tracked: false,
            letter: None,
            tick: None,
        }
    }
}

impl Item {
    /// Whether nothing is lost with it: the journal has it, as an event of the cursor's or as a dead letter, or it is a tick.
    pub(crate) fn is_kept(&self) -> bool {
        self.tracked || self.letter.is_some() || self.tick.is_some()
    }

    /// The event, and what its attempts left.
    fn size_bytes(&self) -> usize {
        self.event.size_bytes() + self.history.iter().map(AttemptRecord::size_bytes).sum::<usize>()
    }
}

/// Why nothing can be handled now, and until when.
#[derive(Debug)]
pub(crate) enum Take {
    /// Handle this.
    Item(Box<Item>),
    /// Nothing before this time.
    WaitUntil(Instant),
    /// Nothing until something changes.
    Idle,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Queue {
    runnable: VecDeque<Box<Item>>,
    lanes: Lanes,
    delayed: BinaryHeap<Delayed>,
    waiting: usize,
    waiting_bytes: usize,
    /// Places that are kept for events on their way here.
    kept: usize,
    kept_bytes: usize,
    in_flight: Vec<Taken>,
    next_order: u64,
    events_max: usize,
    bytes_max: usize,
    paused: bool,
    suspension: Suspension,
}

/// The supervisor's hold on a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Suspension {
    None,
    Suspended,
    /// The next event goes through, then the queue is suspended again.
    ProbeNext,
}

/// What the queue remembers of an item in flight.
#[derive(Debug)]
struct Taken {
    order: u64,
    lane: Lane,
    event: Arc<Event>,
}

#[derive(Debug)]
struct Delayed {
    due: Instant,
    item: Box<Item>,
}

impl Queue {
    pub(crate) fn new(events_max: usize, bytes_max: usize) -> Self {
        Self {
            runnable: VecDeque::new(),
            lanes: Lanes::default(),
            delayed: BinaryHeap::new(),
            waiting: 0,
            waiting_bytes: 0,
            kept: 0,
            kept_bytes: 0,
            in_flight: Vec::new(),
            next_order: 0,
            events_max,
            bytes_max,
            paused: false,
            suspension: Suspension::None,
        }
    }

    /// Changes the bounds. What is over a smaller bound stays and drains.
    pub(crate) fn set_bounds(&mut self, events_max: usize, bytes_max: usize) {
        (self.events_max, self.bytes_max) = (events_max, bytes_max);
    }

    /// Adds an item at the end of its lane, or hands it back where the queue is full. True where it is the next of its lane.
    pub(crate) fn push(&mut self, item: Box<Item>) -> Result<bool, Box<Item>> {
        if !self.has_room_for(item.event.size_bytes()) {
            return Err(item);
        }
        Ok(self.append(item))
    }

    /// Keeps a place for an event of that size, if there is one. It counts as taken until [`Self::push_kept`] or
    /// [`Self::free_place`].
    pub(crate) fn keep_place(&mut self, bytes: usize) -> bool {
        let has_room = self.has_room_for(bytes);
        if has_room {
            self.kept += 1;
            self.kept_bytes += bytes;
        }
        has_room
    }

    /// Adds an item in the place that was kept for it. True where it is the next of its lane.
    pub(crate) fn push_kept(&mut self, item: Box<Item>, kept_bytes: usize) -> bool {
        self.free_place(kept_bytes);
        self.append(item)
    }

    /// Frees a place that was kept.
    pub(crate) fn free_place(&mut self, kept_bytes: usize) {
        self.kept -= 1;
        self.kept_bytes -= kept_bytes;
    }

    /// Adds a tick at the end of its lane, whatever waits.
    pub(crate) fn push_tick(&mut self, item: Box<Item>) {
        self.append(item);
    }

    /// Adds an item that must not be handled before a time; its lane is held until then. Where others of its lane are before
    /// it, it comes in its turn. There must be room.
    pub(crate) fn push_delayed(&mut self, mut item: Box<Item>, due: Instant) {
        item.order = self.next_order;
        self.next_order += 1;
        if self.lanes.held(&item.lane).is_some() {
            self.add(item);
            return;
        }
        self.lanes.hold(&item.lane);
        self.count(&item);
        self.delayed.push(Delayed { due, item });
    }

    /// Whether an event of that size fits. An empty queue takes any one event.
    pub(crate) fn has_room_for(&self, bytes: usize) -> bool {
        let taken = self.waiting + self.kept;
        let taken_bytes = self.waiting_bytes.saturating_add(self.kept_bytes);
        taken == 0 || (taken < self.events_max && taken_bytes.saturating_add(bytes) <= self.bytes_max)
    }

    /// The next item to handle. Due retries come first; the time is asked for only where there are any.
    pub(crate) fn take(&mut self, now: impl FnOnce() -> Instant) -> Take {
        if self.is_held() {
            return Take::Idle;
        }
        if !self.delayed.is_empty() {
            self.wake_delayed(now());
        }
        match self.runnable.pop_front() {
            Some(item) => {
                if self.suspension == Suspension::ProbeNext {
                    self.suspension = Suspension::Suspended;
                }
                self.in_flight.push(Taken { order: item.order, lane: item.lane.clone(), event: item.event.clone() });
                self.uncount(&item);
                Take::Item(item)
            }
            None => self.delayed.peek().map_or(Take::Idle, |delayed| Take::WaitUntil(delayed.due)),
        }
    }

    /// Whether an event that does not go through the queue may be handled now; if it is the probe, it is the last.
    pub(crate) fn admit(&mut self) -> bool {
        let admitted = !self.is_held();
        if admitted && self.suspension == Suspension::ProbeNext {
            self.suspension = Suspension::Suspended;
        }
        admitted
    }

    /// An item taken before, by its order, is settled: the next one of its lane may go.
    pub(crate) fn settle(&mut self, order: u64) {
        if let Some(lane) = self.give_back(order) {
            self.release(&lane);
        }
    }

    /// An item taken before comes again at a time; its lane is held until then.
    pub(crate) fn retry(&mut self, item: Box<Item>, due: Instant) {
        let item = self.take_back(item);
        self.delayed.push(Delayed { due, item });
    }

    /// An item taken before comes again as the next of its lane.
    pub(crate) fn again(&mut self, item: Box<Item>) {
        let item = self.take_back(item);
        self.runnable.push_front(item);
    }

    /// Counts an item as waiting that was in flight. Its lane may be another one by now.
    fn take_back(&mut self, mut item: Box<Item>) -> Box<Item> {
        if let Some(lane) = self.give_back(item.order) {
            item.lane = lane;
        }
        self.count(&item);
        item
    }

    /// Forgets an item in flight and says which lane it holds.
    fn give_back(&mut self, order: u64) -> Option<Lane> {
        let position = self.in_flight.iter().position(|taken| taken.order == order)?;
        Some(self.in_flight.swap_remove(position).lane)
    }

    /// Removes the item that has waited longest and is not in flight. Items that wait for their retry are not taken.
    /// Looks at every lane: time in the number of runnable items and lanes, and only when the queue is full.
    pub(crate) fn drop_oldest(&mut self) -> Option<Box<Item>> {
        let runnable = self.runnable.iter().enumerate().map(|(index, item)| (item.order, index)).min();
        let dropped = match (runnable, self.lanes.oldest()) {
            (Some((runnable, _)), Some((waiting, lane))) if waiting < runnable => self.pop_waiting(&lane),
            (Some((_, index)), _) => {
                let item = self.runnable.remove(index);
                if let Some(item) = &item {
                    self.release(&item.lane);
                }
                item
            }
            (None, Some((_, lane))) => self.pop_waiting(&lane),
            (None, None) => None,
        };
        if let Some(item) = &dropped {
            self.uncount(item);
        }
        dropped
    }

    /// Empties the queue, in order of arrival. What is in flight is not touched.
    pub(crate) fn drain(&mut self) -> Vec<Item> {
        let items = self.runnable.drain(..).chain(self.lanes.drain());
        let items = items.chain(self.delayed.drain().map(|delayed| delayed.item));
        let mut items: Vec<Item> = items.map(|item| *item).collect();
        items.sort_by_key(|item| item.order);
        (self.waiting, self.waiting_bytes) = (0, 0);
        items
    }

    /// Gives every item a lane anew, after the subscription's ordering has changed. What is in flight or waits for its retry
    /// holds its new lane: it came before what waits.
    pub(crate) fn relane(&mut self, lane_of: impl Fn(&Event) -> Lane) {
        let mut items: VecDeque<Box<Item>> = self.runnable.drain(..).chain(self.lanes.drain()).collect();
        items.make_contiguous().sort_by_key(|item| item.order);
        for taken in &mut self.in_flight {
            taken.lane = lane_of(&taken.event);
            self.lanes.hold(&taken.lane);
        }
        let delayed: Vec<Delayed> = self.delayed.drain().collect();
        for mut entry in delayed {
            entry.item.lane = lane_of(&entry.item.event);
            self.lanes.hold(&entry.item.lane);
            self.delayed.push(entry);
        }
        for mut item in items {
            self.uncount(&item);
            item.lane = lane_of(&item.event);
            self.add(item);
        }
    }

    pub(crate) fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused
    }

    pub(crate) fn suspend(&mut self) {
        self.suspension = Suspension::Suspended;
    }

    pub(crate) fn probe(&mut self) {
        if self.suspension == Suspension::Suspended {
            self.suspension = Suspension::ProbeNext;
        }
    }

    pub(crate) fn unsuspend(&mut self) {
        self.suspension = Suspension::None;
    }

    pub(crate) fn is_suspended(&self) -> bool {
        self.suspension != Suspension::None
    }

    /// Whether nothing would be handed out, whatever waits.
    pub(crate) fn is_held(&self) -> bool {
        self.paused || self.suspension == Suspension::Suspended
    }

    /// Whether something could be handed out at once.
    pub(crate) fn has_runnable(&self) -> bool {
        !self.runnable.is_empty() && !self.is_held()
    }

    /// Events that wait, retries included.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(crate) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// At most half full: the mark at which publishers wait again for a queue that was full for too long.
    pub(crate) fn is_half_empty(&self) -> bool {
        self.waiting <= self.events_max / 2 && self.waiting_bytes <= self.bytes_max / 2
    }

    /// Puts what is due in front, the earliest first.
    fn wake_delayed(&mut self, now: Instant) {
        let mut due = Vec::new();
        while self.delayed.peek().is_some_and(|delayed| delayed.due <= now) {
            due.extend(self.delayed.pop());
        }
        for delayed in due.into_iter().rev() {
            self.runnable.push_front(delayed.item);
        }
    }

    fn append(&mut self, mut item: Box<Item>) -> bool {
        item.order = self.next_order;
        self.next_order += 1;
        self.add(item)
    }

    fn add(&mut self, item: Box<Item>) -> bool {
        self.count(&item);
        if let Some(lane) = self.lanes.held(&item.lane) {
            lane.behind.push_back(item);
            return false;
        }
        self.lanes.hold(&item.lane);
        self.runnable.push_back(item);
        true
    }

    /// Lets the next item of a lane go.
    fn release(&mut self, lane: &Lane) {
        self.runnable.extend(self.lanes.release(lane));
    }

    fn pop_waiting(&mut self, lane: &Lane) -> Option<Box<Item>> {
        self.lanes.held(lane)?.behind.pop_front()
    }

    fn count(&mut self, item: &Item) {
        if item.tick.is_some() {
            return;
        }
        self.waiting += 1;
        self.waiting_bytes += item.size_bytes();
    }

    fn uncount(&mut self, item: &Item) {
        if item.tick.is_some() {
            return;
        }
        self.waiting -= 1;
        self.waiting_bytes -= item.size_bytes();
    }
}

// The heap gives out the greatest first: the earliest due, and of those the oldest, must be the greatest.
impl Ord for Delayed {
    fn cmp(&self, other: &Self) -> Ordering {
        other.due.cmp(&self.due).then(other.item.order.cmp(&self.item.order))
    }
}

impl PartialOrd for Delayed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Delayed {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Delayed {}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
