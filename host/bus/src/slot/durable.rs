//! The durable side of a slot: its queue as a window on the journal. The bookkeeping is in [`Progress`].
//!
//! What is written into the journal about a subscription is submitted under the slot's lock, so that the order of writes is
//! the order in which things came about: a floor never says more than what was written before it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::Instant;

use super::{Offer, Slot, State, lane_of};
use crate::clock::now_ns;
use crate::durable::progress::Offered;
use crate::event::Event;
use crate::handler::Delivery;
use crate::journal::{Append, Batch, Permit, Retry, Settle, Write};
use crate::name::Name;
use crate::queue::Item;
use crate::retry::RetryPolicy;
use crate::settings::Settings;
use crate::settlement::Waiter;
use crate::state::{Conflict, State as Remembered};

/// What a feeder does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feed {
    /// Read on from here.
    From(u64),
    /// The subscription has ended.
    Stop,
}

impl Slot {
    /// Whether what waits for the subscription is more than its queue holds.
    pub(crate) fn is_behind(&self) -> bool {
        self.lock().progress.as_ref().is_some_and(|progress| progress.is_behind())
    }

    /// Lets workers take nothing more: they end after what they hold.
    pub(crate) fn stop_taking(&self) {
        self.lock().generation += 1;
        self.wake_workers();
    }

    pub(crate) fn has_none_in_flight(&self) -> bool {
        self.lock().queue.in_flight() == 0
    }

    /// Offers an event that was just committed; none where the subscription is not durable.
    pub(super) fn offer_durable(
        &self,
        event: &Arc<Event>,
        waiter: Option<&Arc<Waiter>>,
        settings: &Settings,
    ) -> Option<Offer> {
        let mut state = self.lock();
        let has_room = state.queue.has_room_for(event.size_bytes());
        let closed = state.closed;
        let progress = state.progress.as_mut()?;
        if closed {
            return Some(Offer::NotTaken);
        }
        match progress.offered(event.seq, has_room, waiter) {
            Offered::Past => return Some(Offer::NotTaken),
            Offered::Left => {
                drop(state);
                self.counters.spilled.fetch_add(1, Relaxed);
                self.feed.notify_one();
                return Some(Offer::Queued);
            }
            Offered::Take => progress.takes(event.seq),
        }
        let mut item = Box::new(Item::new(event.clone(), lane_of(settings, event), waiter.cloned()));
        item.tracked = true;
        let pushed = state.queue.push(item);
        drop(state);
        debug_assert!(pushed.is_ok(), "there was room under the same lock");
        self.counters.matched.fetch_add(1, Relaxed);
        self.work.notify_one();
        Some(Offer::Queued)
    }

    /// Everything up to this number was published before publishers saw the subscription.
    pub(crate) fn catch_up_to(&self, head: u64) {
        if let Some(progress) = &mut self.lock().progress {
            progress.catch_up_to(head);
        }
        self.feed.notify_one();
    }

    /// Waits until the subscription is behind and its queue at most half full.
    pub(crate) async fn feed_wanted(&self) -> Feed {
        loop {
            let feed = self.feed.notified();
            tokio::pin!(feed);
            feed.as_mut().enable();
            {
                let state = self.lock();
                if state.closed {
                    return Feed::Stop;
                }
                let wanted = state.progress.as_ref().and_then(|progress| progress.wanted());
                if let Some(from) = wanted
                    && state.queue.is_half_empty()
                {
                    return Feed::From(from);
                }
            }
            feed.await;
        }
    }

    /// The last number that the bus has offered to every queue; none when the bus is gone.
    pub(crate) fn offered_by_bus(&self) -> Option<u64> {
        Some(self.bus.upgrade()?.durable.as_ref()?.dispatched())
    }

