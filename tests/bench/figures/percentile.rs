//! Percentiles. Pure.

use std::time::Duration;

/// The duration that so many per cent of all do not exceed. Sorts them.
pub(crate) fn percentile(durations: &mut [Duration], per_cent: usize) -> Duration {
    per_mille(durations, per_cent * 10)
}

/// The duration that so many of a thousand do not exceed. Sorts them.
pub(crate) fn per_mille(durations: &mut [Duration], per_mille: usize) -> Duration {
    durations.sort_unstable();
    let place = (durations.len() * per_mille).div_ceil(1000).saturating_sub(1);
    durations.get(place).copied().expect("something was measured")
}
