//! Controlling a subscription: pause, suspend, replace its handlers, end it.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use serde::Serialize;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::bus::phase;
use crate::clock::after;
use crate::event::{Draft, Payload};
use crate::handler::Handler;
use crate::host_events::HOST_SOURCE;
use crate::name::Name;
use crate::settings::Settings;
use crate::slot::{Kind, Slot};
use crate::stats::{SubscriptionStats, snapshot};
use crate::subscribe::{SubscribeError, concurrency_of};
use crate::topic::{Filter, Topic};
use crate::worker;

/// A live subscription. Dropping it ends the subscription: no further delivery begins; one in flight is finished; what is
/// queued becomes dead letters. [`Subscription::detach`] lets it live as long as the bus.
#[derive(Debug)]
#[must_use = "the subscription ends when this is dropped; `detach` lets it live as long as the bus"]
pub struct Subscription {
    control: Control,
    detached: bool,
}

impl Subscription {
    pub(crate) fn new(control: Control) -> Self {
        Self { control, detached: false }
    }

    /// A handle that does not end the subscription when dropped.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Lets the subscription live as long as the bus.
    pub fn detach(mut self) -> Control {
        self.detached = true;
        self.control.clone()
    }
}

impl Deref for Subscription {
    type Target = Control;
    fn deref(&self) -> &Control {
        &self.control
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if !self.detached {
            self.control.end();
        }
    }
}

/// A handle on a subscription. Cheap to clone; does not keep the subscription alive.
#[derive(Debug, Clone)]
pub struct Control {
    pub(crate) slot: Arc<Slot>,
}

/// New handlers for a subscription.
pub struct Replace {
    /// The new filters.
    pub filters: Vec<Filter>,
    /// The new handlers; their number is the new concurrency.
    pub handlers: Vec<Box<dyn Handler>>,
    /// New settings, but for the concurrency. The old ones stay when absent.
    pub settings: Option<Settings>,
}

/// Handlers were replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replaced {
    /// Old handlers that had not finished within the grace. Their events come again, to the new handlers.
    pub cut_off: usize,
}

impl Control {
    pub(crate) fn new(slot: Arc<Slot>) -> Self {
        Self { slot }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.slot.name
    }

    /// The filters now.
    #[must_use]
    pub fn filters(&self) -> Vec<Filter> {
        self.slot.filters.load().to_vec()
    }

