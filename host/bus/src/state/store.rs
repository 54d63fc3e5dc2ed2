//! What is committed in the store of a subscription.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::OnceCell;

use super::{Place, Staged, StateError};
use crate::journal::{Journal, JournalError};
use crate::name::Name;

/// What a key-value pair costs beside its bytes, about.
const ENTRY_BYTES: usize = 64;
/// Deletions that are remembered to tell whether somebody has read them.
pub(super) const DELETED_MAX: usize = 4096;
/// Buckets whose changes are remembered to tell whether somebody has listed their keys.
const BUCKETS_MAX: usize = 4096;

/// Where the store of a subscription comes from, and the store once it was read. Shared by all its handlers.
#[derive(Debug)]
pub(crate) struct StateStore {
    /// Where to read it from, and under which name; none for a store in memory.
    source: Option<(Arc<dyn Journal>, Name)>,
    committed: OnceCell<Mutex<Committed>>,
}

/// What has been committed.
#[derive(Debug, Default)]
pub(super) struct Committed {
    pub(super) entries: BTreeMap<Place, Entry>,
    /// Of each bucket, when its set of keys changed last. Cleared when it grows, as `deleted` is.
    key_sets: HashMap<Arc<str>, u64>,
    /// Buckets whose keys changed before this version are no longer in `key_sets`.
    key_sets_forgotten: u64,
    pub(super) bytes: usize,
    /// Number of the last commit.
    pub(super) version: u64,
    /// When places changed last that are gone now. Cleared when it grows, at the price of one repeated delivery.
    deleted: HashMap<Place, u64>,
    /// Places that went before this version are no longer in `deleted`.
    forgotten: u64,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) value: Bytes,
    version: u64,
}

/// What a store holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct StateStats {
    /// Keys, of all buckets.
    pub keys: usize,
    /// What they weigh, as [`StateLimits::total_bytes_max`](super::StateLimits::total_bytes_max) counts it.
    pub bytes: usize,
}

/// Bytes that changes put into the store and bytes that they take out of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Weight {
    pub(super) added: usize,
    pub(super) removed: usize,
}

impl StateStore {
    /// A store in memory.
    pub(crate) fn in_memory() -> Self {
        Self { source: None, committed: OnceCell::new_with(Some(Mutex::default())) }
    }

    /// A store in the journal.
    pub(crate) fn durable(journal: Arc<dyn Journal>, name: Name) -> Self {
        Self { source: Some((journal, name)), committed: OnceCell::new() }
    }

    pub(super) async fn open(&self) -> Result<MutexGuard<'_, Committed>, StateError> {
        let read = || async {
            let Some((journal, name)) = &self.source else { return Ok::<_, JournalError>(Mutex::default()) };
            let mut committed = Committed::default();
            for entry in journal.state(name).await? {
                committed.set((entry.bucket, entry.key), entry.value);
            }
            Ok(Mutex::new(committed))
        };
        let committed = self.committed.get_or_try_init(read).await?;
        Ok(committed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is committed; none while it has not been read.
    pub(crate) fn stats(&self) -> Option<StateStats> {
        let committed = self.opened()?;
        Some(StateStats { keys: committed.entries.len(), bytes: committed.bytes })
    }

    /// What is committed, if somebody has read it before.
    pub(super) fn opened(&self) -> Option<MutexGuard<'_, Committed>> {
        Some(self.committed.get()?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Committed {
    pub(super) fn set(&mut self, place: Place, value: Bytes) {
        self.bytes += cost(&place, &value);
        let bucket = place.0.clone();
        self.deleted.remove(&place);
        match self.entries.insert(place.clone(), Entry { value, version: self.version }) {
            Some(old) => self.bytes -= cost(&place, &old.value),
            None => self.note_key_set(bucket),
        }
    }

    pub(super) fn delete(&mut self, place: Place) {
        let Some(old) = self.entries.remove(&place) else { return };
        self.bytes -= cost(&place, &old.value);
        self.note_key_set(place.0.clone());
        if self.deleted.len() >= DELETED_MAX {
            self.deleted.clear();
            self.forgotten = self.version;
        }
        self.deleted.insert(place, self.version);
    }

    /// The keys of a bucket are others now.
    fn note_key_set(&mut self, bucket: Arc<str>) {
        if self.key_sets.len() >= BUCKETS_MAX && !self.key_sets.contains_key(&bucket) {
            self.key_sets.clear();
            self.key_sets_forgotten = self.version;
        }
        self.key_sets.insert(bucket, self.version);
    }

    /// Whether anything that was read has changed since.
    pub(super) fn is_stale(&self, staged: &Staged) -> bool {
        let Some(since) = staged.since else { return false };
        if since == self.version {
            return false;
        }
        if staged.read_much {
            return true;
        }
        let changed = |place: &Place| match self.entries.get(place) {
            Some(entry) => entry.version > since,
            None => self.forgotten > since || self.deleted.get(place).is_some_and(|version| *version > since),
        };
        let set_changed = |bucket: &Arc<str>| match self.key_sets.get(bucket) {
            Some(version) => *version > since,
            None => self.key_sets_forgotten > since,
        };
        staged.read.iter().any(changed) || staged.listed.iter().any(set_changed)
    }

    /// What a change of one place weighs.
    pub(super) fn weigh(&self, place: &Place, change: Option<&Option<Bytes>>) -> Weight {
        let Some(value) = change else { return Weight::default() };
        let removed = self.entries.get(place).map_or(0, |entry| cost(place, &entry.value));
        Weight { added: value.as_ref().map_or(0, |value| cost(place, value)), removed }
    }
}

fn cost(place: &Place, value: &Bytes) -> usize {
    place.0.len() + place.1.len() + value.len() + ENTRY_BYTES
}
