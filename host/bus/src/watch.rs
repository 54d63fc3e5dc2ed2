//! Watching: a bounded look at the events of a bus, live and from the past, that never slows a publisher.
//!
//! ```
//! use plugbus_bus::{Bus, HistoryLimits, Event, Watched};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let bus = Bus::builder().history(HistoryLimits::default()).build();
//! bus.publish(Event::draft("orders.created")?.json(&1)?).await?;
//! let mut watcher = bus.watch("orders.*").from(1).begin()?;
//! assert!(matches!(watcher.next().await, Some(Watched::Event(event)) if event.seq == 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! An event is put into the watcher's own queue in the moment it is accepted (on a journal: committed), before any handler can
//! stop it. A watcher that reads too slowly finds [`Watched::Missed`] at the place where events are missing. One that
//! [begins in the past](Watch::from), or [adds a filter](Watcher::add) with a past, reads what it missed again from the bus's
//! [log](crate::EventLog) instead, as far as that reaches. Between past and live there is neither a gap nor a double.
//!
//! What bounds it: [`WatchLimits`] for the queue, one batch of the log (256 events, about 1 MiB) and
//! [`FILTERS_MAX`](crate::FILTERS_MAX) filters. Nobody waits for a watcher.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::control::{Control, Subscription};
use crate::event::Event;
use crate::event_log::EventLog;
use crate::handle::Bus;
use crate::journal::JournalError;
use crate::name::Name;
use crate::slot::Kind;
use crate::subscribe::{FILTERS_MAX, IntoFilters, Subscribe, SubscribeError};
use crate::topic::{Filter, TopicError};

mod course;
mod queue;

use course::Course;
use queue::Entry;
pub(crate) use queue::WatchQueue;

/// Most events in one read of the log.
const READ_EVENTS: usize = 256;
/// About the most bytes in one read of the log.
const READ_BYTES: usize = 1 << 20;

/// Bounds on what a watcher has not read yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchLimits {
    /// Events. Default 1024.
    pub events_max: usize,
    /// Bytes. Default 8 MiB. Events are shared with everyone else who holds them.
    pub bytes_max: usize,
}

impl Default for WatchLimits {
    fn default() -> Self {
        Self { events_max: 1024, bytes_max: 8 << 20 }
    }
}

/// What watchers were shown and what they missed; several may share one.
#[derive(Debug, Default)]
pub struct WatchCounters {
    /// Events queued.
    pub watched: AtomicU64,
    /// Events that found no room.
    pub missed: AtomicU64,
}

/// What a watcher sees next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// An event.
    Event(Arc<Event>),
    /// Events that it read too slowly to see.
    Missed {
        /// How many, since the last event.
        count: u64,
    },
    /// Events of the past that the log has no more: it goes on with the first that is there.
    Retired {
        /// How many numbers, wanted or not.
        count: u64,
        /// The first number that the log has.
        first: u64,
    },
    /// Events of the past that cannot be read; it goes on behind them.
    Unreadable {
        /// How many numbers, wanted or not.
        count: u64,
        /// Why.
        error: JournalError,
    },
}

/// Why a watch did not begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// It could not subscribe.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    /// The bus remembers nothing.
    #[error("there is no past to begin with: the bus keeps neither a journal nor a history")]
    NoPast,
    /// Too many filters.
    #[error("{count} filters; a watcher may have {FILTERS_MAX}")]
    FilterCount {
        /// How many it would have.
        count: usize,
    },
    /// It has ended, and with it the bus.
    #[error("the watch has ended")]
    Ended,
}

/// A watch being made.
#[derive(Debug)]
#[must_use = "nothing is watched before `begin`"]
pub struct Watch {
    bus: Bus,
    filters: Result<Vec<Filter>, TopicError>,
    name: Option<String>,
    limits: WatchLimits,
    from: Option<u64>,
    counters: Arc<WatchCounters>,
}

impl Bus {
    /// Starts to make a watch. No filter at all is allowed: [`Watcher::add`] adds some later.
    pub fn watch(&self, filters: impl IntoFilters) -> Watch {
        Watch {
            bus: self.clone(),
            filters: filters.into_filters(),
            name: None,
            limits: WatchLimits::default(),
            from: None,
            counters: Arc::default(),
        }
    }

    /// The number up to which every event has been offered to all watchers: whoever watches from the next one on misses
    /// nothing. On a bus without journal or history, the last number given.
    #[must_use]
    pub fn seq(&self) -> u64 {
        match (&self.inner.durable, &self.inner.history) {
            (Some(durable), _) => durable.dispatched(),
            (None, Some(history)) => history.span().1,
            (None, None) => self.inner.seq.load(Relaxed),
        }
    }
}

