//! Places that are kept in queues from the moment an event is accepted until it stands there.
//!
//! Where a full queue means that the publisher gets its event back, that must be known for every queue before anything
//! happens to the event. To look for room first and to put the event there later is not enough: two publishers may see the
//! same last place. So a place is kept, and counts as taken, until it is used or given back.

use std::sync::Arc;

use crate::slot::Slot;

/// A place in one queue. Given back when it is dropped without having been used.
#[derive(Debug)]
pub(crate) struct Place<'s> {
    slot: &'s Slot,
    bytes: usize,
    used: bool,
}

/// The places of one event.
#[derive(Debug, Default)]
pub(crate) struct Places<'s>(Vec<Place<'s>>);

/// What came of asking for a place.
pub(crate) enum Kept<'s> {
    /// It is there.
    Place(Place<'s>),
    /// None is needed: the queue does not hand events back, or the event is not for it.
    NotNeeded,
    /// The queue is full.
    Full,
}

impl<'s> Place<'s> {
    pub(crate) fn new(slot: &'s Slot, bytes: usize) -> Self {
        Self { slot, bytes, used: false }
    }

    /// The event stands in its place now; the bytes that were kept for it.
    pub(crate) fn used(mut self) -> usize {
        self.used = true;
        self.bytes
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.used {
            self.slot.free_place(self.bytes);
        }
    }
}

impl<'s> Places<'s> {
    /// Keeps a place for an event of that size and source in each queue that would otherwise hand it back. The first that is
    /// full is the error, and then no place is kept.
    pub(crate) fn keep(slots: &'s [Arc<Slot>], source: &str, bytes: usize, may_wait: bool) -> Result<Self, &'s Slot> {
        let mut places = Vec::new();
        for slot in slots {
            match slot.keep_place(source, bytes, may_wait) {
                Kept::Place(place) => places.push(place),
                Kept::NotNeeded => {}
                Kept::Full => return Err(slot),
            }
        }
        Ok(Self(places))
    }

    /// The place in this queue, if one was kept.
    pub(crate) fn take(&mut self, slot: &Slot) -> Option<Place<'s>> {
        let index = self.0.iter().position(|place| std::ptr::eq(place.slot, slot))?;
        Some(self.0.swap_remove(index))
    }
}
