//! What an answer means for the event that led to the request. Pure.

use std::time::Duration;

use super::{Response, shown};
use crate::{Failure, Result};

/// Longest wait that an answer may ask for; the host has a bound of its own.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

impl Response {
    /// What a status means for an event that somebody was to be told of by this request: nothing more for 2xx. What may pass
    /// (5xx, 429 Too Many Requests, 408 Request Timeout, 425 Too Early) is to be retried, after the time that `Retry-After` asks
    /// for in seconds. Everything else is rejected; a redirection too, for it is not followed.
    ///
    /// # Errors
    /// A [`Failure`] for the handler to return, with the status and the beginning of what was said about it. `server` is what
    /// the text calls the other side, `webhook` say.
    pub fn verdict(&self, server: &str) -> Result<()> {
        match self.status {
            200..=299 => Ok(()),
            408 | 425 | 429 | 500..=599 => Err(match self.retry_after() {
                Some(after) => Failure::retry_after(self.reason(server), after),
                None => Failure::retry(self.reason(server)),
            }),
            300..=399 => {
                let location = shown(self.header("location").unwrap_or("nowhere"));
                let status = self.status;
                Err(Failure::reject(format!(
                    "{server} answered {status}, a redirection to {location}: set `url` to it"
                )))
            }
            _ => Err(Failure::reject(self.reason(server))),
        }
    }

    /// The seconds of `Retry-After`; a date there is not understood and means the policy's backoff.
    fn retry_after(&self) -> Option<Duration> {
        let seconds: u64 = self.header("retry-after")?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
    }

    /// The status, and the beginning of what the server said about it.
    fn reason(&self, server: &str) -> String {
        match shown(self.text().trim()) {
            nothing if nothing.is_empty() => format!("{server} answered {}", self.status),
            excerpt => format!("{server} answered {}: {excerpt}", self.status),
        }
    }
}
