//! How much is measured: enough for a figure, or as little as shows that it can be taken (`--quick`).

use std::sync::OnceLock;
use std::time::Duration;

/// How much less is measured when it should be quick.
const LESS: u32 = 50;
/// The least of anything.
const COUNT_MIN: u32 = 3;
const DURATION_MIN: Duration = Duration::from_millis(200);

static QUICK: OnceLock<()> = OnceLock::new();

/// From now on as little as possible is measured.
pub(crate) fn be_quick() {
    QUICK.get_or_init(|| ());
}

pub(crate) fn is_quick() -> bool {
    QUICK.get().is_some()
}

/// So many rounds, events or rows, or a few.
pub(crate) fn times(count: usize) -> usize {
    let few = count / LESS as usize;
    if is_quick() { few.max(COUNT_MIN as usize).min(count) } else { count }
}

/// The same for a number of bytes or events that is counted in 64 bits.
pub(crate) fn times_u64(count: u64) -> u64 {
    let few = count / u64::from(LESS);
    if is_quick() { few.max(u64::from(COUNT_MIN)).min(count) } else { count }
}

/// So long, or a moment.
pub(crate) fn lasting(duration: Duration) -> Duration {
    if is_quick() { (duration / LESS).max(DURATION_MIN).min(duration) } else { duration }
}
