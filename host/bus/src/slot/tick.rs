//! Ticks: events of the host's own for the handlers of one subscription. They stand in its queue, so that they come in order
//! with what it handles, and are otherwise no traffic: nobody else sees them, they take no room, and one that fails is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Relaxed, Ordering::Release};

use super::{Kind, Slot, lane_of};
use crate::event::Event;
use crate::queue::Item;

/// Whether a tick of a slot is on its way.
#[derive(Debug, Default)]
pub(super) struct Ticking(Arc<AtomicBool>);

/// The one tick that may be on its way; when it is gone, there may be another.
#[derive(Debug)]
pub(crate) struct Tick(Arc<AtomicBool>);

impl Ticking {
    fn begin(&self) -> Option<Tick> {
        let before = self.0.swap(true, AcqRel);
        (!before).then(|| Tick(self.0.clone()))
    }
}

impl Drop for Tick {
    fn drop(&mut self) {
        self.0.store(false, Release);
    }
}

impl Slot {
    /// Puts a tick behind what waits. False where it would be the second, and where nothing is handled now.
    pub(crate) fn tick(&self, event: Event) -> bool {
        if !matches!(self.kind, Kind::Queued) {
            return false;
        }
        let Some(tick) = self.ticking.begin() else {
            self.counters.ticks_skipped.fetch_add(1, Relaxed);
            return false;
        };
        let settings = self.settings.load();
        let lane = lane_of(&settings, &event);
        let mut item = Box::new(Item::new(Arc::new(event), lane, None));
        item.tick = Some(tick);
        let mut state = self.lock();
        if state.closed || state.queue.is_held() {
            return false;
        }
        state.queue.push_tick(item);
        drop(state);
        self.work.notify_one();
        true
    }
}
