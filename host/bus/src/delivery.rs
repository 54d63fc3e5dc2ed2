//! What follows from an attempt: pure, so that the whole table of cases can be tested in microseconds.

use std::time::Duration;

use crate::handler::{Failure, FaultKind, HandlerError, Outcome};
use crate::retry::RetryPolicy;

/// What the worker does next with a delivery.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Settled: the outbox is released.
    Ack,
    /// Again after a delay, with the attempt number one higher.
    Retry {
        /// The delay.
        after: Duration,
    },
    /// Again at once under the same attempt number: the handler was cut off through no fault of the event.
    Again,
    /// Settled: it becomes a dead letter.
    Dead(Verdict),
}

/// Why a delivery is given up after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The handler rejected it.
    Rejected,
    /// The attempts are used up.
    Exhausted,
}

/// Decides what follows from an attempt (counted from 1). `random` is a number from 0 to 1 for the jitter.
#[must_use]
pub fn decide(attempt: u32, outcome: &Outcome, policy: &RetryPolicy, random: f64) -> Next {
    let asked = match outcome {
        Ok(_) => return Next::Ack,
        Err(HandlerError::Failure(Failure::Reject(_))) => return Next::Dead(Verdict::Rejected),
        Err(HandlerError::Fault(fault)) if fault.kind == FaultKind::Cancelled => return Next::Again,
        Err(HandlerError::Failure(Failure::Retry { after, .. })) => *after,
        Err(HandlerError::Fault(_)) => None,
    };
    if attempt >= policy.attempts.get() {
        return Next::Dead(Verdict::Exhausted);
    }
    let after = match asked {
        Some(after) => after.min(policy.retry_after_max),
        None => policy.backoff(attempt, random),
    };
    Next::Retry { after }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::{Fault, Reply};

    #[test]
    fn every_outcome_has_its_consequence() {
        let policy = RetryPolicy::default();
        let ok: Outcome = Ok(Reply(None));
        let fault = |kind| -> Outcome { Err(Fault::new(kind, "x").into()) };
        let failure = |failure: Failure| -> Outcome { Err(failure.into()) };
        let retry = |millis| Next::Retry { after: Duration::from_millis(millis) };
        let hint = |secs| failure(Failure::retry_after("x", Duration::from_secs(secs)));
        let table = [
            (1, ok.clone(), Next::Ack),
            (9, ok, Next::Ack),
            (1, failure(Failure::reject("x")), Next::Dead(Verdict::Rejected)),
            (1, failure(Failure::retry("x")), retry(100)),
            (4, failure(Failure::retry("x")), retry(800)),
            (5, failure(Failure::retry("x")), Next::Dead(Verdict::Exhausted)),
            (1, hint(7), retry(7000)),
            (1, hint(86_400), retry(300_000)),
            (5, hint(7), Next::Dead(Verdict::Exhausted)),
            (1, fault(FaultKind::Trap), retry(100)),
            (5, fault(FaultKind::Trap), Next::Dead(Verdict::Exhausted)),
            (5, fault(FaultKind::Cancelled), Next::Again),
        ];
        for (attempt, outcome, expected) in table {
            assert_eq!(decide(attempt, &outcome, &policy, 0.0), expected, "attempt {attempt}, {outcome:?}");
        }
    }

    #[test]
    fn one_attempt_means_one() {
        let outcome: Outcome = Err(Failure::retry("x").into());
        assert_eq!(decide(1, &outcome, &RetryPolicy::never(), 0.0), Next::Dead(Verdict::Exhausted));
    }
}
