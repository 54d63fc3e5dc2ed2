//! Waiting for quiet, and the orderly end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::accept::Publisher;
use crate::bus::{Inner, phase};
use crate::clock::after;
use crate::control::Workers;
use crate::durable::Durable;
use crate::event::Event;
use crate::handle::Bus;
use crate::name::Name;
use crate::settlement::{Settlement, settle};

/// What was left when a bus was shut down.
#[derive(Debug, Default)]
pub struct ShutdownReport {
    /// Events that were accepted and not settled, by subscription, in order. Their only copies are here: what a durable
    /// subscription has not settled is in the journal.
    pub unsettled: Vec<Unsettled>,
    /// Durable subscriptions with events in the journal that they have not settled, and how many numbers they are behind.
    pub backlog: Vec<(Name, u64)>,
    /// Deliveries that were handled and that the journal could not write down: they come again after a restart.
    pub unwritten: u64,
    /// Handlers that had not finished within the grace and were cut off.
    pub cut_off: usize,
}

/// A delivery that a shutdown left unsettled.
#[derive(Debug)]
pub struct Unsettled {
    /// Whose.
    pub subscription: Name,
    /// The event.
    pub event: Arc<Event>,
    /// The attempt that would have come next.
    pub attempt: u32,
}

impl Bus {
    /// Waits until no event is queued, in flight or on its way into the journal, or the time is up. True when idle. Subscriptions that are paused or
    /// suspended count as idle: what they hold waits for somebody else.
    pub async fn wait_idle(&self, limit: Duration) -> bool {
        let inner = &self.inner;
        inner.wait_until(after(limit), || inner.is_idle()).await
    }

    /// Ends the bus: takes no more events from outside, lets handlers settle what is queued (and what they publish) for at
    /// most `grace`, then cuts off the rest and reports it. Paused and suspended subscriptions are not waited for. Streams
    /// end after what is queued for them, or at once when nobody reads them within the grace. A durable subscription that is
    /// behind stops after the event it holds: the rest is in the journal, which is written out and closed at the end.
    pub async fn shutdown(&self, grace: Duration) -> ShutdownReport {
        let inner = &self.inner;
        let deadline = after(grace);
        inner.phase.fetch_max(phase::DRAINING, SeqCst);
        // In this order: once nobody is entering any more, nothing new comes from outside.
        inner.wait_until(deadline, || inner.entering.load(SeqCst) == 0 && inner.is_idle()).await;
        let mut report = ShutdownReport::default();
        let slots = inner.slots();
        // Workers that go on from the journal for ever finish what they hold, within the grace.
        slots.iter().filter(|slot| slot.is_durable).for_each(|slot| slot.stop_taking());
        inner.wait_until(deadline, || slots.iter().all(|slot| !slot.is_durable || slot.has_none_in_flight())).await;
        // Cut off before the bus closes: what a handler has published and acked must still get in.
        let mut workers = Vec::new();
        for slot in slots.iter().chain(&inner.leaving()) {
            report.cut_off += slot.read_queue(|queue| queue.in_flight());
            workers.push(slot.set_workers(Workers::default()));
        }
        Workers::join(workers).finish(Duration::ZERO).await;
        inner.phase.store(phase::CLOSED, SeqCst);
        report.backlog = inner.backlog();
        inner.write_floors();
        for slot in &slots {
            report.unsettled.extend(slot.close().into_iter().filter(|item| !item.is_kept()).map(|item| {
                // Who waits for it need not wait any longer.
                settle(item.waiter.as_ref(), &slot.name, || Settlement::Dropped);
                Unsettled { subscription: slot.name.clone(), event: item.event, attempt: item.attempt }
            }));
        }
        if let Some(durable) = &inner.durable {
            report.unwritten = durable.journal.close().await;
        }
        report
    }

    /// Whether the bus takes events from outside.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.inner.phase.load(SeqCst) == phase::OPEN
    }
}

impl Inner {
    /// Lets a publisher in, or not, as far into its life as the bus is. Who is let in is waited for by a shutdown until the
    /// event is in every queue.
    pub(crate) fn enter(&self, publisher: Publisher) -> Option<Entering<'_>> {
        let takes = |phase| phase == phase::OPEN || (phase == phase::DRAINING && !publisher.is_outside());
        // Looked at first, so that those who try again and again do not hold up the end.
        if !takes(self.phase.load(SeqCst)) {
            return None;
        }
        if !publisher.is_outside() {
            return Some(Entering(None));
        }
        self.entering.fetch_add(1, SeqCst);
        let entering = Entering(Some(self));
        takes(self.phase.load(SeqCst)).then_some(entering)
    }

    /// Waits for a condition that settlements bring about. True when it came in time.
    pub(crate) async fn wait_until(&self, deadline: Instant, condition: impl Fn() -> bool) -> bool {
        let watching = self.watchers.watch();
        loop {
            let progress = watching.0.told.notified();
            tokio::pin!(progress);
            progress.as_mut().enable();
            if condition() {
                return true;
            }
            if timeout_at(deadline, progress).await.is_err() {
                return condition();
            }
        }
    }

    /// Whether no event is on its way. What handlers publish is in its queues before they are settled, so there is no gap.
    /// Whatever makes this true is told to [`Inner::progressed`].
    fn is_idle(&self) -> bool {
        let journal_idle = || self.durable.as_ref().is_none_or(Durable::is_idle);
        // Slot by slot is not at one moment: an event may pass from one not looked at yet to one looked at already. It is
        // counted before it does.
        let accepted = self.counters.accepted.load(SeqCst);
        let idle = journal_idle()
            && self.slots().iter().chain(&self.leaving()).all(|slot| {
                let held = slot.read_queue(|queue| queue.is_held() && queue.in_flight() == 0);
                !slot.kind.is_queued() || held || slot.is_idle()
            });
        idle && journal_idle() && self.counters.accepted.load(SeqCst) == accepted
    }

    /// Durable subscriptions that have not settled everything, with how far they are behind.
    fn backlog(&self) -> Vec<(Name, u64)> {
        let Some(durable) = &self.durable else { return Vec::new() };
        let head = durable.dispatched();
        let floors = self.slots().into_iter().filter_map(|slot| slot.floor_at(head)).collect::<Vec<_>>();
        let behind = floors.into_iter().map(|(name, floor)| (name, head.saturating_sub(floor)));
        behind.filter(|(_, count)| *count > 0).collect()
    }
}

/// A publisher between the bus's word that it takes the event and the last queue.
pub(crate) struct Entering<'a>(Option<&'a Inner>);

impl Drop for Entering<'_> {
    fn drop(&mut self) {
        if let Some(inner) = self.0 {
            inner.entering.fetch_sub(1, SeqCst);
            inner.progressed();
        }
    }
}

/// Who waits for the bus to be idle: told of every settlement. Nearly always there is nobody, and then telling costs a look.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    count: AtomicUsize,
    told: Notify,
}

impl Watchers {
    /// Something was settled or freed.
    pub(crate) fn tell(&self) {
        if self.count.load(SeqCst) > 0 {
            self.told.notify_waiters();
        }
    }

    fn watch(&self) -> Watching<'_> {
        self.count.fetch_add(1, SeqCst);
        Watching(self)
    }
}

/// Counts somebody who wants to hear of every settlement.
struct Watching<'a>(&'a Watchers);

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, SeqCst);
    }
}
