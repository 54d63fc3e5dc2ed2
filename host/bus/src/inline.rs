//! Inline handlers: called inside publish, on the publisher's thread, by priority. The way with the lowest latency, and
//! the one that can stop an event before others see it.
//!
//! There is no queue, so there is one attempt: a failure or panic is reported and becomes a dead letter at once. Keep them
//! short: the publisher waits.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::Instant;

use crate::bus::Inner;
use crate::clock::now_ns;
use crate::dead::{AttemptRecord, DeadReason};
use crate::delivery::{Next, Verdict};
use crate::event::{Event, Payload};
use crate::handler::{Delivery, Failure, HandlerError, IntoOutcome, Reply};
use crate::outbox::Outbox;
use crate::queue::{Item, Lane, Queue};
use crate::settlement::{Settlement, Waiter, settle};
use crate::slot::{Kind, Slot};
use crate::state::State;
use crate::trace::{Notes, Traced};
use crate::worker::panic_fault;

/// What an inline handler answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flow {
    /// Handled; the event goes on to the next subscription.
    Continue(Reply),
    /// Handled; no subscription after this one sees the event. The receipt names the one that stopped it.
    Stop(Reply),
}

/// What an inline handler may return.
pub trait IntoFlow {
    /// Converts.
    ///
    /// # Errors
    /// The handler's failure.
    fn into_flow(self) -> Result<Flow, HandlerError>;
}

impl IntoFlow for () {
    fn into_flow(self) -> Result<Flow, HandlerError> {
        Ok(Flow::Continue(Reply(None)))
    }
}

impl IntoFlow for Flow {
    fn into_flow(self) -> Result<Flow, HandlerError> {
        Ok(self)
    }
}

impl IntoFlow for Payload {
    fn into_flow(self) -> Result<Flow, HandlerError> {
        self.into_outcome().map(Flow::Continue)
    }
}

impl<T: IntoFlow, E: Into<HandlerError>> IntoFlow for Result<T, E> {
    fn into_flow(self) -> Result<Flow, HandlerError> {
        self.map_err(Into::into).and_then(T::into_flow)
    }
}

/// A boxed inline handler.
pub(crate) type InlineHandler = dyn Fn(&Delivery) -> Result<Flow, HandlerError> + Send + Sync;

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Called {
    /// Acked; the event goes on.
    Went,
    /// Acked; the event stops here.
    Stopped,
    /// It is a dead letter.
    Dead,
    /// The subscription has ended or has had all the events it wanted.
    NotTaken,
}

/// Calls one inline handler.
pub(crate) fn call(slot: &Slot, event: &Arc<Event>, waiter: Option<&Arc<Waiter>>, bus: &Inner) -> Called {
    let Kind::Inline { handler, special, .. } = &slot.kind else { return Called::NotTaken };
    let special = special.load(Acquire);
    if special && slot.is_closed() {
        return Called::NotTaken;
    }
    let settings = slot.settings.load();
    let Some(last) = slot.count_in(settings.events_max) else { return Called::NotTaken };
    slot.counters.matched.fetch_add(1, Relaxed);
    let item = Item::new(event.clone(), Lane::Free, waiter.cloned());
    let called = if special && !slot.with_queue(Queue::admit) {
        slot.bury(item, DeadReason::Paused);
        Called::Dead
    } else {
        run(slot, handler, item, bus)
    };
    if last {
        // It has had all it wanted, and there is no queue to finish.
        bus.remove(slot.number);
    }
    called
}

fn run(slot: &Slot, handler: &InlineHandler, mut item: Item, bus: &Inner) -> Called {
    let (traced, event) = Traced::begin(slot.tracer.as_ref(), &item.event).unzip();
    let delivery = Delivery {
        event: event.unwrap_or_else(|| item.event.clone()),
        attempt: 1,
        subscription: slot.name.clone(),
        outbox: Outbox::new(slot.settings.load().outbox),
        // Its store would have to be waited for, which an inline handler cannot: it has one that remembers nothing.
        state: State::detached(slot.settings.load().state),
        notes: Notes::default(),
    };
    let begun = Instant::now();
    let nested = Nested::enter();
    let result = catch_unwind(AssertUnwindSafe(|| handler(&delivery)));
    let result = result.unwrap_or_else(|panic| Err(panic_fault(&*panic).into()));
    slot.counters.attempt(result.as_ref().err(), begun.elapsed());
    if let Some(traced) = traced {
        let error = result.as_ref().err();
        traced.end(&delivery, error, &error.map_or(Next::Ack, |error| Next::Dead(verdict(error))));
    }
    let staged = delivery.outbox.take();
    let error = match result {
        Ok(flow) => {
            slot.counters.acked.fetch_add(1, Relaxed);
            bus.release_now(&slot.name, staged);
            drop(nested);
            let (reply, called) = match flow {
                Flow::Continue(reply) => (reply, Called::Went),
                Flow::Stop(reply) => (reply, Called::Stopped),
            };
            settle(item.waiter.as_ref(), &slot.name, || Settlement::Acked(reply));
            return called;
        }
        Err(error) => error,
    };
    drop(nested);
    let verdict = verdict(&error);
    let reason = match &error {
        HandlerError::Failure(Failure::Reject(reason)) => {
            slot.counters.rejected.fetch_add(1, Relaxed);
            DeadReason::Rejected(reason.clone())
        }
        _ => DeadReason::Exhausted { attempts: 1, last: error.clone() },
    };
    let record = AttemptRecord::new(1, &error, now_ns());
    bus.report_failed(&slot.name, &item.event, &record, &error, &Next::Dead(verdict));
    record.add_to(&mut item.history);
    slot.bury(item, reason);
    Called::Dead
}

/// Why the one attempt is the last. Pure.
fn verdict(error: &HandlerError) -> Verdict {
    match error {
        HandlerError::Failure(Failure::Reject(_)) => Verdict::Rejected,
        _ => Verdict::Exhausted,
    }
}

thread_local! {
    static DEPTH: Cell<u8> = const { Cell::new(0) };
}

/// How many inline handlers are on this thread's stack: an inline handler that publishes what it listens to would
/// otherwise overflow the stack before hops are counted.
pub(crate) fn depth() -> u8 {
    DEPTH.get()
}

struct Nested;

impl Nested {
    fn enter() -> Self {
        DEPTH.set(DEPTH.get().saturating_add(1));
        Self
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get().saturating_sub(1));
    }
}
