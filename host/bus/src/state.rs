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

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::OnceCell;

use crate::journal::{Journal, JournalError, StateWrite};
use crate::name::Name;

/// What a key-value pair costs beside its bytes, about.
const ENTRY_BYTES: usize = 64;

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

/// Where the store of a subscription comes from, and the store once it was read. Shared by all its handlers.
#[derive(Debug)]
pub(crate) struct StateStore {
    /// Where to read it from, and under which name; none for a store in memory.
    source: Option<(Arc<dyn Journal>, Name)>,
    committed: OnceCell<Mutex<Committed>>,
}

/// What has been committed.
#[derive(Debug, Default)]
struct Committed {
    entries: BTreeMap<Place, Entry>,
    /// Of each bucket, when its set of keys changed last.
    key_sets: HashMap<Arc<str>, u64>,
    bytes: usize,
    /// Number of the last commit.
    version: u64,
    /// When places changed last that are gone now. Cleared when it grows, at the price of one repeated delivery.
    deleted: HashMap<Place, u64>,
    /// Places that went before this version are no longer in `deleted`.
    forgotten: u64,
}

#[derive(Debug)]
struct Entry {
    value: Bytes,
    version: u64,
}

/// Deletions that are remembered to tell whether somebody has read them.
const DELETED_MAX: usize = 4096;
/// Keys and buckets that one delivery is remembered to have read; over it, it is taken to have read everything.
const READ_MAX: usize = 4096;

/// The store as one delivery sees it.
#[derive(Debug)]
pub struct State {
    store: Arc<StateStore>,
    limits: StateLimits,
    staged: Mutex<Staged>,
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
}

/// Another handler has committed what this one had read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Conflict;

impl StateStore {
    /// A store in memory.
    pub(crate) fn in_memory() -> Self {
        Self { source: None, committed: OnceCell::new_with(Some(Mutex::default())) }
    }

    /// A store in the journal.
    pub(crate) fn durable(journal: Arc<dyn Journal>, name: Name) -> Self {
        Self { source: Some((journal, name)), committed: OnceCell::new() }
    }

    async fn open(&self) -> Result<MutexGuard<'_, Committed>, StateError> {
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
}

impl Committed {
    fn set(&mut self, place: Place, value: Bytes) {
        self.bytes += cost(&place, &value);
        let bucket = place.0.clone();
        self.deleted.remove(&place);
        match self.entries.insert(place.clone(), Entry { value, version: self.version }) {
            Some(old) => self.bytes -= cost(&place, &old.value),
            None => drop(self.key_sets.insert(bucket, self.version)),
        }
    }

    fn delete(&mut self, place: Place) {
        let Some(old) = self.entries.remove(&place) else { return };
        self.bytes -= cost(&place, &old.value);
        self.key_sets.insert(place.0.clone(), self.version);
        if self.deleted.len() >= DELETED_MAX {
            self.deleted.clear();
            self.forgotten = self.version;
        }
        self.deleted.insert(place, self.version);
    }

    /// Whether anything that was read has changed since.
    fn is_stale(&self, staged: &Staged) -> bool {
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
        let set_changed = |bucket: &Arc<str>| self.key_sets.get(bucket).is_some_and(|version| *version > since);
        staged.read.iter().any(changed) || staged.listed.iter().any(set_changed)
    }
}

fn cost(place: &Place, value: &Bytes) -> usize {
    place.0.len() + place.1.len() + value.len() + ENTRY_BYTES
}

impl State {
    pub(crate) fn new(store: Arc<StateStore>, limits: StateLimits) -> Self {
        Self { store, limits, staged: Mutex::default() }
    }

    /// A store of its own, empty and in memory: for a handler that is called without a bus.
    #[must_use]
    pub fn detached(limits: StateLimits) -> Self {
        Self::new(Arc::new(StateStore::in_memory()), limits)
    }

    /// The value of a key.
    ///
    /// # Errors
    /// [`StateError::Journal`] where the store cannot be read.
    pub async fn get(&self, bucket: &str, key: &str) -> Result<Option<Bytes>, StateError> {
        let place = (Arc::from(bucket), Arc::from(key));
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
        for name in [bucket, key] {
            if name.is_empty() || name.len() > bounds.key_bytes_max {
                return Err(StateError::Key { bytes: name.len(), max: bounds.key_bytes_max });
            }
        }
        if value.len() > bounds.value_bytes_max {
            return Err(StateError::Value { bytes: value.len(), max: bounds.value_bytes_max });
        }
        let place: Place = (Arc::from(bucket), Arc::from(key));
        let committed = self.store.open().await?;
        let mut staged = self.staged(&committed);
        let before = staged.changes.insert(place.clone(), Some(value));
        let bytes = staged.bytes_after(&committed);
        if bytes > bounds.total_bytes_max {
            match before {
                Some(before) => drop(staged.changes.insert(place, before)),
                None => drop(staged.changes.remove(&place)),
            }
            return Err(StateError::Full { bytes, max: bounds.total_bytes_max });
        }
        Ok(())
    }

