//! A bus that stands on a journal: what goes into it, and what comes of it.
//!
//! An event from outside is handed to the journal; once committed it comes back through [`Sink::committed`], on the
//! journal's thread, in order, and only then goes into queues. A durable subscription has a cursor in the journal and a queue
//! that is a window on it ([`progress`]); a [`feeder`] reads what the window had no room for.
//!
//! Bounded: [`Journal::capacity`] writes on their way, counted by permits, but for the few small ones that cannot wait (dead
//! letters of other subscriptions, cursors that move on). Who waits: publishers and workers, for a permit; half of them are
//! for each, so that workers who wait for a journal that cannot write keep no publisher from being refused.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};

use crate::accept::Inline;
use crate::bus::Inner;
use crate::clock::now_ns;
use crate::dead::DeadReason;
use crate::event::Draft;
use crate::journal::{AppendOutcome, Appended, Cursor, Journal, JournalError, Permit, Queued, Sink, Ticket, Write};
use crate::name::Name;
use crate::place::Places;
use crate::placed::Placed;
use crate::publish::{Disposition, PublishError, Receipt};
use crate::slot::Slot;
use crate::state::StateStore;

pub(crate) mod feeder;
pub(crate) mod progress;

/// Cursors that move on without a settlement are written down after so many events, or so many bytes of them: until then
/// the journal keeps those events, and the least that it may be given room for is 1 MiB.
const FLOORS_EVERY_EVENTS: u64 = 1024;
const FLOORS_EVERY_BYTES: u64 = 256 << 10;

/// See the module.
#[derive(Debug)]
pub(crate) struct Durable {
    pub(crate) journal: Arc<dyn Journal>,
    /// Of publishers, and of workers: each have half. What workers settle is held where the journal cannot write, and
    /// publishers must be refused then and not wait.
    permits: Arc<Semaphore>,
    settle_permits: Arc<Semaphore>,
    /// Of subscriptions that are not there now.
    cursors: Mutex<HashMap<Name, Away>>,
    /// The last number that has been offered to every queue.
    dispatched: AtomicU64,
    /// Told whenever that number has risen.
    pub(crate) risen: Arc<Notify>,
    /// Events on their way into the journal.
    in_hand: AtomicUsize,
    /// The number at which cursors were written down last, and bytes of events since.
    floors_at: AtomicU64,
    bytes_since: AtomicU64,
}

/// What stays of a durable subscription that is not there.
#[derive(Debug)]
struct Away {
    cursor: Cursor,
    store: Arc<StateStore>,
}

/// Where a durable subscription without a cursor begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Start {
    /// With the next event.
    #[default]
    New,
    /// With the oldest event that the journal has.
    Earliest,
    /// With the event of this number, or the oldest after it that the journal has.
    Seq(u64),
}

impl Durable {
    pub(crate) fn new(journal: Arc<dyn Journal>) -> Self {
        let half = journal.capacity().div_ceil(2).clamp(1, Semaphore::MAX_PERMITS);
        let (_, last) = journal.span();
        Self {
            permits: Arc::new(Semaphore::new(half)),
            settle_permits: Arc::new(Semaphore::new(half)),
            cursors: Mutex::default(),
            dispatched: AtomicU64::new(last),
            risen: Arc::default(),
            in_hand: AtomicUsize::new(0),
            floors_at: AtomicU64::new(last),
            bytes_since: AtomicU64::new(0),
            journal,
        }
    }

    /// Takes in the cursors that the journal found. Those of subscriptions that were there when the process ended are away
    /// from now on.
    pub(crate) fn restore(&self, cursors: Vec<Cursor>) {
        let now = now_ns();
        for mut cursor in cursors {
            if cursor.absent_since_ns.is_none() {
                cursor.absent_since_ns = Some(now);
                self.submit(Write::Absent { cursor: cursor.name.clone(), since_ns: now }, None);
            }
            let store = Arc::new(StateStore::durable(self.journal.clone(), cursor.name.clone()));
            self.cursors().insert(cursor.name.clone(), Away { cursor, store });
        }
    }

    /// Waits for a publisher's right to have a write on its way.
    pub(crate) async fn permit(&self) -> Permit {
        permit_of(&self.permits).await
    }

