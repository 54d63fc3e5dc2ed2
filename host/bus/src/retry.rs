//! The retry policy: how often and after which delay.

use std::num::NonZeroU32;
use std::time::Duration;

/// How an attempt that did not succeed is repeated.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    /// Attempts in all, the first included. Default 5.
    pub attempts: NonZeroU32,
    /// Delay before the second attempt; doubles with each further one. Default 100 ms.
    pub backoff_min: Duration,
    /// Bound on the doubling. Default 30 s.
    pub backoff_max: Duration,
    /// Bound on a delay that the handler asks for. Default 5 min. Worst case: a lane is held for this × attempts.
    pub retry_after_max: Duration,
    /// Which part of a backoff is random, 0 to 1. Default 0.2: a delay of 100 ms becomes 80 to 100 ms.
    pub jitter: f64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: NonZeroU32::MIN.saturating_add(4),
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(30),
            retry_after_max: Duration::from_secs(300),
            jitter: 0.2,
        }
    }
}

impl RetryPolicy {
    /// One attempt, no repetition.
    #[must_use]
    pub fn never() -> Self {
        Self { attempts: NonZeroU32::MIN, ..Self::default() }
    }

    /// The delay after an attempt (counted from 1). `random` is a number from 0 to 1; the delay is the full backoff at 0.
    #[must_use]
    pub fn backoff(&self, attempt: u32, random: f64) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        let full = self.backoff_min.saturating_mul(1 << doublings).min(self.backoff_max);
        let part = self.jitter.clamp(0.0, 1.0) * random.clamp(0.0, 1.0);
        // A jitter that is no number, or a backoff that floats cannot hold: none is taken off.
        Duration::try_from_secs_f64(full.as_secs_f64() * (1.0 - part)).unwrap_or(full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_to_its_bound() {
        let policy = RetryPolicy::default();
        let millis: Vec<_> = (1..=12).map(|n| policy.backoff(n, 0.0).as_millis()).collect();
        assert_eq!(millis, [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000, 30000]);
        assert_eq!(policy.backoff(u32::MAX, 0.0).as_millis(), 30000);
    }

    #[test]
    fn jitter_only_shortens_and_stays_in_its_part() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.backoff(1, 1.0).as_millis(), 80);
        assert_eq!(policy.backoff(1, 0.5).as_millis(), 90);
        assert_eq!(policy.backoff(1, f64::INFINITY).as_millis(), 80);
    }

    #[test]
    fn no_setting_breaks_the_reckoning() {
        let ever = Duration::MAX;
        let policy = RetryPolicy { backoff_min: ever, backoff_max: ever, ..RetryPolicy::default() };
        assert!(policy.backoff(1, 0.0) >= Duration::from_secs(1 << 40));
        assert!(policy.backoff(9, 1.0) >= Duration::from_secs(1 << 40));
        for jitter in [f64::NAN, f64::INFINITY, -1.0] {
            let policy = RetryPolicy { jitter, ..RetryPolicy::default() };
            assert!(policy.backoff(1, 0.5) <= Duration::from_millis(100), "{jitter}");
        }
    }
}
