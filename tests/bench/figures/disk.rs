//! What the figures of the journal are taken with: folders on the disk of the target folder, buses on a journal in one, and
//! rates.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use plugbus::bus::Bus;
use plugbus::journal::{DiskJournal, JournalConfig, JournalStats};
use tempfile::TempDir;

use crate::host::{PATIENCE, TOPIC, draft, draft_of};

/// Rows, and bytes of each, that make a write-ahead log longer than the 8 MiB at which it is written back.
pub(crate) const GROWTH_ROWS: u32 = 12;
pub(crate) const GROWTH_BYTES: usize = 900 << 10;

/// An empty folder that is removed when dropped. Where the system has its temporary folders in memory these are not: what
/// a sync costs is what a disk makes of it.
pub(crate) fn folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .expect("a temporary folder is made")
}

/// A bus on a journal.
pub(crate) struct OnDisk {
    pub(crate) bus: Bus,
    journal: Arc<DiskJournal>,
}

impl OnDisk {
    /// Opens the journal, or makes it.
    pub(crate) fn open(config: JournalConfig) -> Self {
        let journal = Arc::new(DiskJournal::open(config).expect("the journal opens"));
        let bus = Bus::builder().journal(journal.clone()).build();
        Self { bus, journal }
    }

    pub(crate) fn stats(&self) -> JournalStats {
        self.journal.stats()
    }

    /// Lets the write-ahead log grow to the length at which it is written back and then written over. Until then, in the
    /// first seconds of a new journal, each sync waits for the file system to note how long the log is now, too.
    pub(crate) async fn grow_log(&self) {
        for _ in 0..GROWTH_ROWS {
            let draft = draft_of(TOPIC, vec![b' '; GROWTH_BYTES].into());
            self.bus.publish(draft).await.expect("the bus takes an event");
        }
    }

    /// Publishes so many events, each as soon as the journal lets it in, and waits until all are committed.
    pub(crate) async fn fill(&self, count: u64) {
        for _ in 1..count {
            drop(self.bus.begin_publish(draft()).await.expect("the bus takes an event"));
        }
        // The journal commits in the order in which it was given: the last one is the end of all.
        self.bus.publish(draft()).await.expect("the bus takes an event");
    }

    /// Shuts the bus down, and sees that the journal refused nothing.
    pub(crate) async fn close(self) {
        let stats = self.stats();
        assert_eq!((stats.refused, stats.failed_commits, stats.trouble), (0, 0, None));
        let report = self.bus.shutdown(PATIENCE).await;
        assert!(report.unsettled.is_empty() && report.backlog.is_empty(), "{report:?}");
    }
}

/// Events, and the time that they took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rate {
    pub(crate) events: u64,
    pub(crate) time: Duration,
}

impl Rate {
    pub(crate) fn since(began: Instant, events: u64) -> Self {
        Self { events, time: began.elapsed() }
    }

    /// Events a second.
    pub(crate) fn per_second(self) -> f64 {
        self.events as f64 / self.time.as_secs_f64()
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.events += other.events;
        self.time += other.time;
    }
}

/// Events a second in the median turn.
pub(crate) fn median(turns: &[Rate]) -> f64 {
    let mut rates: Vec<f64> = turns.iter().map(|turn| turn.per_second()).collect();
    rates.sort_unstable_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().expect("something was measured")
}

/// The database in a journal's folder.
pub(crate) fn database(folder: &Path) -> PathBuf {
    folder.join("journal.db")
}