    /// Waits for a worker's.
    pub(crate) async fn settle_permit(&self) -> Permit {
        permit_of(&self.settle_permits).await
    }

    /// A publisher's, without waiting.
    pub(crate) fn try_permit(&self) -> Option<Permit> {
        self.permits.clone().try_acquire_owned().ok().map(Permit::new)
    }

    /// Hands a write to the journal.
    pub(crate) fn submit(&self, write: Write, permit: Option<Permit>) {
        let appends = match &write {
            Write::Append(_) => 1,
            Write::Settle(settle) => settle.published.len(),
            _ => 0,
        };
        self.in_hand.fetch_add(appends, SeqCst);
        self.journal.submit(Queued { write, permit: permit.unwrap_or_else(Permit::free) });
    }

    /// Whether no event is on its way into the journal.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_hand.load(SeqCst) == 0
    }

    /// Whether cursors are to be written down, with so many bytes more.
    fn are_floors_due(&self, new_bytes: usize) -> bool {
        let new_bytes = u64::try_from(new_bytes).unwrap_or(u64::MAX);
        let bytes = self.bytes_since.fetch_add(new_bytes, Relaxed).saturating_add(new_bytes);
        let events = self.dispatched().saturating_sub(self.floors_at.load(Relaxed));
        events >= FLOORS_EVERY_EVENTS || bytes >= FLOORS_EVERY_BYTES
    }

    pub(crate) fn dispatched(&self) -> u64 {
        self.dispatched.load(SeqCst)
    }

    /// The cursor for a subscription that begins: the one that is there, or a new one. It is open from now on.
    pub(crate) fn open(&self, name: &Name, start: Start) -> (Cursor, Arc<StateStore>) {
        let known = self.cursors().remove(name);
        let Away { cursor, store } = known.unwrap_or_else(|| {
            let (first, last) = self.journal.span();
            let floor = match start {
                Start::New => last,
                Start::Earliest => first.saturating_sub(1),
                Start::Seq(seq) => seq.saturating_sub(1).min(last),
            };
            let name = name.clone();
            let cursor = Cursor { name, floor, settled: Vec::new(), retries: Vec::new(), absent_since_ns: None };
            // Nothing is in the journal under that name: what it held was forgotten with the cursor.
            Away { cursor, store: Arc::new(StateStore::in_memory()) }
        });
        self.submit(Write::Open { cursor: name.clone(), floor: cursor.floor }, None);
        (cursor, store)
    }

    /// A subscription has gone; its cursor stays.
    pub(crate) fn leave(&self, mut cursor: Cursor, store: Arc<StateStore>) {
        let since_ns = now_ns();
        cursor.absent_since_ns = Some(since_ns);
        self.submit(Write::Absent { cursor: cursor.name.clone(), since_ns }, None);
        self.cursors().insert(cursor.name.clone(), Away { cursor, store });
    }

    /// Forgets the cursors whose subscriptions have been away for so long.
    pub(crate) fn retire(&self, absent_for: Duration) -> Vec<Cursor> {
        let absent_ns = u64::try_from(absent_for.as_nanos()).unwrap_or(u64::MAX);
        let before = now_ns().saturating_sub(absent_ns);
        let mut cursors = self.cursors();
        let long = |away: &&Away| away.cursor.absent_since_ns.is_some_and(|since| since <= before);
        let names: Vec<Name> = cursors.values().filter(long).map(|away| away.cursor.name.clone()).collect();
        let retired: Vec<Cursor> =
            names.iter().filter_map(|name| cursors.remove(name)).map(|away| away.cursor).collect();
        drop(cursors);
        if !names.is_empty() {
            self.submit(Write::Retire(names), None);
        }
        retired
    }

    /// The cursors whose subscriptions are away.
    pub(crate) fn absent(&self) -> Vec<Cursor> {
        let mut all: Vec<Cursor> = self.cursors().values().map(|away| away.cursor.clone()).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    fn cursors(&self) -> MutexGuard<'_, HashMap<Name, Away>> {
        self.cursors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn permit_of(permits: &Arc<Semaphore>) -> Permit {
    match permits.clone().acquire_owned().await {
        Ok(permit) => Permit::new(permit),
        // The semaphore is never closed; the journal refuses what comes too late.
        Err(_) => Permit::free(),
    }
}

impl Sink for Inner {
    fn committed(&self, appended: Vec<Appended>) {
        let Some(durable) = &self.durable else { return };
        let count = appended.len();
        let mut new_bytes = 0;
        for Appended { ticket, outcome } in appended {
            if let AppendOutcome::New(event) = &outcome {
                new_bytes += event.size_bytes();
            }
            self.dispatch(durable, ticket, outcome);
        }
        durable.risen.notify_waiters();
        durable.in_hand.fetch_sub(count.min(durable.in_hand.load(SeqCst)), SeqCst);
        // Not after refusals, which may come from whoever submits and holds a slot's lock.
        if new_bytes > 0 && durable.are_floors_due(new_bytes) {
            self.write_floors();
        }
        self.progressed();
    }
}

impl Inner {
    /// A publisher's right to have a write on its way into the journal, where there is one.
    pub(crate) async fn write_permit(&self) -> Option<Permit> {
        match &self.durable {
            Some(durable) => Some(durable.permit().await),
            None => None,
        }
    }

    /// What became of one event that was to be appended.
    fn dispatch(&self, durable: &Durable, mut ticket: Ticket, outcome: AppendOutcome) {
        let answer = match outcome {
            AppendOutcome::New(event) => {
                self.counters.accepted.fetch_add(1, Relaxed);
                let before = ticket.receipt.take().unwrap_or_else(|| Receipt::new(event.id.clone(), 0));
                let mut placed = Placed::new(Receipt { seq: event.seq, ..before });
                let routed = self.route(&event.topic, None);
                routed.count();
                placed.receipt.matched += self.show_watchers(&event, &routed);
                self.call_inline(Inline::Observers, &event, &routed.slots, ticket.waiter.as_ref(), &mut placed.receipt);
                self.place(
                    &event,
                    &routed.slots,
                    ticket.waiter.as_ref(),
                    ticket.may_wait,
                    Places::default(),
                    &mut placed,
                );
                durable.dispatched.store(event.seq, SeqCst);
                self.trace_published(&event, ticket.begun_ns);
                Ok(placed)
            }
            AppendOutcome::Duplicate(event) => {
                self.counters.duplicates.fetch_add(1, Relaxed);
                let disposition = Disposition::Duplicate;
                Ok(Placed::new(Receipt { disposition, ..Receipt::new(event.id.clone(), event.seq) }))
            }
            AppendOutcome::Refused { event, error } => {
                self.counters.journal_refused.fetch_add(1, Relaxed);
                let draft = Box::new(Draft::from(&*event));
                match error {
                    JournalError::Closed => Err(PublishError::Closed(draft)),
                    source => Err(PublishError::Journal { draft, source }),
                }
            }
        };
        // Nobody waits: what was placed is placed, queues without room get their dead letters, and a refused event is one.
        if let Err(Err(refused)) = ticket.answer(answer) {
            self.bury_refused(refused);
        }
    }

    /// The publisher did not wait for the journal, so nobody has the event that it refused.
    fn bury_refused(&self, refused: PublishError) {
        let reason = DeadReason::NotJournaled(refused.to_string());
        let event = self.stamp(refused.into_draft(), 0);
        self.new_letter(Arc::new(event), None, reason, Vec::new());
    }

    /// Writes down how far the durable subscriptions have come that had nothing to settle.
    pub(crate) fn write_floors(&self) {
        let Some(durable) = &self.durable else { return };
        let head = durable.dispatched();
        durable.floors_at.store(head, Relaxed);
        durable.bytes_since.store(0, Relaxed);
        let floors: Vec<(Name, u64)> = self.slots().iter().filter_map(|slot| slot.floor_at(head)).collect();
        if !floors.is_empty() {
            durable.submit(Write::Floors(floors), None);
        }
    }

    /// Begins the durable life of a subscription that publishers see from now on.
    pub(crate) fn begin_durable(&self, slot: &Arc<Slot>, runtime: &tokio::runtime::Handle) {
        let Some(durable) = &self.durable else { return };
        // Read after the routes were changed: whatever was published before is committed up to here.
        let (_, last) = durable.journal.span();
        slot.catch_up_to(last);
        runtime.spawn(feeder::run(slot.clone(), durable.journal.clone()));
    }
}
