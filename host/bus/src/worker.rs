//! A worker: one task that takes deliveries out of a slot and gives them to one handler.
//!
//! Written once for all kinds of handler. What it has taken out is never lost: should the task be cut off, the delivery
//! goes back into the queue as [`FaultKind::Cancelled`], or is settled where its handler had acked already.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Instant;

use tokio::task::coop;

use crate::clock::now_ns;
use crate::dead::{AttemptRecord, DeadReason};
use crate::delivery::{Next, Verdict, decide};
use crate::event::{Draft, Event};
use crate::handler::{Delivery, Failure, Fault, FaultKind, Handler, HandlerError, Outcome, Reply};
use crate::outbox::Outbox;
use crate::queue::Item;
use crate::settings::Settings;
use crate::settlement::{Settlement, settle};
use crate::slot::{Slot, Wake};
use crate::state::State;
use crate::trace::{Notes, Traced};

mod durable;

/// Runs until a newer generation takes over or the subscription ends.
pub(crate) async fn run(slot: Arc<Slot>, mut handler: Box<dyn Handler>, generation: u64) {
    // They change only together with the generation.
    let settings = slot.settings.load_full();
    let (mut next, mut spare) = (None, None);
    loop {
        let in_flight = match next.take() {
            Some(in_flight) => in_flight,
            None => match slot.next(generation).await {
                Wake::Stop => return,
                Wake::Delivery(item) => InFlight::new(&slot, item),
            },
        };
        if let Some(order) = attempt(in_flight, &settings, handler.as_mut(), &mut spare).await {
            // Where this task goes on at once, to settle one and to take the next is one step.
            if coop::has_budget_remaining() && settings.events_max.is_none() {
                next = slot.settled_and_next(order, generation).map(|item| InFlight::new(&slot, item));
            } else {
                slot.settled(order);
            }
        }
        if settings.events_max.is_some() && slot.is_exhausted() {
            slot.end();
            return;
        }
        if next.is_none() {
            // While the worker waits, it keeps no event alive.
            spare = None;
        }
        // A handler that is always ready must not keep the thread for itself.
        coop::consume_budget().await;
    }
}

/// One attempt, from handing over to its conclusion. The order of an item that is still to be settled in the queue.
/// The delivery is left in `spare` for the next attempt, where the handler has not kept it.
async fn attempt(
    mut in_flight: InFlight<'_>,
    settings: &Settings,
    handler: &mut dyn Handler,
    spare: &mut Option<Arc<Delivery>>,
) -> Option<u64> {
    let slot = in_flight.slot;
    in_flight.begun = true;
    let item = in_flight.item.as_ref()?;
    // A tick was never published: its span would hang on none.
    let tracer = slot.tracer.as_ref().filter(|_| item.tick.is_none());
    let (traced, event) = Traced::begin(tracer, &item.event).unzip();
    let mut delivery = deliver(item, event.as_ref().unwrap_or(&item.event), spare.take(), slot, settings);
    let traced = traced.map(|traced| traced.with(&delivery));
    let begun = Instant::now();
    let outcome = match settings.timeout {
        None => caught(handler, &delivery).await,
        Some(limit) => match tokio::time::timeout(limit, caught(handler, &delivery)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let message = "the handler did not answer in time";
                Err(Fault::new(FaultKind::Deadline { limit }, message).into())
            }
        },
    };
    slot.counters.attempt(outcome.as_ref().err(), begun.elapsed());
    let random = if outcome.is_ok() { 0.0 } else { random() };
    let next = decide(delivery.attempt, &outcome, &settings.retry, random);
    if let Some(traced) = traced {
        traced.end(&delivery, outcome.as_ref().err(), &next);
    }
    let (staged, is_kept) = match Arc::get_mut(&mut delivery) {
        Some(delivery) => (delivery.outbox.drain(), false),
        None => (delivery.outbox.take(), true),
    };
    if item.tracked {
        durable::conclude(in_flight, &delivery, staged, outcome, next).await;
        return None;
    }
    if slot.is_durable && !staged.is_empty() {
        return durable::conclude_untracked(in_flight, &delivery, staged, outcome, next).await;
    }
    if outcome.is_ok() && slot.commit_untracked(&delivery, Vec::new(), None).is_err() {
        in_flight.repeat();
        return None;
    }
    match outcome {
        Ok(reply) if !staged.is_empty() => {
            in_flight.ack(reply, staged).await;
            None
        }
        outcome => {
            *spare = (!is_kept).then_some(delivery);
            conclude(slot, in_flight.item.take()?, outcome, next)
        }
    }
}

/// What the handler is given: the delivery of the attempt before, made as new, or a new one.
fn deliver(
    item: &Item,
    event: &Arc<Event>,
    spare: Option<Arc<Delivery>>,
    slot: &Slot,
    settings: &Settings,
) -> Arc<Delivery> {
    if let Some(mut spare) = spare
        && let Some(delivery) = Arc::get_mut(&mut spare)
    {
        delivery.event.clone_from(event);
        delivery.attempt = item.attempt;
        delivery.state.renew();
        delivery.notes.renew();
        return spare;
    }
    Arc::new(Delivery {
        event: event.clone(),
        attempt: item.attempt,
        subscription: slot.name.clone(),
        outbox: Outbox::new(settings.outbox),
        state: State::new(slot.store.clone(), settings.state),
        notes: Notes::default(),
    })
}

