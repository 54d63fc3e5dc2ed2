//! The last events of a bus that keeps no journal, in memory: what `tail --from`, a stream that was interrupted and the
//! HTTP history read.
//!
//! A ring, bounded in events and in bytes ([`HistoryLimits`]); the oldest makes room. An event gets its number and its place
//! here in one step, and watchers are offered it in the same step, so that they see events in the order of their numbers.
//! The lock is held for that, and while a batch of pointers is copied out; never across an await or a call of foreign code.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::clock::now_ns;
use crate::event::Event;
use crate::journal::Batch;

/// Bounds on a [`History`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryLimits {
    /// Events kept. Default 10,000.
    pub events_max: usize,
    /// Bytes of events kept. Default 16 MiB. Events are shared with everyone else who holds them.
    pub bytes_max: usize,
}

impl Default for HistoryLimits {
    fn default() -> Self {
        Self { events_max: 10_000, bytes_max: 16 << 20 }
    }
}

/// See the module.
#[derive(Debug)]
pub struct History {
    limits: HistoryLimits,
    kept: Mutex<Kept>,
}

/// What a history holds now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct HistoryStats {
    /// Events kept.
    pub events: usize,
    /// Their bytes.
    pub bytes: usize,
    /// The first number kept.
    pub first: u64,
    /// The last number kept.
    pub last: u64,
    /// Events that made room for newer ones.
    pub retired: u64,
}

#[derive(Debug)]
struct Kept {
    /// In the order of their numbers, with the time of acceptance.
    events: VecDeque<(u64, Arc<Event>)>,
    bytes: usize,
    /// Every number below is gone.
    first: u64,
    last: u64,
    retired: u64,
}

impl History {
    pub(crate) fn new(limits: HistoryLimits) -> Self {
        let kept = Kept { events: VecDeque::new(), bytes: 0, first: 1, last: 0, retired: 0 };
        Self { limits, kept: Mutex::new(kept) }
    }

    /// Makes an event and keeps it, as one step: numbers given in `make` rise in the order of the ring.
    pub(crate) fn append(&self, make: impl FnOnce() -> Arc<Event>) -> Arc<Event> {
        let at_ns = now_ns();
        let mut kept = self.lock();
        let event = make();
        kept.last = event.seq;
        kept.bytes = kept.bytes.saturating_add(event.size_bytes());
        kept.events.push_back((at_ns, event.clone()));
        while kept.events.len() > self.limits.events_max || kept.bytes > self.limits.bytes_max {
            let Some((_, oldest)) = kept.events.pop_front() else { break };
            kept.bytes = kept.bytes.saturating_sub(oldest.size_bytes());
            kept.first = oldest.seq + 1;
            kept.retired += 1;
        }
        event
    }

    /// The numbers of the first and last event kept; the first is the larger of the two where there is none.
    #[must_use]
    pub fn span(&self) -> (u64, u64) {
        let kept = self.lock();
        (kept.first, kept.last)
    }

    /// Events in the order of their numbers, as [`Journal::read`](crate::journal::Journal::read) does.
    #[must_use]
    pub fn read(&self, from: u64, events_max: usize, bytes_max: usize) -> Batch {
        let kept = self.lock();
        let begin = kept.events.partition_point(|(_, event)| event.seq < from);
        let mut bytes = 0_usize;
        let within = kept.events.range(begin..).take(events_max).take_while(|(_, event)| {
            let is_first = bytes == 0;
            bytes = bytes.saturating_add(event.size_bytes());
            is_first || bytes <= bytes_max
        });
        let events = within.map(|(_, event)| event.clone()).collect();
        Batch { events, first: kept.first, last: kept.last }
    }

    /// The number of the first event accepted at a time (nanoseconds since the Unix epoch) or later; the next number where
    /// there is none.
    #[must_use]
    pub fn seq_at(&self, time_ns: u64) -> u64 {
        let kept = self.lock();
        // A clock that was set back leaves times that fall: the first one that fits is meant.
        kept.events.iter().find(|(at_ns, _)| *at_ns >= time_ns).map_or(kept.last + 1, |(_, event)| event.seq)
    }

    /// What it holds.
    #[must_use]
    pub fn stats(&self) -> HistoryStats {
        let kept = self.lock();
        let Kept { bytes, first, last, retired, .. } = *kept;
        HistoryStats { events: kept.events.len(), bytes, first, last, retired }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Payload;
    use crate::topic::Topic;

    fn add(history: &History, seq: u64, bytes: usize) {
        history.append(|| {
            Arc::new(Event {
                id: "1".into(),
                source: "s".into(),
                topic: Topic::parse("a").unwrap(),
                subject: None,
                time_ns: 0,
                payload: Payload::text("x".repeat(bytes)),
                extensions: Vec::new(),
                seq,
                hops: 0,
            })
        });
    }

    fn numbers(batch: &Batch) -> Vec<u64> {
        batch.events.iter().map(|event| event.seq).collect()
    }

    #[test]
    fn the_oldest_makes_room_and_the_gap_is_known() {
        let history = History::new(HistoryLimits { events_max: 3, bytes_max: usize::MAX });
        assert_eq!((history.span(), history.read(0, 10, 10).first), ((1, 0), 1));
        for seq in [1, 2, 4, 5, 6] {
            add(&history, seq, 0);
        }
        assert_eq!((history.span(), history.stats().retired), ((3, 6), 2));
        let batch = history.read(1, 10, usize::MAX);
        assert_eq!((numbers(&batch), batch.first, batch.last), (vec![4, 5, 6], 3, 6));
        assert_eq!(numbers(&history.read(5, 10, usize::MAX)), [5, 6]);
        assert_eq!(numbers(&history.read(5, 1, usize::MAX)), [5]);
        assert_eq!(numbers(&history.read(7, 1, usize::MAX)), [0; 0]);
    }

    #[test]
    fn bytes_are_bounded_and_a_batch_has_at_least_one_event() {
        let history = History::new(HistoryLimits { events_max: 100, bytes_max: 1000 });
        for seq in 1..=20 {
            add(&history, seq, 100);
        }
        let stats = history.stats();
        assert!(stats.bytes <= 1000 && stats.events > 1 && stats.events < 10, "{stats:?}");
        assert_eq!(history.read(0, 10, 1).events.len(), 1);
        add(&history, 21, 2000);
        assert_eq!((history.stats().events, history.stats().bytes, history.span()), (0, 0, (22, 21)));
    }

    #[test]
    fn a_time_is_a_place_in_it() {
        let history = History::new(HistoryLimits::default());
        assert_eq!(history.seq_at(0), 1);
        add(&history, 1, 0);
        let between = now_ns() + 1;
        while now_ns() <= between {}
        add(&history, 2, 0);
        assert_eq!((history.seq_at(0), history.seq_at(between), history.seq_at(u64::MAX)), (1, 2, 3));
    }
}
