//! The key-value store of a subscription: what its handlers remember.
//!
//! A handler sees its store as it was committed, with its own changes on top; the changes are committed with the ack of the
//! delivery, together with what the handler published, or not at all. Handlers of one subscription that run at the same time
//! do not see each other's changes: where one commits what another has read, the other's delivery is repeated (it counts
//! neither as an attempt nor as a fault). So "read, add one, write" is exact at any concurrency, and through retries, faults
//! and crashes.
//!
//! With a durable subscription the store is in the journal and is read from there once, when it is first used; otherwise it
//! is in memory and lives as long as the subscription. Bounded by [`StateLimits`] in keys' and values' bytes and in all;
//! nobody waits but for that first read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;

mod store;

pub use store::StateStats;
pub(crate) use store::StateStore;

use crate::journal::{JournalError, StateWrite};
use store::{Committed, Weight};

/// Bounds on the store of one subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateLimits {
    /// Bytes of a bucket's name or a key. Default 256.
    pub key_bytes_max: usize,
    /// Bytes of a value. Default 64 KiB.
    pub value_bytes_max: usize,
    /// Bytes of all keys and values, and 64 for each. Default 16 MiB. It is all held in memory.
    pub total_bytes_max: usize,
}

impl Default for StateLimits {
    fn default() -> Self {
        Self { key_bytes_max: 256, value_bytes_max: 64 << 10, total_bytes_max: 16 << 20 }
    }
}

