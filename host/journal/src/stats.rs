//! What a journal tells of itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Steps of [`CommitTimes`]: powers of two of a microsecond, the last one open.
const STEPS: usize = 32;

/// Figures of a journal. Counters begin at 0 when it is opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalStats {
    /// Events appended.
    pub appended: u64,
    /// Events recognised as duplicates.
    pub duplicates: u64,
    /// Events refused.
    pub refused: u64,
    /// Writes carried out, those of events included.
    pub writes: u64,
    /// Commits, each with one sync but in the mode `os`.
    pub commits: u64,
    /// Commits that failed.
    pub failed_commits: u64,
    /// How long commits took, sync included.
    pub commit_times: CommitTimes,
    /// Times that the write-ahead log was written back into the database.
    pub checkpoints: u64,
    /// Bytes of the database in use: what `bytes_max` bounds.
    pub bytes: u64,
    /// Bytes of the database's file.
    pub file_bytes: u64,
    /// Number of the first event that is kept.
    pub first: u64,
    /// Number of the last event.
    pub last: u64,
    /// Deliveries that have ended and could not be written down, ever: they come again after a restart.
    pub unwritten: u64,
    /// Events retired.
    pub retired: u64,
    /// Events that cursors lost because the journal was full, by cursor, sorted.
    pub dropped: Vec<(plugbus_bus::Name, u64)>,
    /// Writes that are queued or held.
    pub queued: u64,
    /// Why it refuses events now, in words; none while it takes them.
    pub trouble: Option<String>,
}

/// How long commits took, in steps of powers of two.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitTimes {
    steps: [u64; STEPS],
    sum_ns: u64,
    max_ns: u64,
}

impl CommitTimes {
    /// The sum.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_ns)
    }

    /// The longest.
    #[must_use]
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max_ns)
    }

    /// A time that this part (0 to 1) of all commits did not exceed, up to a factor of two; zero before the first.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Duration {
        let count: u64 = self.steps.iter().sum();
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
        let rank = (part.clamp(0.0, 1.0) * count as f64).ceil() as u64;
        let mut below = 0;
        for (step, commits) in (0u32..).zip(&self.steps) {
            below += commits;
            if count > 0 && below >= rank.max(1) {
                return Duration::from_micros(1 << step).min(self.max());
            }
        }
        Duration::ZERO
    }

    pub(crate) fn add(&mut self, time: Duration) {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let step = (u64::BITS - (ns / 1000).leading_zeros()) as usize;
        if let Some(commits) = self.steps.get_mut(step.min(STEPS - 1)) {
            *commits += 1;
        }
        self.sum_ns = self.sum_ns.saturating_add(ns);
        self.max_ns = self.max_ns.max(ns);
    }
}

/// How many writes are on their way, counted where they come in and where they leave.
#[derive(Debug, Default)]
pub(crate) struct Depth(AtomicU64);

impl Depth {
    pub(crate) fn enter(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn leave(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_up_to_a_factor_of_two() {
        let mut times = CommitTimes::default();
        assert_eq!(times.quantile(0.5), Duration::ZERO);
        for _ in 0..90 {
            times.add(Duration::from_micros(100));
        }
        for _ in 0..10 {
            times.add(Duration::from_micros(5000));
        }
        assert_eq!(times.quantile(0.5), Duration::from_micros(128));
        assert_eq!(times.quantile(0.9), Duration::from_micros(128));
        assert_eq!(times.quantile(0.99), Duration::from_micros(5000));
        assert_eq!((times.max(), times.sum()), (Duration::from_millis(5), Duration::from_millis(59)));
        times.add(Duration::MAX);
        assert_eq!(times.quantile(1.0), Duration::from_micros(1 << 31));
    }
}