impl Watch {
    /// A name, unique on the bus. Made up when absent.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Bounds on what is not read yet.
    pub fn limits(mut self, limits: WatchLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Begins with the event of this number, or the oldest after it that the log has. The bus must have a log.
    pub fn from(mut self, seq: u64) -> Self {
        self.from = Some(seq);
        self
    }

    /// Where to count.
    pub fn counters(mut self, counters: Arc<WatchCounters>) -> Self {
        self.counters = counters;
        self
    }

    /// Begins: whatever is accepted after this returns will be seen. Needs no runtime.
    ///
    /// # Errors
    /// [`WatchError`].
    pub fn begin(self) -> Result<Watcher, WatchError> {
        let filters = self.filters.map_err(SubscribeError::Filter)?;
        let log = self.bus.event_log();
        if self.from.is_some() && log.is_none() {
            return Err(WatchError::NoPast);
        }
        let queue = Arc::new(WatchQueue::new(self.limits));
        let mut subscribe = Subscribe::new(self.bus.inner.clone(), Ok(Vec::new()));
        if let Some(name) = self.name {
            subscribe = subscribe.name(name);
        }
        let slot = subscribe.register(Kind::Watch { queue: queue.clone(), counters: self.counters })?;
        let subscription = Subscription::new(Control::new(slot));
        let course = Course::new(head(log.as_ref()), log.is_some());
        let mut watcher =
            Watcher { subscription, queue, log, course, pending: VecDeque::new(), catches_up: self.from.is_some() };
        watcher.add(filters, self.from)?;
        Ok(watcher)
    }
}

/// A live watch. Dropping it ends it.
#[derive(Debug)]
pub struct Watcher {
    subscription: Subscription,
    queue: Arc<WatchQueue>,
    log: Option<EventLog>,
    course: Course,
    /// Read from the log and not yet shown; at most one batch.
    pending: VecDeque<Watched>,
    /// Whether what is missed is read from the log.
    catches_up: bool,
}

impl Watcher {
    /// The name of its subscription.
    #[must_use]
    pub fn name(&self) -> &Name {
        self.subscription.name()
    }

    /// The filters in force.
    #[must_use]
    pub fn filters(&self) -> Vec<Filter> {
        self.course.filters()
    }

    /// What comes next; none once the watch has ended and everything was seen. Cancel-safe.
    pub async fn next(&mut self) -> Option<Watched> {
        loop {
            if let Some(seen) = self.pending.pop_front() {
                return Some(seen);
            }
            if let (Some(from), Some(log)) = (self.course.reading(), &self.log) {
                match log.read(from, READ_EVENTS, READ_BYTES).await {
                    Ok(batch) => self.course.take_in(&batch, &mut self.pending),
                    // Not read again and again.
                    Err(error) => {
                        let count = self.course.give_up();
                        self.pending.push_back(Watched::Unreadable { count, error });
                    }
                }
                continue;
            }
            let entry = self.queue.next().await?;
            if let Some(seen) = self.show(entry) {
                return Some(seen);
            }
        }
    }

    /// What is at hand without waiting.
    pub fn try_next(&mut self) -> Option<Watched> {
        loop {
            if let Some(seen) = self.pending.pop_front() {
                return Some(seen);
            }
            if self.course.reading().is_some() && self.log.is_some() {
                return None;
            }
            let entry = self.queue.take()?;
            if let Some(seen) = self.show(entry) {
                return Some(seen);
            }
        }
    }

    /// Adds filters, those that are not there yet; with a past of their own where `from` says so, and then what this watcher
    /// misses from now on is read from the log as well. Whatever is accepted after this returns will be seen. Returns the
    /// filters that were added.
    ///
    /// # Errors
    /// [`WatchError`]; nothing is changed then.
    pub fn add(&mut self, filters: impl IntoFilters, from: Option<u64>) -> Result<Vec<Filter>, WatchError> {
        let filters = filters.into_filters().map_err(SubscribeError::Filter)?;
        if from.is_some() && self.log.is_none() {
            return Err(WatchError::NoPast);
        }
        let new = self.course.new_ones(&filters);
        let mut all = self.course.filters();
        all.extend(new.iter().cloned());
        if all.len() > FILTERS_MAX {
            return Err(WatchError::FilterCount { count: all.len() });
        }
        if !new.is_empty() {
            self.route(all)?;
        }
        self.catches_up |= from.is_some();
        // Read after the filters are in force: whatever was not offered to them is in the log up to here.
        self.course.add(new.clone(), head(self.log.as_ref()), from);
        Ok(new)
    }

    /// Takes filters away: nothing that only they match is seen after this returns.
    ///
    /// # Errors
    /// [`WatchError::Ended`].
    pub fn remove(&mut self, filters: &[Filter]) -> Result<(), WatchError> {
        self.course.remove(filters);
        let course = &self.course;
        self.pending.retain(|seen| !matches!(seen, Watched::Event(event) if !course.still_wants(event)));
        self.route(self.course.filters())
    }

    /// The last number that needs not be shown again: a watch that begins with the next one goes on where this one is.
    #[must_use]
    pub fn position(&self) -> u64 {
        // In this order: what is offered up to the head is in the queue when that is looked at.
        let head = self.subscription.slot.bus.upgrade().map_or(0, |inner| Bus { inner }.seq());
        let pending = self.pending.iter().find_map(|seen| match seen {
            Watched::Event(event) => Some(event.seq.saturating_sub(1)),
            _ => None,
        });
        let done = self.course.done();
        match pending {
            Some(pending) => pending.min(done),
            None if self.course.reading().is_none() && self.queue.is_empty() => done.max(head),
            None => done,
        }
    }

    fn route(&self, filters: Vec<Filter>) -> Result<(), WatchError> {
        let slot = &self.subscription.slot;
        let bus = slot.bus.upgrade().filter(|_| !slot.is_closed()).ok_or(WatchError::Ended)?;
        bus.set_filters(slot, filters);
        Ok(())
    }

    fn show(&mut self, entry: Entry) -> Option<Watched> {
        match entry {
            Entry::Event(event) => self.course.shows(&event).then_some(Watched::Event(event)),
            Entry::Missed(gap) if self.catches_up => {
                self.course.read_again(head(self.log.as_ref()));
                (gap.unnumbered > 0).then_some(Watched::Missed { count: gap.unnumbered })
            }
            Entry::Missed(gap) => Some(Watched::Missed { count: gap.total() }),
        }
    }
}

/// The last number in the log.
fn head(log: Option<&EventLog>) -> u64 {
    log.map_or(0, |log| log.span().1)
}