/// Why the store did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// A name is empty or too long.
    #[error("a bucket or key of {bytes} bytes; 1 to {max} are allowed")]
    Key {
        /// How long it is.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// A value is too long.
    #[error("a value of {bytes} bytes; at most {max} are allowed")]
    Value {
        /// How long it is.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// The store is full.
    #[error("the store would have {bytes} bytes; at most {max} are allowed: delete keys first")]
    Full {
        /// How large it would be.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// The store could not be read.
    #[error("the store cannot be read")]
    Journal(#[from] JournalError),
}

/// A bucket and a key.
type Place = (Arc<str>, Arc<str>);

/// Keys and buckets that one delivery is remembered to have read; over it, it is taken to have read everything.
const READ_MAX: usize = 4096;

/// The store as one delivery sees it.
#[derive(Debug)]
pub struct State {
    store: Arc<StateStore>,
    limits: StateLimits,
    /// Made by the first look at the store: most deliveries have none.
    staged: OnceLock<Box<Mutex<Staged>>>,
}

#[derive(Debug, Default)]
struct Staged {
    /// The version that was seen first.
    since: Option<u64>,
    read: BTreeSet<Place>,
    listed: BTreeSet<Arc<str>>,
    /// It has read so much that any change of the store may be one of what it has read.
    read_much: bool,
    /// New values; none where the key is deleted.
    changes: BTreeMap<Place, Option<Bytes>>,
    /// What the changes weigh: a sum that is kept, because to make it for each change would take longer and longer.
    weight: Weight,
    /// The version that it was weighed against.
    weighed: u64,
}

/// Another handler has committed what this one had read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Conflict;

impl State {
    pub(crate) fn new(store: Arc<StateStore>, limits: StateLimits) -> Self {
        Self { store, limits, staged: OnceLock::new() }
    }

    /// A store of its own, empty and in memory: for a handler that is called without a bus.
    #[must_use]
    pub fn detached(limits: StateLimits) -> Self {
        Self::new(Arc::new(StateStore::in_memory()), limits)
    }

    /// The value of a key.
    ///
    /// # Errors
    /// [`StateError::Key`] where there can be no such key, [`StateError::Journal`] where the store cannot be read.
    pub async fn get(&self, bucket: &str, key: &str) -> Result<Option<Bytes>, StateError> {
        let place = self.place(bucket, key)?;
        let committed = self.store.open().await?;
        let mut staged = self.staged(&committed);
        if let Some(changed) = staged.changes.get(&place) {
            return Ok(changed.clone());
        }
        let value = committed.entries.get(&place).map(|entry| entry.value.clone());
        staged.note_read(place);
        Ok(value)
    }

    /// Gives a key a value. Seen by others once the delivery is acked.
    ///
    /// # Errors
    /// [`StateError`] where a bound is hit; nothing is changed then.
    pub async fn set(&self, bucket: &str, key: &str, value: Bytes) -> Result<(), StateError> {
        let bounds = self.limits;
        let place = self.place(bucket, key)?;
        if value.len() > bounds.value_bytes_max {
            return Err(StateError::Value { bytes: value.len(), max: bounds.value_bytes_max });
        }
        let committed = self.store.open().await?;
        let mut staged = self.staged(&committed);
        let before = staged.change(&committed, place.clone(), Some(Some(value)));
        let bytes = staged.bytes_after(&committed);
        if bytes > bounds.total_bytes_max {
            staged.change(&committed, place, before);
            return Err(StateError::Full { bytes, max: bounds.total_bytes_max });
        }
        Ok(())
    }

    /// Deletes a key, there or not.
    ///
    /// # Errors
    /// As [`State::get`].
    pub async fn delete(&self, bucket: &str, key: &str) -> Result<(), StateError> {
        let place = self.place(bucket, key)?;
        let committed = self.store.open().await?;
        let mut staged = self.staged(&committed);
        // What is not there needs no deletion, and so the number of changes is bounded by what the store may hold.
        let deletion = committed.entries.contains_key(&place).then_some(None);
        staged.change(&committed, place.clone(), deletion);
        staged.note_read(place);
        Ok(())
    }

    /// Keys of a bucket in their order, behind `after`, at most `keys_max`.
    ///
    /// # Errors
    /// As [`State::get`].
    pub async fn keys(&self, bucket: &str, after: Option<&str>, keys_max: usize) -> Result<Vec<Arc<str>>, StateError> {
        let bucket = self.name(bucket)?;
        let committed = self.store.open().await?;
        let mut staged = self.staged(&committed);
        staged.note_listed(bucket.clone());
        let from = || (bucket.clone(), Arc::from(after.unwrap_or_default()));
        let own = |place: &Place| place.0 == bucket && after.is_none_or(|after| &*place.1 > after);
        let kept = committed.entries.range(from()..).map(|(place, _)| place).take_while(|place| place.0 == bucket);
        let kept = kept.filter(|place| own(place) && !staged.changes.contains_key(*place));
        let changed = staged.changes.range(from()..).filter(|(place, value)| own(place) && value.is_some());
        // Both are sorted; of each no more than the bound can be wanted.
        let mut keys: Vec<Arc<str>> = kept.take(keys_max).map(|place| place.1.clone()).collect();
        keys.extend(changed.map(|(place, _)| place.1.clone()).take(keys_max));
        keys.sort_unstable();
        keys.truncate(keys_max);
        Ok(keys)
    }

    /// What this delivery has changed so far, in the order of the keys.
    #[must_use]
    pub fn changes(&self) -> Vec<StateWrite> {
        let Some(staged) = self.staged.get() else { return Vec::new() };
        let staged = staged.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = staged.changes.iter();
        changes.map(|(place, value)| write((place.0.clone(), place.1.clone()), value.clone())).collect()
    }

    /// A name within its bounds: what is kept of one that is read is bounded too.
    fn name(&self, name: &str) -> Result<Arc<str>, StateError> {
        let max = self.limits.key_bytes_max;
        if name.is_empty() || name.len() > max {
            return Err(StateError::Key { bytes: name.len(), max });
        }
        Ok(Arc::from(name))
    }

    fn place(&self, bucket: &str, key: &str) -> Result<Place, StateError> {
        Ok((self.name(bucket)?, self.name(key)?))
    }

    fn staged(&self, committed: &Committed) -> MutexGuard<'_, Staged> {
        let mut staged = self.staged.get_or_init(Box::default).lock().unwrap_or_else(PoisonError::into_inner);
        staged.since.get_or_insert(committed.version);
        staged
    }

    /// Forgets what the delivery has read and changed.
    pub(crate) fn renew(&mut self) {
        self.staged.take();
    }

    /// Whether the delivery has neither read nor changed anything.
    pub(crate) fn is_untouched(&self) -> bool {
        self.staged.get().is_none()
    }

    /// Commits the changes to the store in memory and returns them for the journal.
    pub(crate) fn commit(&self) -> Result<Vec<StateWrite>, Conflict> {
        let Some(staged) = self.staged.get() else { return Ok(Vec::new()) };
        let staged = std::mem::take(&mut *staged.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(mut committed) = self.store.opened() else { return Ok(Vec::new()) };
        if committed.is_stale(&staged) {
            return Err(Conflict);
        }
        if staged.changes.is_empty() {
            return Ok(Vec::new());
        }
        committed.version += 1;
        let mut writes = Vec::with_capacity(staged.changes.len());
        for (place, value) in staged.changes {
            match value.clone() {
                Some(value) => committed.set(place.clone(), value),
                None => committed.delete(place.clone()),
            }
            writes.push(write(place, value));
        }
        Ok(writes)
    }
}

fn write((bucket, key): Place, value: Option<Bytes>) -> StateWrite {
    match value {
        Some(value) => StateWrite::Set { bucket, key, value },
        None => StateWrite::Delete { bucket, key },
    }
}

impl Staged {
    fn note_read(&mut self, place: Place) {
        if self.read.len() < READ_MAX {
            self.read.insert(place);
        } else {
            self.read_much |= !self.read.contains(&place);
        }
    }

    fn note_listed(&mut self, bucket: Arc<str>) {
        if self.listed.len() < READ_MAX {
            self.listed.insert(bucket);
        } else {
            self.read_much |= !self.listed.contains(&bucket);
        }
    }

    /// Puts a change in the place of another; none for no change. Returns the other.
    fn change(&mut self, committed: &Committed, place: Place, change: Option<Option<Bytes>>) -> Option<Option<Bytes>> {
        self.weigh(committed);
        let more = committed.weigh(&place, change.as_ref());
        let before = self.changes.get(&place).cloned();
        let less = committed.weigh(&place, before.as_ref());
        match change {
            Some(change) => drop(self.changes.insert(place, change)),
            None => drop(self.changes.remove(&place)),
        }
        self.weight.added = self.weight.added - less.added + more.added;
        self.weight.removed = self.weight.removed - less.removed + more.removed;
        before
    }

    /// Makes the sum anew where another delivery has committed since.
    fn weigh(&mut self, committed: &Committed) {
        if self.weighed == committed.version {
            return;
        }
        let each = self.changes.iter().map(|(place, change)| committed.weigh(place, Some(change)));
        self.weight = each.fold(Weight::default(), |sum, one| Weight {
            added: sum.added + one.added,
            removed: sum.removed + one.removed,
        });
        self.weighed = committed.version;
    }

    /// How large the store would be with the changes.
    fn bytes_after(&self, committed: &Committed) -> usize {
        (committed.bytes + self.weight.added).saturating_sub(self.weight.removed)
    }
}

#[cfg(test)]
mod tests;