    /// Waits until something has changed for the feeder: the queue, the subscription, or what the bus has offered.
    pub(crate) async fn feed_changed(&self, offered: u64) {
        // Not held while waiting: the feeder must not keep the bus alive.
        let risen = self.bus.upgrade().and_then(|bus| bus.durable.as_ref().map(|durable| durable.risen.clone()));
        let Some(risen) = risen else { return };
        let risen = risen.notified();
        tokio::pin!(risen);
        risen.as_mut().enable();
        if self.offered_by_bus() == Some(offered) {
            tokio::select! {
                () = risen => {}
                () = self.feed.notified() => {}
            }
        }
    }

    /// Puts what was read into the queue, as far as there is room and as it was offered by the bus before. False where that
    /// came to nothing.
    pub(crate) fn feed(&self, batch: &Batch, offered: u64) -> bool {
        let settings = self.settings.load_full();
        let mut state = self.lock();
        let State { queue, progress: Some(progress), closed: false, .. } = &mut *state else { return false };
        let Some(from) = progress.wanted() else { return false };
        let retired = batch.first.saturating_sub(from);
        let mut last = from.max(batch.first).saturating_sub(1);
        let mut taken = 0;
        for event in batch.events.iter().filter(|event| event.seq >= from) {
            if event.seq > offered {
                break;
            }
            if self.wants_tracked(event, &settings) && !progress.is_settled(event.seq) {
                if !queue.has_room_for(event.size_bytes()) {
                    break;
                }
                let retry = progress.take_retry(event.seq);
                let item = item_of(event, retry.as_ref(), progress.take_waiter(event.seq), &settings);
                progress.takes(event.seq);
                taken += 1;
                match retry {
                    Some(retry) => queue.push_delayed(item, Instant::now() + rest(&retry, &settings.retry, now_ns())),
                    None => drop(queue.push(item)),
                }
            } else {
                progress.passes_over(event.seq);
            }
            last = event.seq;
        }
        let moved = !progress.has_read(last) || last >= from;
        drop(state);
        self.counters.matched.fetch_add(taken, Relaxed);
        if retired > 0 {
            self.report_retired(from, retired);
        }
        self.work.notify_one();
        moved
    }

    /// A delivery of the cursor's has ended: writes that down with all that it led to, and lets the next of its lane go.
    ///
    /// # Errors
    /// [`Conflict`] where another handler has changed what this one had read in the store; nothing has happened then.
    pub(crate) fn settle_tracked(
        &self,
        item: &Item,
        remembered: Option<&Remembered>,
        parts: Settle,
        permit: Permit,
    ) -> Result<(), Conflict> {
        let mut state = self.lock();
        let changes = remembered.map_or_else(|| Ok(Vec::new()), Remembered::commit)?;
        if let Some(progress) = &mut state.progress {
            let floor = progress.settle(item.event.seq);
            self.write(Write::Settle(Box::new(Settle { floor, state: changes, ..parts })), Some(permit));
        }
        state.queue.settle(item.order);
        let more = state.queue.has_runnable();
        drop(state);
        if more {
            self.work.notify_one();
        }
        self.feed.notify_one();
        self.progressed();
        Ok(())
    }

    /// Commits what the handler of a delivery that is none of the cursor's remembers, and in one write with it, where there is
    /// a cursor, what it published.
    ///
    /// # Errors
    /// As [`Slot::settle_tracked`].
    pub(crate) fn commit_untracked(
        &self,
        delivery: &Delivery,
        published: Vec<Append>,
        permit: Option<Permit>,
    ) -> Result<(), Conflict> {
        if delivery.state.is_untouched() && published.is_empty() {
            return Ok(());
        }
        let guard = self.lock();
        let state = delivery.state.commit()?;
        if guard.progress.is_some() && !(state.is_empty() && published.is_empty()) {
            let (cursor, seq, floor) = (self.name.clone(), 0, 0);
            let settle = Settle { cursor, seq, floor, published, state, dead: None };
            self.write(Write::Settle(Box::new(settle)), permit);
        }
        Ok(())
    }

