//! How often somebody may ask: a bucket of permits that fills evenly (the generic cell rate algorithm), one for each name.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};

use crate::auth::Identity;
use crate::counters::count;
use crate::problem::Problem;
use crate::shared::Shared;

/// Seconds of permits that a full bucket holds.
const BURST_SECONDS: u64 = 2;
const SECOND_NS: u64 = 1_000_000_000;

/// The permits of one name. It remembers only when it would be full again.
#[derive(Debug, Default)]
pub(crate) struct Bucket(AtomicU64);

impl Bucket {
    /// Takes permits, or says how long until there are enough. More than a full bucket at once costs a full one. Pure but
    /// for the bucket: times are nanoseconds on any clock.
    fn take(&self, now_ns: u64, permits: u64, per_second: u64) -> Result<(), Duration> {
        let full = BURST_SECONDS * per_second;
        let cost = permits.min(full).saturating_mul(SECOND_NS) / per_second.max(1);
        let mut wait = 0;
        let taken = self.0.try_update(Relaxed, Relaxed, |full_again| {
            let next = full_again.max(now_ns).saturating_add(cost);
            wait = (next - now_ns).saturating_sub(BURST_SECONDS * SECOND_NS);
            (wait == 0).then_some(next)
        });
        taken.map(drop).map_err(|_| Duration::from_nanos(wait))
    }
}

/// Takes permits of whoever asks.
///
/// # Errors
/// 429, with the time to wait.
pub(crate) fn charge(shared: &Shared, identity: &Identity, permits: usize) -> Result<(), Problem> {
    let per_second = shared.settings.requests_per_second_max;
    let (Some(bucket), true) = (identity.bucket(), per_second > 0) else { return Ok(()) };
    let now_ns = u64::try_from(started().elapsed().as_nanos()).unwrap_or(u64::MAX);
    let permits = u64::try_from(permits).unwrap_or(u64::MAX);
    bucket.take(now_ns, permits, per_second).map_err(|wait| {
        count(&shared.counters.rate_limited);
        let detail = format!(
            "more than {per_second} requests in a second (http.requests_per_second_max; an event of a batch counts as \
             one); wait as the header Retry-After says"
        );
        let seconds = HeaderValue::from(wait.as_secs() + 1);
        Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).with_header(RETRY_AFTER, seconds)
    })
}

/// The beginning of time, for the buckets.
fn started() -> Instant {
    static STARTED: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    *STARTED
}

/// Charges every request.
pub(crate) async fn limit(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let charged = request.extensions().get::<Identity>().map_or(Ok(()), |identity| charge(&shared, identity, 1));
    match charged {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_then_fills_evenly() {
        let bucket = Bucket::default();
        let taken = (0..100).filter(|_| bucket.take(0, 1, 10).is_ok()).count();
        assert_eq!(taken, 20);
        assert_eq!(bucket.take(0, 1, 10), Err(Duration::from_millis(100)));
        assert_eq!(bucket.take(SECOND_NS / 10, 1, 10), Ok(()));
        assert!(bucket.take(SECOND_NS / 10, 1, 10).is_err());
        assert_eq!(bucket.take(60 * SECOND_NS, 1000, 10), Ok(()), "what is more than the bucket costs the bucket");
        assert!(bucket.take(60 * SECOND_NS, 1, 10).is_err());
    }
}
