//! What the owner of a bus can ask of its journal: replay the past, see and retire cursors.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::bus::Inner;
use crate::event::Event;
use crate::handle::Bus;
use crate::journal::{Journal, JournalError};
use crate::name::Name;
use crate::slot::{Kind, Offer, Slot};
use crate::topic::Filter;

/// Most events in one read.
const READ_EVENTS: usize = 256;
/// About the most bytes in one read.
const READ_BYTES: usize = 4 << 20;

/// Which part of the past is delivered again, and to whom.
#[derive(Debug, Clone, Default)]
pub struct Past {
    /// The first number. Default 0: from the oldest event that the journal has.
    pub from: u64,
    /// The last number. Default: the last one accepted when the replay begins.
    pub to: Option<u64>,
    /// Only events whose topic one of these matches. Default all.
    pub filters: Vec<Filter>,
    /// Only to this subscription. Default to all with handlers of their own, each where it subscribes to the topic.
    pub subscription: Option<Name>,
}

/// What was delivered again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PastReplayed {
    /// The first number that was looked at: higher than asked for where what was before it has been retired.
    pub first: u64,
    /// The last number that was looked at.
    pub last: u64,
    /// Events that were delivered to somebody.
    pub events: u64,
    /// Deliveries that were queued.
    pub deliveries: u64,
    /// Numbers that were asked for and have been retired.
    pub retired: u64,
}

/// Why a replay ended early. What was delivered until then is delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PastError {
    /// The bus is in memory.
    #[error("the bus keeps no journal: there is no past to replay")]
    NoJournal,
    /// Nobody has that name.
    #[error("no subscription `{0}`: load the plugin or subscribe under that name first")]
    NoSubscription(Name),
    /// The past could not be read.
    #[error("cannot read event {seq}")]
    Read {
        /// The number.
        seq: u64,
        /// Why.
        source: JournalError,
    },
    /// A queue had no room.
    #[error(
        "the queue of `{by}` had no room for event {seq} in time: is it paused or suspended? replay again from there"
    )]
    Full {
        /// Whose.
        by: Name,
        /// The number.
        seq: u64,
    },
}

/// Where a durable subscription that is away left off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AbsentCursor {
    /// Its name.
    pub name: Name,
    /// Every event up to this number is settled.
    pub floor: u64,
    /// Since when it is away, nanoseconds since the Unix epoch.
    pub since_ns: u64,
}

impl Bus {
    /// The journal, where the bus stands on one.
    #[must_use]
    pub fn journal(&self) -> Option<&Arc<dyn Journal>> {
        self.inner.durable.as_ref().map(|durable| &durable.journal)
    }

    /// Delivers events of the past again, in order, and waits for room in the queues. Such a delivery is retried and becomes a
    /// dead letter like any other; the place of a durable subscription in the journal does not change by it, and it is not
    /// repeated after a restart.
    ///
    /// # Errors
    /// [`PastError`].
    pub async fn replay(&self, past: &Past) -> Result<PastReplayed, PastError> {
        let journal = self.journal().ok_or(PastError::NoJournal)?;
        if let Some(name) = &past.subscription
            && self.inner.slots().iter().all(|slot| slot.name != *name)
        {
            return Err(PastError::NoSubscription(name.clone()));
        }
        let (oldest, newest) = journal.span();
        let to = past.to.unwrap_or(newest).min(newest);
        let mut next = past.from.max(oldest).max(1);
        let mut done = PastReplayed {
            first: next,
            last: next - 1,
            retired: next - past.from.clamp(1, next),
            ..Default::default()
        };
        while next <= to {
            let batch = journal.read(next, READ_EVENTS, READ_BYTES).await;
            let batch = batch.map_err(|source| PastError::Read { seq: next, source })?;
            done.retired += batch.first.saturating_sub(next);
            let Some(last) = batch.events.last().map(|event| event.seq) else { break };
            for event in batch.events.iter().filter(|event| event.seq <= to) {
                let deliveries = replay_one(&self.inner, event, past).await?;
                done.events += u64::from(deliveries > 0);
                done.deliveries += deliveries;
                done.last = event.seq;
            }
            next = last + 1;
        }
        Ok(done)
    }

    /// The places of durable subscriptions that are away.
    #[must_use]
    pub fn absent_cursors(&self) -> Vec<AbsentCursor> {
        let absent = self.inner.durable.as_ref().map(|durable| durable.absent()).unwrap_or_default();
        let shown = |cursor: crate::journal::Cursor| AbsentCursor {
            name: cursor.name,
            floor: cursor.floor,
            since_ns: cursor.absent_since_ns.unwrap_or_default(),
        };
        absent.into_iter().map(shown).collect()
    }

    /// Forgets the places of durable subscriptions that have been away for so long, with their retries and key-value
    /// stores, and tells of each on `plugbus.subscription.retired`. Returns how many. Call it now and then: until then the
    /// journal keeps everything that they have not settled.
    pub fn retire_absent(&self, absent_for: Duration) -> usize {
        let retired = self.inner.durable.as_ref().map(|durable| durable.retire(absent_for)).unwrap_or_default();
        for cursor in &retired {
            let about = || serde_json::json!({ "subscription": cursor.name, "floor": cursor.floor });
            self.inner.publish_host("plugbus.subscription.retired", about);
        }
        retired.len()
    }
}

async fn replay_one(inner: &Inner, event: &Arc<Event>, past: &Past) -> Result<u64, PastError> {
    if !past.filters.is_empty() && !past.filters.iter().any(|filter| filter.matches(&event.topic)) {
        return Ok(0);
    }
    let wanted = |slot: &Arc<Slot>| {
        matches!(slot.kind, Kind::Queued)
            && past.subscription.as_ref().is_none_or(|name| slot.name == *name)
            && slot.wants(&event.source)
    };
    let mut deliveries = 0;
    for slot in inner.matching(&event.topic).into_iter().filter(wanted) {
        let full = || PastError::Full { by: slot.name.clone(), seq: event.seq };
        if slot.is_full_for(event.size_bytes()) {
            return Err(full());
        }
        match slot.offer_again(event, None, true) {
            Offer::Queued => deliveries += 1,
            Offer::WaitForRoom(waiting) => {
                if !waiting.wait().await {
                    return Err(full());
                }
                deliveries += 1;
            }
            Offer::Dead | Offer::Dropped | Offer::NotTaken => {}
        }
    }
    Ok(deliveries)
}
