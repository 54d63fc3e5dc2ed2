//! Which events were appended of late, to recognise those that come twice.
//!
//! Bounded in number and age; the oldest are forgotten. Held in memory as hashes of 128 bits under a key of this process
//! that nobody outside knows, so that two different events never pass for one by chance or by design. Made anew from the
//! log when it is opened.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use siphasher::sip128::{Hasher128, SipHasher13};

/// The window of events that were seen.
#[derive(Debug)]
pub(crate) struct Seen {
    key: (u64, u64),
    events_max: usize,
    age_ns: u64,
    by_hash: HashMap<u128, u64>,
    order: VecDeque<Entry>,
    /// How many of the last entries belong to a commit that has not happened yet.
    staged: usize,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u128,
    accepted_ns: u64,
}

impl Seen {
    pub(crate) fn new(events_max: usize, age: Duration) -> Self {
        Self {
            key: (random(), random()),
            events_max,
            age_ns: u64::try_from(age.as_nanos()).unwrap_or(u64::MAX),
            by_hash: HashMap::new(),
            order: VecDeque::new(),
            staged: 0,
        }
    }

    /// What an event is known by.
    pub(crate) fn hash(&self, id: &str, source: &str) -> u128 {
        let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
        hasher.write(&u64::try_from(id.len()).unwrap_or(u64::MAX).to_le_bytes());
        hasher.write(id.as_bytes());
        hasher.write(source.as_bytes());
        hasher.finish128().as_u128()
    }

    /// The number of the event that was seen under this hash.
    pub(crate) fn get(&self, hash: u128) -> Option<u64> {
        self.by_hash.get(&hash).copied()
    }

    /// Remembers an event, until [`Seen::roll_back`] or for good with [`Seen::commit`]. The hash must be a new one.
    pub(crate) fn stage(&mut self, hash: u128, seq: u64, accepted_ns: u64) {
        if self.events_max > 0 {
            self.by_hash.insert(hash, seq);
            self.order.push_back(Entry { hash, accepted_ns });
            self.staged += 1;
        }
    }

    /// Keeps what was staged, and forgets what is over the bound on the number.
    pub(crate) fn commit(&mut self) {
        self.staged = 0;
        while self.order.len() > self.events_max {
            self.forget_oldest();
        }
    }

    /// Forgets what was staged.
    pub(crate) fn roll_back(&mut self) {
        for _ in 0..std::mem::take(&mut self.staged) {
            if let Some(entry) = self.order.pop_back() {
                self.by_hash.remove(&entry.hash);
            }
        }
    }

    /// Forgets what is too old at this time. Not while something is staged.
    pub(crate) fn expire(&mut self, now_ns: u64) {
        let oldest = now_ns.saturating_sub(self.age_ns);
        while self.order.front().is_some_and(|entry| entry.accepted_ns < oldest) {
            self.forget_oldest();
        }
    }

    /// The time before which nothing is worth remembering.
    pub(crate) fn since(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.age_ns)
    }

    fn forget_oldest(&mut self) {
        if let Some(entry) = self.order.pop_front() {
            self.by_hash.remove(&entry.hash);
        }
    }
}

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(events_max: usize) -> Seen {
        Seen::new(events_max, Duration::from_nanos(10))
    }

    fn put(seen: &mut Seen, id: &str, seq: u64, accepted_ns: u64) -> u128 {
        let hash = seen.hash(id, "s");
        seen.stage(hash, seq, accepted_ns);
        hash
    }

    #[test]
    fn id_and_source_are_told_apart() {
        let seen = seen(1);
        assert_ne!(seen.hash("ab", "c"), seen.hash("a", "bc"));
        assert_eq!(seen.hash("ab", "c"), seen.hash("ab", "c"));
    }

    #[test]
    fn the_oldest_are_forgotten_by_number_and_age() {
        let mut seen = seen(2);
        let hashes = [("a", 1), ("b", 2), ("c", 3)].map(|(id, seq)| put(&mut seen, id, seq, seq));
        seen.commit();
        assert_eq!(hashes.map(|hash| seen.get(hash)), [None, Some(2), Some(3)]);
        seen.expire(13);
        assert_eq!(hashes.map(|hash| seen.get(hash)), [None, None, Some(3)]);
    }

    #[test]
    fn what_was_not_committed_is_forgotten() {
        let mut seen = seen(9);
        let kept = put(&mut seen, "a", 1, 1);
        seen.commit();
        let gone = put(&mut seen, "b", 2, 2);
        seen.roll_back();
        assert_eq!((seen.get(kept), seen.get(gone)), (Some(1), None));
    }

    #[test]
    fn nothing_is_remembered_where_it_is_turned_off() {
        let mut seen = seen(0);
        let hash = put(&mut seen, "a", 1, 1);
        assert_eq!(seen.get(hash), None);
    }
}
