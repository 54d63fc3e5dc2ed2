//! How one event ended, subscription by subscription, for publishers that wait.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::Notify;

use crate::dead::DeadReason;
use crate::handler::Reply;
use crate::name::Name;
use crate::publish::Receipt;

/// How a delivery ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Settlement {
    /// The handler acked, perhaps with an answer.
    Acked(Reply),
    /// It became a dead letter.
    Dead(DeadReason),
    /// It was dropped by the subscription's policy, or the subscription ended first.
    Dropped,
    /// It was not settled when the time was up. It goes on.
    Pending,
}

impl Settlement {
    /// A short stable name: `acked`, `dead`, `dropped` or `pending`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Acked(_) => "acked",
            Self::Dead(_) => "dead",
            Self::Dropped => "dropped",
            Self::Pending => "pending",
        }
    }
}

/// What became of an event at every subscription that it matched.
#[derive(Debug, Clone)]
pub struct Settlements {
    /// The event's receipt.
    pub receipt: Receipt,
    /// In the order of publishing: inline handlers by priority, then the others by registration.
    pub results: Vec<(Name, Settlement)>,
}

impl Settlements {
    /// Whether every subscription acked.
    #[must_use]
    pub fn all_acked(&self) -> bool {
        self.results.iter().all(|(_, settlement)| matches!(settlement, Settlement::Acked(_)))
    }
}

/// Counts of the ends of deliveries, as JSON-friendly names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SettlementCounts {
    /// Acked.
    pub acked: usize,
    /// Dead letters.
    pub dead: usize,
    /// Dropped by policy.
    pub dropped: usize,
    /// Not settled in time.
    pub pending: usize,
}

/// Collects settlements. Bounded by the number of subscriptions an event matched.
#[derive(Debug, Default)]
pub(crate) struct Waiter {
    results: Mutex<Vec<(Name, Settlement)>>,
    changed: Notify,
}

impl Waiter {
    /// Says that a subscription will settle the event.
    pub(crate) fn expect(&self, name: &Name) {
        self.lock().push((name.clone(), Settlement::Pending));
    }

    /// Says that a subscription turned out not to take the event.
    pub(crate) fn forget(&self, name: &Name) {
        self.lock().retain(|(other, _)| other != name);
        self.changed.notify_waiters();
    }

    pub(crate) fn settle(&self, name: &Name, settlement: Settlement) {
        if let Some((_, result)) = self.lock().iter_mut().find(|(other, _)| other == name) {
            *result = settlement;
        }
        self.changed.notify_waiters();
    }

    /// Waits until `done` says so of the results so far.
    pub(crate) async fn until<T>(&self, done: impl Fn(&[(Name, Settlement)]) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(value) = done(&self.lock()) {
                return value;
            }
            changed.await;
        }
    }

    pub(crate) fn results(&self) -> Vec<(Name, Settlement)> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Name, Settlement)>> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Settles at the waiter, if there is one.
pub(crate) fn settle(waiter: Option<&Arc<Waiter>>, name: &Name, settlement: impl FnOnce() -> Settlement) {
    if let Some(waiter) = waiter {
        waiter.settle(name, settlement());
    }
}
