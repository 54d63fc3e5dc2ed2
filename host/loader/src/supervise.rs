//! Supervision: when a plugin that faults is suspended, and when it gets another chance.
//!
//! ```text
//!            so many different events faulted within the window
//!   Running ───────────────────────────────────────────────────► Suspended { until }
//!      ▲                                                            │ ▲
//!      │ the probe was handled (acked, or failed in an orderly way) │ │ the probe faulted or was cut off
//!      └───────────────────────── Probing ◄─────────────────────────┘ │
//!                                    └────────────────────────────────┘
//! ```
//!
//! [`Supervisor`] decides and does nothing else: time comes as an argument, so its tests take microseconds. What it decides
//! is carried out by `guard` (suspending before the next event can be delivered) and by a timer (probing).
//!
//! Only faults count, not failures: a plugin that says "retry" or "reject" works. What counts is the number of *different*
//! events: all attempts of one poison event count once, and a replay of it does not count again. A few of them are
//! therefore no reason to suspend a plugin that handles everything else; a plugin that faults on everything is suspended
//! after [`SupervisionPolicy::budget`] events. The events it remembers are bounded by [`KNOWN_EVENTS_MAX`]; beyond that the
//! oldest is forgotten and could count a second time.

pub(crate) mod guard;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use plugbus_bus::Event;

/// Most faulting events that are remembered, for one plugin.
pub(crate) const KNOWN_EVENTS_MAX: usize = 256;

/// When a plugin is suspended, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SupervisionPolicy {
    /// The plugin is suspended when so many different events have made it fault within the window. Default 5.
    pub budget: NonZeroU32,
    /// Length of the sliding window. Default 60 s.
    pub window: Duration,
    /// First suspension; each one that follows within a window of the last is twice as long. Default 1 s.
    pub suspend_min: Duration,
    /// Bound on the doubling. Default 5 min.
    pub suspend_max: Duration,
}

impl Default for SupervisionPolicy {
    fn default() -> Self {
        Self {
            budget: NonZeroU32::MIN.saturating_add(4),
            window: Duration::from_secs(60),
            suspend_min: Duration::from_secs(1),
            suspend_max: Duration::from_secs(300),
        }
    }
}

/// Where a plugin stands with its supervisor. Times are counted from a moment that the caller chooses once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Events are delivered.
    Running,
    /// No event is delivered.
    Suspended {
        /// When the next probe is due.
        until: Duration,
    },
    /// One event is let through; what becomes of it decides.
    Probing,
}

/// What the supervisor sees of one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Observed {
    /// Acked, or failed in the plugin's own words.
    Handled,
    /// The host saw a fault.
    Fault,
    /// No outcome: the call was dropped (replaced generation, shutdown).
    CutOff,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing.
    Continue,
    /// Stop delivering and probe after this time.
    Suspend {
        /// How long.
        pause: Duration,
    },
    /// Let one event through.
    Probe,
    /// Deliver again.
    Resume,
}

/// Which event it was: source and id name an event for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventKey {
    source: Arc<str>,
    id: Arc<str>,
}

impl EventKey {
    /// The key of an event.
    pub(crate) fn of(event: &Event) -> Self {
        Self { source: event.source.clone(), id: event.id.clone() }
    }
}

/// Marks a delivery from its beginning to its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// The number of the probe that this delivery is, if it is one.
    probe: Option<u64>,
}

impl Ticket {
    /// Whether the delivery is a probe. One that is not decides nothing unless it faults.
    pub(crate) fn is_probe(self) -> bool {
        self.probe.is_some()
    }
}

/// What is remembered of one generation of a plugin.
#[derive(Debug)]
pub(crate) struct Supervisor {
    policy: SupervisionPolicy,
    state: State,
    /// When each different event faulted first, oldest first; at most `budget` of them.
    faults: VecDeque<Duration>,
    known: VecDeque<EventKey>,
    /// Doublings of the next suspension.
    doublings: u32,
    resumed_at: Option<Duration>,
    /// Number of the current or last probe.
    probe: u64,
    probe_begun: bool,
}

