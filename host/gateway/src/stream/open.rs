//! [`Open`]: counts a reader as long as it is there.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::counters::Counters;
use crate::shared::Shared;

/// One of the gauges among the counters.
type Which = fn(&Counters) -> &AtomicU64;

/// See the module.
pub(crate) struct Open {
    shared: Shared,
    which: Which,
}

impl Open {
    pub(crate) fn enter(shared: &Shared, which: Which) -> Self {
        which(&shared.counters).fetch_add(1, Relaxed);
        Self { shared: shared.clone(), which }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        (self.which)(&self.shared.counters).fetch_sub(1, Relaxed);
    }
}