/// Carries out what was decided. The order of the item, where it is to be settled in the queue.
fn conclude(slot: &Arc<Slot>, mut item: Box<Item>, outcome: Outcome, next: Next) -> Option<u64> {
    if item.tick.is_some() {
        return conclude_tick(slot, item, outcome, &next);
    }
    let error = match outcome {
        Ok(reply) => {
            slot.counters.acked.fetch_add(1, Relaxed);
            settle(item.waiter.as_ref(), &slot.name, || Settlement::Acked(reply));
            slot.forget_letters(item.letter);
            return Some(item.order);
        }
        Err(error) => error,
    };
    record(slot, &mut item, &error, &next);
    match next {
        Next::Retry { after } => {
            slot.counters.retried.fetch_add(1, Relaxed);
            item.attempt += 1;
            slot.retry_after(item, after);
            None
        }
        // Ack does not come with an error; to try again is the harmless answer.
        Next::Again | Next::Ack => {
            slot.again(item);
            None
        }
        Next::Dead(verdict) => {
            let order = item.order;
            let reason = dead_reason(verdict, item.attempt, error);
            if verdict == Verdict::Rejected {
                slot.counters.rejected.fetch_add(1, Relaxed);
            }
            let letter = item.letter;
            slot.bury(*item, reason);
            slot.forget_letters(letter);
            Some(order)
        }
    }
}

/// A tick is over whatever became of it: the next one comes anyway. Only one whose handler was cut off comes again.
fn conclude_tick(slot: &Arc<Slot>, item: Box<Item>, outcome: Outcome, next: &Next) -> Option<u64> {
    if *next == Next::Again {
        slot.again(item);
        return None;
    }
    slot.counters.ticks.fetch_add(1, Relaxed);
    if let Err(error) = outcome {
        slot.counters.ticks_failed.fetch_add(1, Relaxed);
        tracing::debug!(subscription = %slot.name, %error, "tick failed");
    }
    Some(item.order)
}

/// Puts an attempt that did not succeed on record, and reports it.
fn record(slot: &Slot, item: &mut Item, error: &HandlerError, next: &Next) {
    let record = AttemptRecord::new(item.attempt, error, now_ns());
    if let Some(bus) = slot.bus.upgrade() {
        bus.report_failed(&slot.name, &item.event, &record, error, next);
    }
    record.add_to(&mut item.history);
}

fn dead_reason(verdict: Verdict, attempts: u32, error: HandlerError) -> DeadReason {
    match (verdict, error) {
        (Verdict::Rejected, HandlerError::Failure(Failure::Reject(reason))) => DeadReason::Rejected(reason),
        (_, last) => DeadReason::Exhausted { attempts, last },
    }
}

/// A delivery that a worker has taken out. Dropped before its handler has answered, it goes back; dropped after the handler
/// has acked, it is settled.
struct InFlight<'s> {
    slot: &'s Arc<Slot>,
    item: Option<Box<Item>>,
    /// Its handler has been called.
    begun: bool,
    acked: Option<Acked>,
}

/// A handler's ack, and what it published and is not released yet.
struct Acked {
    reply: Reply,
    staged: std::vec::IntoIter<Draft>,
}

impl<'s> InFlight<'s> {
    fn new(slot: &'s Arc<Slot>, item: Box<Item>) -> Self {
        Self { slot, item: Some(item), begun: false, acked: None }
    }

    /// Another handler has changed what this one had read: nothing of this attempt is kept, and it does not count.
    fn repeat(mut self) {
        if let Some(item) = self.item.take() {
            self.slot.counters.conflicts.fetch_add(1, Relaxed);
            self.slot.again(item);
        }
    }

    /// Releases what the handler published, then settles. From here on nothing is repeated: where the task is cut off while
    /// it waits for room, the rest is released without waiting.
    async fn ack(mut self, reply: Reply, staged: Vec<Draft>) {
        let acked = self.acked.insert(Acked { reply, staged: staged.into_iter() });
        let Some(bus) = self.slot.bus.upgrade() else { return };
        for draft in acked.staged.by_ref() {
            bus.release(&self.slot.name, draft).await;
        }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let Some(item) = self.item.take() else { return };
        if !self.begun {
            return self.slot.again(item);
        }
        let concluded = if let Some(acked) = self.acked.take() {
            if let Some(bus) = self.slot.bus.upgrade() {
                bus.release_now(&self.slot.name, acked.staged);
            }
            conclude(self.slot, item, Ok(acked.reply), Next::Ack)
        } else {
            let fault = Fault::new(FaultKind::Cancelled, "the handler was cut off: replaced or stopped");
            self.slot.counters.fault(FaultKind::Cancelled);
            conclude(self.slot, item, Err(fault.into()), Next::Again)
        };
        if let Some(order) = concluded {
            self.slot.settled(order);
        }
    }
}

/// Calls a handler; a panic in it becomes a fault.
async fn caught(handler: &mut dyn Handler, delivery: &Arc<Delivery>) -> Outcome {
    // The call itself is inside the future too: a handler may panic before it returns one.
    let mut future = std::pin::pin!(async move { handler.handle(delivery).await });
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(poll) => poll,
        Err(panic) => Poll::Ready(Err(panic_fault(&*panic).into())),
    })
    .await
}

/// The fault that a caught panic becomes.
pub(crate) fn panic_fault(panic: &(dyn std::any::Any + Send)) -> Fault {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    Fault::new(FaultKind::Panic, text.unwrap_or_else(|| "the handler panicked without a message".into()))
}

/// A number from 0 to 1 for jitter; the standard library's hasher keys are random enough for that.
fn random() -> f64 {
    use std::hash::{BuildHasher, Hasher};
    let bits = std::collections::hash_map::RandomState::new().build_hasher().finish();
    bits as f64 / u64::MAX as f64
}
