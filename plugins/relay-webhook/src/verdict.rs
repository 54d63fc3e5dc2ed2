//! What an answer means for the event. Pure.

use std::time::Duration;

use plugbus_sdk::http::Response;
use plugbus_sdk::prelude::*;

/// Most characters of an answer's body in a reason.
const EXCERPT_CHARACTERS_MAX: usize = 200;
/// Longest wait that an answer may ask for; the host has a bound of its own.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Ok for 2xx. What may pass (5xx, 429 Too Many Requests, 408 Request Timeout, 425 Too Early) is retried, after the time
/// that `Retry-After` asks for in seconds. Everything else is rejected; a redirection too, for it is not followed.
pub(crate) fn verdict(response: &Response) -> Result<()> {
    let status = response.status;
    match status {
        200..=299 => Ok(()),
        408 | 425 | 429 | 500..=599 => Err(match retry_after(response) {
            Some(after) => Failure::retry_after(reason(response), after),
            None => Failure::retry(reason(response)),
        }),
        300..=399 => {
            let location = response.header("location").unwrap_or("nowhere");
            let location: String = location.chars().take(EXCERPT_CHARACTERS_MAX).flat_map(char::escape_debug).collect();
            Err(Failure::reject(format!("webhook answered {status}, a redirection to {location}: set `url` to it")))
        }
        _ => Err(Failure::reject(reason(response))),
    }
}

/// The seconds of `Retry-After`; a date there is not understood and means the policy's backoff.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds: u64 = response.header("retry-after")?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// The status, and the beginning of what the server said about it.
fn reason(response: &Response) -> String {
    let text = response.text();
    let excerpt: String = text.trim().chars().take(EXCERPT_CHARACTERS_MAX).flat_map(char::escape_debug).collect();
    if excerpt.is_empty() {
        return format!("webhook answered {}", response.status);
    }
    format!("webhook answered {}: {excerpt}", response.status)
}
