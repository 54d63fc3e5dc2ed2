//! How far a durable subscription has come in the journal: pure bookkeeping, without clock, locks or I/O.
//!
//! The subscription's queue is a window on the journal. Numbers under `next` have been looked at: they were not wanted, are
//! *outstanding* (in the queue or with a handler) or are settled. While the subscription is *behind*, what is published does
//! not go into its queue; the feeder reads it from the journal, in order, as room comes. The *floor* is the number up to
//! which everything is settled: what the journal must remember, and may forget.
//!
//! Bounded by the window: outstanding numbers by the queue's bound and the number of handlers, settled ones over the floor
//! likewise, retries by what was outstanding before a restart, waiters by the publishers that wait.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::journal::{Cursor, Retry};
use crate::settlement::Waiter;

/// See the module.
#[derive(Debug)]
pub(crate) struct Progress {
    /// The first number that has not been looked at.
    next: u64,
    /// The last number that was published while behind.
    head: u64,
    behind: bool,
    outstanding: BTreeSet<u64>,
    /// Settled numbers over the floor.
    settled: BTreeSet<u64>,
    retries: BTreeMap<u64, Retry>,
    waiters: BTreeMap<u64, Arc<Waiter>>,
}

/// What to do with an event that was just published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offered {
    /// It goes into the queue now.
    Take,
    /// The feeder brings it.
    Left,
    /// The subscription began behind it.
    Past,
}

impl Progress {
    /// Where the cursor stands. Behind, until the feeder has found that it is not: until then nobody knows what was published
    /// while the subscription came into being.
    pub(crate) fn new(cursor: Cursor) -> Self {
        Self {
            next: cursor.floor + 1,
            head: cursor.floor,
            behind: true,
            outstanding: BTreeSet::new(),
            settled: cursor.settled.into_iter().collect(),
            retries: cursor.retries.into_iter().map(|retry| (retry.seq, retry)).collect(),
            waiters: BTreeMap::new(),
        }
    }

    /// Everything up to this number was published before the subscription was seen by publishers.
    pub(crate) fn catch_up_to(&mut self, head: u64) {
        self.head = self.head.max(head);
    }

    /// Where to read on; none while not behind.
    pub(crate) fn wanted(&self) -> Option<u64> {
        self.behind.then_some(self.next)
    }

    pub(crate) fn is_behind(&self) -> bool {
        self.behind
    }

    /// What to do with an event that was just published. Each number comes once, rising.
    pub(crate) fn offered(&mut self, seq: u64, has_room: bool, waiter: Option<&Arc<Waiter>>) -> Offered {
        if seq < self.next {
            return Offered::Past;
        }
        if !self.behind && has_room {
            return Offered::Take;
        }
        self.behind = true;
        self.head = self.head.max(seq);
        if let Some(waiter) = waiter {
            self.waiters.insert(seq, waiter.clone());
        }
        Offered::Left
    }

    /// An event goes into the queue.
    pub(crate) fn takes(&mut self, seq: u64) {
        self.next = self.next.max(seq + 1);
        self.outstanding.insert(seq);
    }

    /// An event is not wanted.
    pub(crate) fn passes_over(&mut self, seq: u64) {
        self.next = self.next.max(seq + 1);
    }

    /// Whether the number was settled before a restart.
    pub(crate) fn is_settled(&self, seq: u64) -> bool {
        self.settled.contains(&seq)
    }

    /// What is known of a delivery from before a restart.
    pub(crate) fn take_retry(&mut self, seq: u64) -> Option<Retry> {
        self.retries.remove(&seq)
    }

    /// Who waits for the outcome of an event that was left to the feeder.
    pub(crate) fn take_waiter(&mut self, seq: u64) -> Option<Arc<Waiter>> {
        self.waiters.remove(&seq)
    }

    /// Everything up to this number has been read. Says whether more is to be read.
    pub(crate) fn has_read(&mut self, last: u64) -> bool {
        self.next = self.next.max(last + 1);
        self.behind = self.next <= self.head;
        self.behind
    }

