//! Settling a delivery of a durable subscription: everything that it led to goes into the journal as one write.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::{InFlight, dead_reason, record};
use crate::bus::Inner;
use crate::delivery::{Next, Verdict};
use crate::event::Draft;
use crate::handler::{Delivery, HandlerError, Outcome};
use crate::journal::{Permit, Settle, Stub};
use crate::queue::Item;
use crate::settlement::{Settlement, settle};
use crate::slot::Slot;

/// Carries out what was decided. Cut off while it waits for the journal to take writes again, the delivery goes back into
/// the queue as if the handler had not run; nothing of it is kept.
pub(super) async fn conclude(
    mut in_flight: InFlight<'_>,
    delivery: &Arc<Delivery>,
    staged: Vec<Draft>,
    outcome: Outcome,
    next: Next,
) {
    let slot = in_flight.slot;
    let Some(bus) = slot.bus.upgrade() else { return };
    let Some(durable) = &bus.durable else { return };
    let permit = durable.settle_permit().await;
    let Some(mut item) = in_flight.item.take() else { return };
    let error = match outcome {
        Ok(reply) => {
            let (published, stubs) = bus.prepare_staged(&slot.name, staged);
            let parts = Settle { published, ..ended(slot, &item) };
            if slot.settle_tracked(&item, Some(&delivery.state), parts, permit).is_err() {
                in_flight.item = Some(item);
                return in_flight.repeat();
            }
            slot.counters.acked.fetch_add(1, Relaxed);
            settle(item.waiter.as_ref(), &slot.name, || Settlement::Acked(reply));
            return place(&bus, slot, stubs).await;
        }
        Err(error) => error,
    };
    record(slot, &mut item, &error, &next);
    match next {
        Next::Retry { after } => {
            slot.counters.retried.fetch_add(1, Relaxed);
            item.attempt += 1;
            slot.write_retry(&item, after, permit);
            slot.retry_after(item, after);
        }
        // Ack does not come with an error; to try again is the harmless answer.
        Next::Again | Next::Ack => slot.again(item),
        Next::Dead(verdict) => bury(slot, *item, verdict, error, permit),
    }
}

/// Carries out what was decided on a delivery that is none of the cursor's, and whose handler has published: where it acked,
/// that and what it remembers are one write, too. The order of the item, where it is to be settled in the queue.
pub(super) async fn conclude_untracked(
    mut in_flight: InFlight<'_>,
    delivery: &Arc<Delivery>,
    staged: Vec<Draft>,
    outcome: Outcome,
    next: Next,
) -> Option<u64> {
    let slot = in_flight.slot;
    let (Ok(_), Some(bus)) = (&outcome, slot.bus.upgrade()) else {
        return super::conclude(slot, in_flight.item.take()?, outcome, next);
    };
    let permit = bus.durable.as_ref()?.settle_permit().await;
    let (published, stubs) = bus.prepare_staged(&slot.name, staged);
    if slot.commit_untracked(delivery, published, Some(permit)).is_err() {
        in_flight.repeat();
        return None;
    }
    let order = super::conclude(slot, in_flight.item.take()?, outcome, next);
    place(&bus, slot, stubs).await;
    order
}

/// Waits until what a handler published stands in its queues.
async fn place(bus: &Inner, slot: &Slot, stubs: Vec<Stub>) {
    for stub in stubs {
        match stub.placed().await {
            Ok(placed) => drop(placed.finish().await),
            Err(error) => bus.note_refusal(&slot.name, error),
        }
    }
}

fn bury(slot: &Slot, item: Item, verdict: Verdict, error: HandlerError, permit: Permit) {
    let reason = dead_reason(verdict, item.attempt, error);
    if verdict == Verdict::Rejected {
        slot.counters.rejected.fetch_add(1, Relaxed);
    }
    slot.counters.dead.fetch_add(1, Relaxed);
    let letter = slot
        .bus
        .upgrade()
        .map(|bus| bus.new_letter(item.event.clone(), Some(&slot.name), reason.clone(), item.history.clone()));
    let parts = Settle { dead: letter.map(Box::new), ..ended(slot, &item) };
    // Without changes to the store there is nothing that could conflict.
    let _ = slot.settle_tracked(&item, None, parts, permit);
    settle(item.waiter.as_ref(), &slot.name, || Settlement::Dead(reason));
}

/// The end of a delivery that led to nothing. The floor is filled in where the order is known.
fn ended(slot: &Slot, item: &Item) -> Settle {
    Settle {
        cursor: slot.name.clone(),
        seq: item.event.seq,
        floor: 0,
        published: Vec::new(),
        state: Vec::new(),
        dead: None,
    }
}