    /// Deletes a key, there or not.
    ///
    /// # Errors
    /// [`StateError::Journal`] where the store cannot be read.
    pub async fn delete(&self, bucket: &str, key: &str) -> Result<(), StateError> {
        let place: Place = (Arc::from(bucket), Arc::from(key));
        let committed = self.store.open().await?;
        let mut staged = self.staged(&committed);
        // What is not there needs no deletion, and so the number of changes is bounded by what the store may hold.
        if committed.entries.contains_key(&place) {
            staged.changes.insert(place.clone(), None);
        } else {
            staged.changes.remove(&place);
        }
        staged.note_read(place);
        Ok(())
    }

    /// Keys of a bucket in their order, behind `after`, at most `keys_max`.
    ///
    /// # Errors
    /// [`StateError::Journal`] where the store cannot be read.
    pub async fn keys(&self, bucket: &str, after: Option<&str>, keys_max: usize) -> Result<Vec<Arc<str>>, StateError> {
        let bucket: Arc<str> = Arc::from(bucket);
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

    fn staged(&self, committed: &Committed) -> MutexGuard<'_, Staged> {
        let mut staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner);
        staged.since.get_or_insert(committed.version);
        staged
    }

    /// Commits the changes to the store in memory and returns them for the journal.
    pub(crate) fn commit(&self) -> Result<Vec<StateWrite>, Conflict> {
        let staged = std::mem::take(&mut *self.staged.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(committed) = self.store.committed.get() else { return Ok(Vec::new()) };
        let mut committed = committed.lock().unwrap_or_else(PoisonError::into_inner);
        if committed.is_stale(&staged) {
            return Err(Conflict);
        }
        if staged.changes.is_empty() {
            return Ok(Vec::new());
        }
        committed.version += 1;
        let mut writes = Vec::with_capacity(staged.changes.len());
        for ((bucket, key), value) in staged.changes {
            let place = (bucket.clone(), key.clone());
            match value {
                Some(value) => {
                    committed.set(place, value.clone());
                    writes.push(StateWrite::Set { bucket, key, value });
                }
                None => {
                    committed.delete(place);
                    writes.push(StateWrite::Delete { bucket, key });
                }
            }
        }
        Ok(writes)
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

    /// How large the store would be with the changes.
    fn bytes_after(&self, committed: &Committed) -> usize {
        let mut bytes = committed.bytes;
        for (place, value) in &self.changes {
            let old = committed.entries.get(place).map_or(0, |entry| cost(place, &entry.value));
            bytes = bytes.saturating_sub(old) + value.as_ref().map_or(0, |value| cost(place, value));
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (State, State) {
        let store = Arc::new(StateStore::in_memory());
        let limits = StateLimits { key_bytes_max: 8, value_bytes_max: 100, total_bytes_max: 400 };
        (State::new(store.clone(), limits), State::new(store, limits))
    }

    async fn add_one(state: &State) {
        let before = state.get("b", "n").await.unwrap().map_or(0, |value| value[0]);
        state.set("b", "n", Bytes::from(vec![before + 1])).await.unwrap();
    }

    #[tokio::test]
    async fn changes_are_seen_by_their_delivery_at_once_and_by_others_after_the_commit() {
        let (one, two) = pair();
        add_one(&one).await;
        assert_eq!(one.get("b", "n").await.unwrap().unwrap()[..], [1]);
        assert_eq!(two.get("b", "n").await.unwrap(), None);
        assert_eq!(one.commit().unwrap().len(), 1);
        assert_eq!(two.commit(), Err(Conflict), "it has read what was changed");
        assert_eq!(two.get("b", "n").await.unwrap().unwrap()[..], [1]);
        assert_eq!(two.commit(), Ok(Vec::new()));
    }

    #[tokio::test]
    async fn two_that_add_one_come_to_two() {
        let (one, two) = pair();
        add_one(&one).await;
        add_one(&two).await;
        one.commit().unwrap();
        assert_eq!(two.commit(), Err(Conflict));
        add_one(&two).await;
        assert_eq!(
            two.commit().unwrap(),
            [StateWrite::Set { bucket: "b".into(), key: "n".into(), value: Bytes::from_static(&[2]) }]
        );
    }

    #[tokio::test]
    async fn a_deletion_and_a_new_key_are_noticed_too() {
        let (one, two) = pair();
        add_one(&one).await;
        one.commit().unwrap();
        assert_eq!(two.keys("b", None, 10).await.unwrap().len(), 1);
        one.set("b", "m", Bytes::new()).await.unwrap();
        one.commit().unwrap();
        assert_eq!(two.commit(), Err(Conflict), "the set of keys that it has listed is another");
        two.get("b", "n").await.unwrap();
        one.delete("b", "n").await.unwrap();
        one.commit().unwrap();
        assert_eq!(two.commit(), Err(Conflict));
        two.get("other", "n").await.unwrap();
        add_one(&one).await;
        one.commit().unwrap();
        assert_eq!(two.commit(), Ok(Vec::new()), "another bucket is another matter");
    }

    #[tokio::test]
    async fn keys_are_listed_in_order_and_in_pages_with_the_changes_in_them() {
        let (one, two) = pair();
        for key in ["c", "a", "e"] {
            one.set("b", key, Bytes::new()).await.unwrap();
        }
        one.commit().unwrap();
        two.set("b", "d", Bytes::new()).await.unwrap();
        two.delete("b", "a").await.unwrap();
        two.set("a", "x", Bytes::new()).await.unwrap();
        let page = |after, max| two.keys("b", after, max);
        assert_eq!(page(None, 2).await.unwrap(), ["c".into(), "d".into()] as [Arc<str>; 2]);
        assert_eq!(page(Some("d"), 2).await.unwrap(), ["e".into()] as [Arc<str>; 1]);
    }

    #[tokio::test]
    async fn every_bound_is_kept_and_says_so() {
        let (one, _) = pair();
        assert_eq!(one.set("", "k", Bytes::new()).await, Err(StateError::Key { bytes: 0, max: 8 }));
        assert_eq!(one.set("b", "123456789", Bytes::new()).await, Err(StateError::Key { bytes: 9, max: 8 }));
        let value = |bytes: usize| Bytes::from(vec![0; bytes]);
        assert_eq!(one.set("b", "k", value(101)).await, Err(StateError::Value { bytes: 101, max: 100 }));
        for key in ["1", "2"] {
            one.set("b", key, value(100)).await.unwrap();
        }
        let full = one.set("b", "3", value(100)).await;
        assert_eq!(full, Err(StateError::Full { bytes: 3 * 166, max: 400 }));
        assert_eq!(one.get("b", "3").await.unwrap(), None);
        one.delete("b", "1").await.unwrap();
        one.set("b", "3", value(100)).await.unwrap();
        assert_eq!(one.commit().unwrap().len(), 2, "what was set and deleted in one delivery was never there");
    }

    #[tokio::test]
    async fn what_a_delivery_has_read_is_bounded_and_still_noticed() {
        let (one, two) = pair();
        for n in 0..=READ_MAX {
            two.get("b", &n.to_string()).await.unwrap();
        }
        one.set("b", "other", Bytes::new()).await.unwrap();
        one.commit().unwrap();
        assert_eq!(two.commit(), Err(Conflict));
        for n in 0..10_000 {
            two.delete("b", &n.to_string()).await.unwrap();
        }
        assert_eq!(two.commit(), Ok(Vec::new()), "what is not there needs no deletion");
    }

    #[tokio::test]
    async fn forgotten_deletions_cost_a_repetition_and_no_mistake() {
        let store = Arc::new(StateStore::in_memory());
        let [one, two] = [0, 1].map(|_| State::new(store.clone(), StateLimits::default()));
        one.set("b", "k", Bytes::new()).await.unwrap();
        one.commit().unwrap();
        two.get("b", "k").await.unwrap();
        for n in 0..=DELETED_MAX {
            let key = n.to_string();
            one.set("b", &key, Bytes::new()).await.unwrap();
        }
        one.commit().unwrap();
        one.delete("b", "k").await.unwrap();
        one.commit().unwrap();
        for n in 0..=DELETED_MAX {
            one.delete("b", &n.to_string()).await.unwrap();
        }
        one.commit().unwrap();
        assert_eq!(two.commit(), Err(Conflict));
    }
}
