//! The lanes of a queue in which something is out, and what waits behind it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::Item;

/// Which order an item must keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lane {
    /// With all others: the subscription is one lane.
    Whole,
    /// With all others that share the key.
    Keyed(Arc<str>),
    /// With none.
    Free,
}

/// One lane.
#[derive(Debug, Default)]
pub(super) struct LaneState {
    /// How many hold the lane: one, but after a change of the ordering.
    pub(super) out: usize,
    pub(super) behind: VecDeque<Box<Item>>,
}

/// Every lane that is held. The one that is the whole subscription, as most have it, costs no look-up.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    whole: LaneState,
    keyed: HashMap<Arc<str>, LaneState>,
}

impl Lanes {
    /// A lane, if it is held.
    pub(super) fn held(&mut self, lane: &Lane) -> Option<&mut LaneState> {
        match lane {
            Lane::Whole => (self.whole.out > 0).then_some(&mut self.whole),
            Lane::Keyed(key) => self.keyed.get_mut(key),
            Lane::Free => None,
        }
    }

    /// One more holds a lane.
    pub(super) fn hold(&mut self, lane: &Lane) {
        match lane {
            Lane::Whole => self.whole.out += 1,
            Lane::Keyed(key) => self.keyed.entry(key.clone()).or_default().out += 1,
            Lane::Free => {}
        }
    }

    /// One fewer holds a lane. What waits behind comes out when it was the last, and holds the lane in its turn; a lane
    /// with nothing in it is forgotten.
    pub(super) fn release(&mut self, lane: &Lane) -> Option<Box<Item>> {
        let state = self.held(lane)?;
        state.out = state.out.saturating_sub(1);
        if state.out > 0 {
            return None;
        }
        let next = state.behind.pop_front();
        match (&next, lane) {
            (Some(_), _) => state.out = 1,
            (None, Lane::Keyed(key)) => drop(self.keyed.remove(key)),
            (None, Lane::Whole | Lane::Free) => {}
        }
        next
    }

    /// The lane whose first waiting item came earliest, with that item's place in the order of arrival.
    pub(super) fn oldest(&self) -> Option<(u64, Lane)> {
        let keyed = self.keyed.iter().filter_map(|(key, lane)| Some((lane.behind.front()?.order, key)));
        let keyed = keyed.min_by_key(|(order, _)| *order).map(|(order, key)| (order, Lane::Keyed(key.clone())));
        let whole = self.whole.behind.front().map(|item| (item.order, Lane::Whole));
        [keyed, whole].into_iter().flatten().min_by_key(|(order, _)| *order)
    }

    /// Empties and forgets all lanes. What waited, in the order of each lane.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Box<Item>> {
        let Self { whole, keyed } = std::mem::take(self);
        whole.behind.into_iter().chain(keyed.into_values().flat_map(|lane| lane.behind))
    }

    /// How many are held.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.keyed.len() + usize::from(self.whole.out > 0)
    }
}