    /// Writes down that a delivery of the cursor's comes again.
    pub(crate) fn write_retry(&self, item: &Item, after: Duration, permit: Permit) {
        let after_ns = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        let retry = retry_of(&self.name, item, now_ns().saturating_add(after_ns));
        self.write(Write::Retry(Box::new(retry)), Some(permit));
    }

    /// A dead letter that was delivered again has been settled: the journal may forget it.
    pub(crate) fn forget_letters(&self, letter: Option<u64>) {
        if let Some(letter) = letter {
            self.write(Write::DeadGone(vec![letter]), None);
        }
    }

    /// How far it has come where nothing over `head` was published; none where it is not durable.
    pub(crate) fn floor_at(&self, head: u64) -> Option<(Name, u64)> {
        let state = self.lock();
        let progress = state.progress.as_ref()?;
        Some((self.name.clone(), progress.floor_at(head)))
    }

    /// Leaves the cursor behind, under the slot's lock.
    pub(super) fn leave_cursor(&self, state: &State, left: &[Item]) {
        let Some(progress) = &state.progress else { return };
        let attempted = left.iter().filter(|item| item.tracked && item.attempt > 1);
        let retries = attempted.map(|item| retry_of(&self.name, item, now_ns())).collect();
        if let Some(bus) = self.bus.upgrade()
            && let Some(durable) = &bus.durable
        {
            durable.leave(progress.cursor(&self.name, retries), self.store.clone());
        }
    }

    fn write(&self, write: Write, permit: Option<Permit>) {
        if let Some(bus) = self.bus.upgrade()
            && let Some(durable) = &bus.durable
        {
            durable.submit(write, permit);
        }
    }

    fn wants_tracked(&self, event: &Event, settings: &Settings) -> bool {
        self.filters.load().iter().any(|filter| filter.matches(&event.topic))
            && settings.source.as_ref().is_none_or(|source| source.matches(&event.source))
    }

    fn report_retired(&self, from: u64, count: u64) {
        self.counters.retired.fetch_add(count, Relaxed);
        tracing::error!(subscription = %self.name, from, count, "events were retired from the journal before the subscription came to them");
        if let Some(bus) = self.bus.upgrade() {
            let about = || serde_json::json!({ "subscription": self.name, "from_seq": from, "count": count });
            bus.publish_host("plugbus.journal.missed", about);
        }
    }
}

fn item_of(event: &Arc<Event>, retry: Option<&Retry>, waiter: Option<Arc<Waiter>>, settings: &Settings) -> Box<Item> {
    let mut item = Box::new(Item::new(event.clone(), lane_of(settings, event), waiter));
    item.tracked = true;
    if let Some(retry) = retry {
        item.attempt = retry.attempt.max(1);
        item.history.clone_from(&retry.history);
    }
    item
}

/// What is left of the delay of a retry from before a restart. A clock that was set back holds nobody up for longer than the
/// policy allows. Pure.
fn rest(retry: &Retry, policy: &RetryPolicy, now_ns: u64) -> Duration {
    let rest = Duration::from_nanos(retry.due_ns.saturating_sub(now_ns));
    rest.min(policy.retry_after_max.max(policy.backoff_max))
}

fn retry_of(cursor: &Name, item: &Item, due_ns: u64) -> Retry {
    Retry { cursor: cursor.clone(), seq: item.event.seq, attempt: item.attempt, due_ns, history: item.history.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_holds_no_retry_up_for_longer_than_the_policy_allows() {
        let name = Name::parse("s").unwrap_or_else(|error| panic!("{error}"));
        let retry = |due_ns| Retry { cursor: name.clone(), seq: 1, attempt: 2, due_ns, history: Vec::new() };
        let policy = RetryPolicy::default();
        let second = 1_000_000_000;
        for (due_ns, now_ns, expected) in [
            (10 * second, 3 * second, Duration::from_secs(7)),
            (10 * second, 30 * second, Duration::ZERO),
            (u64::MAX, 0, Duration::from_secs(300)),
        ] {
            assert_eq!(rest(&retry(due_ns), &policy, now_ns), expected);
        }
    }
}
