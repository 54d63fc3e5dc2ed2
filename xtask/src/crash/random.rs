//! Chance that can be repeated: the same seed, the same numbers. Good enough to choose moments with, and for nothing else.

use std::time::Duration;

/// A sequence of numbers (SplitMix64).
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from the first to the last, both included.
    pub(super) fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.next() % (last.saturating_sub(first) + 1)
    }

    /// A time from the first to the last, in milliseconds.
    pub(super) fn time(&mut self, first_ms: u64, last_ms: u64) -> Duration {
        Duration::from_micros(self.between(first_ms * 1000, last_ms * 1000))
    }

    /// Once in so many times.
    pub(super) fn once_in(&mut self, times: u64) -> bool {
        self.between(1, times) == 1
    }

    /// One of several; the first where there is nothing to choose from.
    pub(super) fn one_of<T: Copy>(&mut self, first: T, others: &[T]) -> T {
        let place = self.between(0, others.len() as u64);
        usize::try_from(place).ok().and_then(|place| others.get(place.checked_sub(1)?)).copied().unwrap_or(first)
    }

    /// A sequence of its own.
    pub(super) fn fork(&mut self) -> Self {
        Self(self.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lie_within_their_bounds_and_come_again_with_the_seed() {
        let numbers = |seed| {
            let mut random = Random::new(seed);
            (0..200).map(|_| random.between(3, 9)).collect::<Vec<_>>()
        };
        assert_eq!(numbers(7), numbers(7));
        assert_ne!(numbers(7), numbers(8));
        assert_eq!((numbers(1).into_iter().min(), numbers(1).into_iter().max()), (Some(3), Some(9)));
        let mut random = Random::new(1);
        let seen: std::collections::BTreeSet<_> = (0..100).map(|_| random.one_of('a', &['b', 'c'])).collect();
        assert_eq!(seen.into_iter().collect::<String>(), "abc");
        assert_eq!(random.one_of(1, &[]), 1);
    }
}
