//! Which events of the spool are in the journal already, where that lies too far back for its window of repetitions.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use plugbus_bus::journal::{Journal, JournalError};
use plugbus_journal::DiskJournal;

/// How much the clock may have been set back meanwhile.
const SLACK_NS: u64 = 60_000_000_000;
/// Events that are remembered of the journal; 8 bytes each.
const EVENTS_MAX: usize = 4_000_000;
/// What is read of the journal at a time.
const BATCH_EVENTS: usize = 1024;
const BATCH_BYTES: usize = 4 << 20;

/// The journal's window of repetitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) events: u64,
    pub(super) age_ns: u64,
}

impl Window {
    /// Whether whatever was accepted that long ago, and so many events ago, is surely still known. Pure.
    fn covers(self, age_ns: u64, events: u64) -> bool {
        age_ns.saturating_add(SLACK_NS) < self.age_ns && events < self.events / 2
    }
}

/// Events of the journal, as hashes under a key of this process.
#[derive(Debug, Default)]
pub(super) struct Seen {
    key: RandomState,
    hashes: HashSet<u64>,
    /// From which time on they are all known.
    since_ns: Option<u64>,
}

impl Seen {
    /// Sees to it that a repetition of what was accepted since that time is recognised, by the journal or here.
    pub(super) async fn reach(
        &mut self,
        journal: &DiskJournal,
        window: Window,
        time_ns: u64,
        now_ns: u64,
    ) -> Result<(), JournalError> {
        let time_ns = time_ns.saturating_sub(SLACK_NS);
        if self.since_ns.is_some_and(|since| since <= time_ns) {
            return Ok(());
        }
        let from = journal.seq_at(time_ns).await?;
        let (_, last) = journal.span();
        if window.covers(now_ns.saturating_sub(time_ns), (last + 1).saturating_sub(from)) {
            return Ok(());
        }
        self.read(journal, from, last).await?;
        self.since_ns = Some(time_ns);
        Ok(())
    }

    async fn read(&mut self, journal: &DiskJournal, from: u64, last: u64) -> Result<(), JournalError> {
        let mut next = from;
        while next <= last {
            let batch = journal.read(next, BATCH_EVENTS, BATCH_BYTES).await?;
            let Some(end) = batch.events.last().map(|event| event.seq) else { break };
            for event in batch.events {
                if self.hashes.len() >= EVENTS_MAX {
                    tracing::warn!(
                        events = EVENTS_MAX,
                        "the journal has more events since the spool's oldest than are compared; what is older may come twice"
                    );
                    return Ok(());
                }
                self.hashes.insert(self.key.hash_one((&*event.id, &*event.source)));
            }
            next = end + 1;
        }
        Ok(())
    }

    /// Whether the event is one of those that were read.
    pub(super) fn has(&self, id: &str, source: &str) -> bool {
        !self.hashes.is_empty() && self.hashes.contains(&self.key.hash_one((id, source)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_covers_what_is_young_and_near_with_a_margin() {
        let window = Window { events: 100, age_ns: 10 * SLACK_NS };
        assert!(window.covers(0, 0) && window.covers(9 * SLACK_NS - 1, 49));
        assert!(!window.covers(9 * SLACK_NS, 0), "too old");
        assert!(!window.covers(0, 50), "too many since");
        assert!(!Window { events: 0, age_ns: u64::MAX }.covers(0, 0), "it remembers nothing");
    }
}