impl Supervisor {
    /// A supervisor of a generation that runs.
    pub(crate) fn new(policy: SupervisionPolicy) -> Self {
        Self {
            policy,
            state: State::Running,
            faults: VecDeque::new(),
            known: VecDeque::new(),
            doublings: 0,
            resumed_at: None,
            probe: 0,
            probe_begun: false,
        }
    }

    /// Where the plugin stands.
    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// A delivery begins. The first one while probing is the probe.
    pub(crate) fn begin(&mut self) -> Ticket {
        if self.state != State::Probing || self.probe_begun {
            return Ticket { probe: None };
        }
        self.probe_begun = true;
        Ticket { probe: Some(self.probe) }
    }

    /// A delivery has ended.
    pub(crate) fn on_outcome(&mut self, now: Duration, ticket: Ticket, event: &EventKey, seen: Observed) -> Decision {
        let is_new = seen == Observed::Fault && self.remember(event);
        match self.state {
            State::Running if is_new => self.count_fault(now),
            State::Probing if ticket.probe == Some(self.probe) => self.judge_probe(now, seen, is_new),
            // While suspended or probing, what began before the suspension decides nothing.
            _ => Decision::Continue,
        }
    }

    /// Time has passed.
    pub(crate) fn on_time(&mut self, now: Duration) -> Decision {
        match self.state {
            State::Suspended { until } if now >= until => {
                self.state = State::Probing;
                self.probe += 1;
                self.probe_begun = false;
                Decision::Probe
            }
            _ => Decision::Continue,
        }
    }

    /// An operator ends the suspension.
    pub(crate) fn lift(&mut self, now: Duration) -> Decision {
        match self.state {
            State::Running => Decision::Continue,
            State::Suspended { .. } | State::Probing => self.resume(now),
        }
    }

    fn count_fault(&mut self, now: Duration) -> Decision {
        let window = self.policy.window;
        self.faults.retain(|at| now.saturating_sub(*at) < window);
        self.faults.push_back(now);
        if self.faults.len() < self.policy.budget.get() as usize {
            return Decision::Continue;
        }
        let recently = self.resumed_at.is_some_and(|at| now.saturating_sub(at) < window);
        self.doublings = if recently { self.doublings.saturating_add(1) } else { 0 };
        self.suspend(now)
    }

    /// A probe that faults on an event known to be poison says nothing new about the plugin: the suspension is repeated, not
    /// doubled.
    fn judge_probe(&mut self, now: Duration, seen: Observed, is_new: bool) -> Decision {
        match seen {
            Observed::Handled => self.resume(now),
            Observed::CutOff => self.suspend(now),
            Observed::Fault => {
                if is_new {
                    self.doublings = self.doublings.saturating_add(1);
                }
                self.suspend(now)
            }
        }
    }

    fn suspend(&mut self, now: Duration) -> Decision {
        let factor = 1u32.checked_shl(self.doublings).unwrap_or(u32::MAX);
        let pause = self.policy.suspend_min.saturating_mul(factor).min(self.policy.suspend_max);
        self.faults.clear();
        self.state = State::Suspended { until: now.saturating_add(pause) };
        Decision::Suspend { pause }
    }

    fn resume(&mut self, now: Duration) -> Decision {
        self.faults.clear();
        self.state = State::Running;
        self.resumed_at = Some(now);
        Decision::Resume
    }

    /// Remembers an event; whether it was new.
    fn remember(&mut self, event: &EventKey) -> bool {
        if self.known.contains(event) {
            return false;
        }
        if self.known.len() >= KNOWN_EVENTS_MAX {
            self.known.pop_front();
        }
        self.known.push_back(event.clone());
        true
    }
}