    /// An outstanding event is settled; the new floor.
    pub(crate) fn settle(&mut self, seq: u64) -> u64 {
        self.outstanding.remove(&seq);
        self.settled.insert(seq);
        let floor = self.floor();
        self.settled = self.settled.split_off(&(floor + 1));
        floor
    }

    /// The number up to which everything is settled.
    pub(crate) fn floor(&self) -> u64 {
        self.outstanding.first().map_or(self.next, |first| *first) - 1
    }

    /// The floor where nothing over `head` has been published: whoever has nothing to do has done everything.
    pub(crate) fn floor_at(&self, head: u64) -> u64 {
        if self.behind || !self.outstanding.is_empty() { self.floor() } else { self.floor().max(head) }
    }

    /// Where it stands, for a later subscription of the same name. `left` is what was queued and had been attempted.
    pub(crate) fn cursor(&self, name: &crate::name::Name, left: Vec<Retry>) -> Cursor {
        Cursor {
            name: name.clone(),
            floor: self.floor(),
            settled: self.settled.iter().copied().collect(),
            retries: self.retries.values().cloned().chain(left).collect(),
            absent_since_ns: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;

    fn cursor(floor: u64, settled: &[u64]) -> Cursor {
        let name = Name::parse("s").unwrap();
        Cursor { name, floor, settled: settled.to_vec(), retries: Vec::new(), absent_since_ns: None }
    }

    fn caught_up() -> Progress {
        let mut progress = Progress::new(cursor(0, &[]));
        assert!(!progress.has_read(0));
        progress
    }

    #[test]
    fn nothing_is_passed_over_while_a_subscription_begins() {
        let mut progress = Progress::new(cursor(4, &[]));
        assert_eq!(progress.floor_at(9), 4, "it may not have seen 5 to 9");
        assert_eq!(progress.offered(10, true, None), Offered::Left);
        progress.catch_up_to(9);
        assert_eq!(progress.wanted(), Some(5));
        assert!(!progress.has_read(10));
        assert_eq!(progress.floor_at(10), 10);
    }

    #[test]
    fn the_floor_follows_the_oldest_that_is_outstanding() {
        let mut progress = caught_up();
        for seq in [1, 2, 4] {
            assert_eq!(progress.offered(seq, true, None), Offered::Take);
            progress.takes(seq);
        }
        assert_eq!(progress.settle(2), 0);
        assert_eq!(progress.settle(4), 0);
        assert_eq!(progress.cursor(&Name::parse("s").unwrap(), Vec::new()).settled, [2, 4]);
        assert_eq!(progress.settle(1), 4);
        assert!(progress.cursor(&Name::parse("s").unwrap(), Vec::new()).settled.is_empty());
        assert_eq!((progress.floor_at(9), progress.floor_at(3)), (9, 4));
    }

    #[test]
    fn once_behind_everything_is_read_until_the_last_that_was_published() {
        let mut progress = Progress::new(cursor(3, &[5]));
        progress.catch_up_to(6);
        assert_eq!(progress.wanted(), Some(4));
        assert_eq!(progress.offered(7, true, None), Offered::Left, "order: what came before is not in the queue yet");
        assert!(progress.is_settled(5));
        progress.takes(4);
        assert!(progress.has_read(6), "7 was published meanwhile");
        progress.takes(7);
        assert!(!progress.has_read(7));
        assert_eq!(progress.offered(7, true, None), Offered::Past);
        assert_eq!(progress.offered(8, true, None), Offered::Take);
        assert_eq!(progress.floor(), 3);
        progress.settle(4);
        assert_eq!(progress.floor(), 6);
    }

    #[test]
    fn a_full_queue_puts_it_behind() {
        let mut progress = caught_up();
        assert_eq!(progress.offered(1, false, None), Offered::Left);
        assert!(progress.is_behind());
        assert_eq!((progress.wanted(), progress.floor_at(1)), (Some(1), 0));
    }
}
