//! Gates: mute what is published on some topics, or hold it back for a while.
//!
//! Each guard is its own gate and opens only itself, so nested mutes and holds do not undo each other. A hold is bounded
//! in number; over it publishers get their event back.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::bus::Inner;
use crate::event::Draft;
use crate::topic::{Filter, Topic};

/// What a hold keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldMode {
    /// Every event, in order.
    All,
    /// Of each topic the latest; earlier ones are counted as muted.
    LatestPerTopic,
}

/// While it lives, events on matching topics are swallowed (and counted). Made by [`Bus::mute`](crate::Bus::mute).
#[derive(Debug)]
#[must_use = "the mute ends when the guard is dropped"]
pub struct MuteGuard {
    pub(crate) _gate: GateGuard,
}

/// While it lives, events on matching topics are kept back. Made by [`Bus::hold`](crate::Bus::hold). When dropped (or
/// [released](HoldGuard::release)) what was kept is published in order.
#[derive(Debug)]
#[must_use = "the hold ends when the guard is dropped"]
pub struct HoldGuard {
    pub(crate) gate: GateGuard,
}

impl HoldGuard {
    /// Ends the hold and publishes what was kept, waiting for room where the subscriptions' policies say so. Returns how
    /// many events were published. When the future is dropped, the rest is published without waiting.
    pub async fn release(self) -> usize {
        let Some(bus) = self.gate.bus.upgrade() else { return 0 };
        self.gate.open();
        let mut count = 0;
        while let Some(draft) = self.gate.next_kept() {
            bus.publish_kept(draft).await;
            count += 1;
        }
        count
    }
}

impl Drop for HoldGuard {
    fn drop(&mut self) {
        let Some(bus) = self.gate.bus.upgrade() else { return };
        self.gate.open();
        while let Some(draft) = self.gate.next_kept() {
            bus.publish_kept_now(draft);
        }
    }
}

/// Takes its gate out of the bus when dropped.
#[derive(Debug)]
pub(crate) struct GateGuard {
    pub(crate) bus: Weak<Inner>,
    pub(crate) gate: Arc<Gate>,
}

impl GateGuard {
    fn open(&self) {
        // First this: a publisher that saw the gate before it was taken out must not leave an event behind it.
        if let Some(mut kept) = self.gate.kept() {
            kept.over = true;
        }
        if let Some(bus) = self.bus.upgrade() {
            bus.remove_gate(&self.gate);
        }
    }

    fn next_kept(&self) -> Option<Draft> {
        self.gate.kept()?.drafts.pop_front()
    }
}

impl Drop for GateGuard {
    fn drop(&mut self) {
        self.open();
    }
}

/// One gate on the way of events.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) filter: Filter,
    pub(crate) kind: GateKind,
}

#[derive(Debug)]
pub(crate) enum GateKind {
    Mute,
    Hold { mode: HoldMode, events_max: usize, kept: Mutex<Kept> },
}

/// What a hold has kept.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    drafts: VecDeque<Draft>,
    /// The hold has ended: nothing is kept any more.
    over: bool,
}

/// What a gate did with a draft.
#[derive(Debug)]
pub(crate) enum Passage {
    /// Not its business.
    Open,
    Muted,
    /// Kept; says whether it took the place of an earlier one.
    Held {
        replaced: bool,
    },
    /// No room.
    Full,
}

impl Gate {
    pub(crate) fn stops(&self, topic: &Topic) -> bool {
        self.filter.matches(topic)
    }

    pub(crate) fn pass(&self, draft: &Draft) -> Passage {
        if !self.stops(&draft.topic) {
            return Passage::Open;
        }
        let GateKind::Hold { mode, events_max, .. } = &self.kind else { return Passage::Muted };
        let Some(mut kept) = self.kept().filter(|kept| !kept.over) else { return Passage::Open };
        let earlier = match mode {
            HoldMode::All => None,
            HoldMode::LatestPerTopic => kept.drafts.iter().position(|other| other.topic == draft.topic),
        };
        if let Some(earlier) = earlier {
            kept.drafts.remove(earlier);
        } else if kept.drafts.len() >= *events_max {
            return Passage::Full;
        }
        kept.drafts.push_back(draft.clone());
        Passage::Held { replaced: earlier.is_some() }
    }

    fn kept(&self) -> Option<MutexGuard<'_, Kept>> {
        match &self.kind {
            GateKind::Mute => None,
            GateKind::Hold { kept, .. } => Some(kept.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}
