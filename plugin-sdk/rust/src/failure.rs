//! "I could not handle this": what a handler returns as its error.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// The result of a plugin's functions.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why an event was not handled, and whether it should come again.
///
/// Any `std::error::Error` becomes a failure through `?`, with the whole chain of its causes in the reason:
/// a [`std::io::Error`], an HTTP request that got no answer and a store that refused are retried, and what they are the cause
/// of; everything else is rejected. For this to work a failure is not itself a `std::error::Error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Deliver again later; after the last attempt of the policy (5 by default) the event becomes a dead letter.
    Retry {
        /// For people: goes into logs and, after the last attempt, the dead letter.
        reason: String,
        /// How long to wait, instead of the policy's backoff. The host bounds it (5 minutes by default).
        after: Option<Duration>,
    },
    /// Repetition is pointless: the event becomes a dead letter at once, with this reason.
    Reject(String),
}

impl Failure {
    /// Asks for another attempt after the policy's backoff.
    pub fn retry(reason: impl fmt::Display) -> Self {
        Self::Retry { reason: reason.to_string(), after: None }
    }

    /// Asks for another attempt after a delay of the handler's choice.
    pub fn retry_after(reason: impl fmt::Display, after: Duration) -> Self {
        Self::Retry { reason: reason.to_string(), after: Some(after) }
    }

    /// Gives the event up.
    pub fn reject(reason: impl fmt::Display) -> Self {
        Self::Reject(reason.to_string())
    }

    /// The reason, for people.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Retry { reason, .. } | Self::Reject(reason) => reason,
        }
    }

    /// Whether another attempt is asked for.
    #[must_use]
    pub fn is_retry(&self) -> bool {
        matches!(self, Self::Retry { .. })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retry { reason, .. } => write!(f, "retry: {reason}"),
            Self::Reject(reason) => write!(f, "reject: {reason}"),
        }
    }
}

impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        from_error(&error)
    }
}

/// Not generic, so that it is compiled into a plugin once.
fn from_error(error: &(dyn Error + 'static)) -> Failure {
    let mut reason = error.to_string();
    let mut transient = is_transient(error);
    let mut source = error.source();
    while let Some(cause) = source {
        reason.push_str(": ");
        reason.push_str(&cause.to_string());
        transient |= is_transient(cause);
        source = cause.source();
    }
    if transient { Failure::retry(reason) } else { Failure::Reject(reason) }
}

/// Whether the surroundings failed, not the event: then another attempt may fare better.
fn is_transient(error: &(dyn Error + 'static)) -> bool {
    #[cfg(feature = "http")]
    if let Some(error) = error.downcast_ref::<crate::http::HttpError>() {
        return error.is_transient();
    }
    if let Some(error) = error.downcast_ref::<crate::state::StateError>() {
        return error.is_transient();
    }
    error.is::<std::io::Error>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(result: Result<()>) -> Failure {
        result.unwrap_err()
    }

    #[test]
    fn an_ordinary_error_rejects_and_a_failed_io_is_retried() {
        let parse = || -> Result<()> {
            "x".parse::<u32>()?;
            Ok(())
        };
        assert_eq!(failed(parse()), Failure::reject("invalid digit found in string"));
        let io = || -> Result<()> { Err(std::io::Error::other("disk full"))? };
        assert_eq!(failed(io()), Failure::retry("disk full"));
    }

    #[test]
    fn the_reason_names_every_cause() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot read rule 3")]
        struct Outer(#[source] std::num::ParseIntError);
        let error = Outer("x".parse::<u32>().unwrap_err());
        assert_eq!(Failure::from(error), Failure::reject("cannot read rule 3: invalid digit found in string"));

        #[derive(Debug, thiserror::Error)]
        #[error("cannot write")]
        struct Write(#[source] std::io::Error);
        assert_eq!(Failure::from(Write(std::io::Error::other("disk full"))), Failure::retry("cannot write: disk full"));
    }

    #[test]
    fn a_failure_passes_through_unchanged() {
        let outer = || -> Result<()> { Err(Failure::retry_after("busy", Duration::from_secs(3)))? };
        assert_eq!(failed(outer()), Failure::Retry { reason: "busy".into(), after: Some(Duration::from_secs(3)) });
        assert_eq!(Failure::retry("x").to_string(), "retry: x");
        assert!(Failure::retry("x").is_retry() && !Failure::reject("x").is_retry());
    }
}