    /// The settings now.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        self.slot.settings.load_full()
    }

    /// Begins no further delivery until [`Control::resume`]. Events queue up. An inline handler has no queue: what it misses
    /// becomes dead letters.
    pub fn pause(&self) {
        self.set_paused(true);
    }

    /// Ends a pause.
    pub fn resume(&self) {
        self.set_paused(false);
    }

    fn set_paused(&self, value: bool) {
        self.slot.with_queue(|queue| queue.set_paused(value));
    }

    /// Whether it is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.slot.read_queue(|queue| queue.is_paused())
    }

    /// Like a pause, but a supervisor's: the two do not undo each other.
    pub fn suspend(&self) {
        self.slot.with_queue(|queue| queue.suspend());
    }

    /// While suspended, lets exactly one delivery through: the next event that is there or comes.
    pub fn probe(&self) {
        self.slot.with_queue(|queue| queue.probe());
    }

    /// Ends a suspension.
    pub fn unsuspend(&self) {
        self.slot.with_queue(|queue| queue.unsuspend());
    }

    /// Whether it is suspended.
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.slot.read_queue(|queue| queue.is_suspended())
    }

    /// Gives the handlers an event of the host's own, in order with what they handle and outside of all traffic: no other
    /// subscription, watcher, history or journal sees it, filters are not asked, and it takes no room in the queue. What they
    /// publish and remember counts as with any event. A tick that fails is over: it neither comes again nor is a dead letter.
    ///
    /// False where none was given: the one before is still waiting or in its handler, the subscription is paused, suspended,
    /// ended, or has no handlers of its own, or the bus is about to close.
    pub fn tick<T: Serialize>(&self, topic: Topic, data: &T) -> bool {
        let Some(bus) = self.slot.bus.upgrade().filter(|bus| bus.phase.load(SeqCst) == phase::OPEN) else {
            return false;
        };
        match Payload::json(data) {
            Ok(payload) => {
                let draft = Draft::new(topic).source(HOST_SOURCE).payload(payload);
                self.slot.tick(bus.stamp(draft, 0))
            }
            Err(error) => {
                tracing::error!(%topic, %error, "tick has no JSON form");
                false
            }
        }
    }

    /// Whether its place is kept in the journal.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.slot.is_durable
    }

    /// What it has done.
    #[must_use]
    pub fn stats(&self) -> SubscriptionStats {
        snapshot(&self.slot)
    }

    /// Whether the subscription has ended.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.slot.is_closed()
    }

    /// Ends the subscription as dropping its guard does.
    pub fn end(&self) {
        self.slot.end();
    }

    /// Replaces the handlers. The new ones take over between events: queue, order and retries stay as they are, and no event
    /// is handled by both. The old ones finish what they hold, for at most `grace`; then they are cut off and their events
    /// come again (an attempt that was cut off does not count).
    ///
    /// # Errors
    /// [`SubscribeError`] if there are no handlers or too many, no runtime, or the subscription has ended or is none with
    /// handlers; the old handlers go on.
    pub async fn replace(&self, new: Replace, grace: Duration) -> Result<Replaced, SubscribeError> {
        let concurrency = concurrency_of(&new.handlers)?;
        let runtime = Handle::try_current().map_err(|_| SubscribeError::NoRuntime)?;
        let bus = self.slot.bus.upgrade().filter(|_| !self.slot.is_closed());
        let (Some(bus), Kind::Queued) = (bus, &self.slot.kind) else { return Err(SubscribeError::Closed) };
        let mut settings = new.settings.unwrap_or_else(|| Settings::clone(&self.slot.settings.load()));
        settings.concurrency = concurrency;
        let old = {
            // Under the registry's lock, so that routes and filters change together.
            let registry = bus.lock_registry();
            if !registry.slots.contains_key(&self.slot.number) {
                return Err(SubscribeError::Closed);
            }
            let generation = self.slot.new_generation(new.filters, Some(settings));
            bus.rebuild(&registry);
            self.slot.set_workers(Workers::spawn(&runtime, &self.slot, new.handlers, generation))
        };
        Ok(Replaced { cut_off: old.finish(grace).await })
    }

    /// Ends the subscription after the handlers have finished what they hold and what is queued, for at most `grace`.
    /// What is left then becomes dead letters. A durable subscription ends after what its handlers hold: its cursor stays,
    /// and the rest waits in the journal. Returns how many handlers were cut off.
    pub async fn drain(&self, grace: Duration) -> usize {
        let Some(bus) = self.slot.bus.upgrade() else { return 0 };
        let deadline = after(grace);
        if self.slot.is_durable {
            self.slot.stop_taking();
            bus.wait_until(deadline, || self.slot.has_none_in_flight()).await;
        } else {
            bus.unroute(self.slot.number);
            bus.wait_until(deadline, || self.slot.is_idle() || self.stats_held()).await;
        }
        self.end();
        let old = self.slot.set_workers(Workers::default());
        old.finish(deadline.saturating_duration_since(Instant::now())).await
    }

    /// Paused or suspended: its queue will not empty by itself.
    fn stats_held(&self) -> bool {
        self.slot.read_queue(|queue| queue.is_held() && queue.in_flight() == 0)
    }
}

/// The worker tasks of one generation.
#[derive(Debug, Default)]
pub(crate) struct Workers {
    tasks: Vec<JoinHandle<()>>,
}

impl Workers {
    pub(crate) fn spawn(runtime: &Handle, slot: &Arc<Slot>, handlers: Vec<Box<dyn Handler>>, generation: u64) -> Self {
        let spawn = |handler| runtime.spawn(worker::run(slot.clone(), handler, generation));
        Self { tasks: handlers.into_iter().map(spawn).collect() }
    }

    /// Puts the tasks of several generations together.
    pub(crate) fn join(all: impl IntoIterator<Item = Self>) -> Self {
        Self { tasks: all.into_iter().flat_map(|mut workers| std::mem::take(&mut workers.tasks)).collect() }
    }

    /// Waits for the tasks to end, which they do after the delivery they hold once their generation is over. Those that
    /// have not ended within the grace are cut off; returns how many.
    pub(crate) async fn finish(mut self, grace: Duration) -> usize {
        let deadline = after(grace);
        let mut late = Vec::new();
        for task in &mut self.tasks {
            if timeout_at(deadline, &mut *task).await.is_err() {
                task.abort();
                late.push(task);
            }
        }
        let cut_off = late.len();
        // Waited for, so that their events are back in the queue when this returns. One that blocks its thread cannot be cut
        // off: it keeps its event, and its lane, until it comes back.
        let deadline = after(CUT_OFF_MAX);
        for task in late {
            if timeout_at(deadline, task).await.is_err() {
                tracing::warn!("a handler blocks its thread and cannot be cut off");
            }
        }
        cut_off
    }
}

/// Longest wait for a task to notice that it is cut off.
const CUT_OFF_MAX: Duration = Duration::from_secs(2);

impl Drop for Workers {
    /// Where nobody waits for them any more, they must not hold their events for ever.
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
