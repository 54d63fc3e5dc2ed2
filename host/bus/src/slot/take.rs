//! How workers take events out of a slot, settle them, and put back what comes again.

use std::sync::MutexGuard;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{Slot, State};
use crate::clock::after;
use crate::queue::{Item, Queue, Take};

/// What a worker does next. Closed: a worker knows nothing else.
pub(crate) enum Wake {
    /// Handle this.
    Delivery(Box<Item>),
    /// A newer generation has taken over, or the subscription has ended.
    Stop,
}

impl Slot {
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

    fn check_saturation(&self, queue: &Queue) {
        if self.saturated.load(Relaxed) && queue.is_half_empty() {
            self.saturated.store(false, Relaxed);
        }
    }
}
