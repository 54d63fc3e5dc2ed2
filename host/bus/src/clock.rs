//! The clocks, read at the edge.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// What "for ever" means where a point in time is needed.
const EVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// The time after a delay; of one that no clock reaches, some decades on.
pub(crate) fn after(delay: Duration) -> Instant {
    Instant::now() + delay.min(EVER)
}

/// Nanoseconds since the Unix epoch; 0 for a clock before it.
pub(crate) fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
