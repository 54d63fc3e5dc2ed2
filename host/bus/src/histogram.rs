//! Counting by size: how often a value fell into each step of a fixed ladder. Plain atomics; nobody waits.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Values counted by steps. The steps never change, so that counts of different times can be compared.
#[derive(Debug)]
pub struct Histogram<const N: usize> {
    edges: &'static [u64; N],
    counts: [AtomicU64; N],
    /// Over the last edge.
    over: AtomicU64,
    sum: AtomicU64,
}

/// A reading of a [`Histogram`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistogramSnapshot {
    /// Each edge with the number of values up to it and over the edge before.
    pub steps: Vec<(u64, u64)>,
    /// All values.
    pub count: u64,
    /// Their sum; it wraps around.
    pub sum: u64,
}

impl<const N: usize> Histogram<N> {
    /// An empty one. The edges must rise.
    #[must_use]
    pub fn new(edges: &'static [u64; N]) -> Self {
        debug_assert!(edges.is_sorted(), "{edges:?}");
        let counts = std::array::from_fn(|_| AtomicU64::new(0));
        Self { edges, counts, over: AtomicU64::new(0), sum: AtomicU64::new(0) }
    }

    /// Counts a value.
    pub fn record(&self, value: u64) {
        let step = self.edges.partition_point(|edge| *edge < value);
        self.counts.get(step).unwrap_or(&self.over).fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }

    /// The sum of all values; it wraps around.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum.load(Relaxed)
    }

    /// Reads it. While values are being counted it is not one moment in time, but `count` is the sum of what it read.
    #[must_use]
    pub fn snapshot(&self) -> HistogramSnapshot {
        let steps: Vec<(u64, u64)> =
            self.edges.iter().zip(&self.counts).map(|(edge, count)| (*edge, count.load(Relaxed))).collect();
        let within: u64 = steps.iter().map(|(_, count)| count).sum();
        HistogramSnapshot { steps, count: within + self.over.load(Relaxed), sum: self.sum() }
    }
}

/// Steps of the time that handlers take, in nanoseconds: 10 µs to 30 s.
pub const TIME_STEPS_NS: [u64; 13] = [
    10_000,
    50_000,
    100_000,
    500_000,
    1_000_000,
    5_000_000,
    10_000_000,
    50_000_000,
    100_000_000,
    500_000_000,
    1_000_000_000,
    5_000_000_000,
    30_000_000_000,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fall_into_the_step_whose_edge_they_do_not_exceed() {
        let histogram = Histogram::new(&[10, 100]);
        for value in [0, 10, 11, 100, 101, 1_000_000] {
            histogram.record(value);
        }
        let read = histogram.snapshot();
        assert_eq!(read, HistogramSnapshot { steps: vec![(10, 2), (100, 2)], count: 6, sum: 1_000_222 });
    }
}
