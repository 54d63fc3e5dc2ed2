//! What a publisher gets back.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{HeaderValue, RETRY_AFTER};
use http::{HeaderName, StatusCode};
use plugbus_bus::{Disposition, Draft, InvalidEvent, PublishError, Receipt};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

use super::wait::Settled;
use crate::auth::Identity;
use crate::counters::count;
use crate::problem::{Problem, chain};
use crate::shared::Shared;

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// An event was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Accepted {
    /// The event's id.
    #[schema(example = "01890b6e-7c1a-7d53-9b1a-3c5b2f6d7e80")]
    pub(crate) id: String,
    /// The host's own number: strictly rising. 0 for one that was muted or is held back.
    pub(crate) seq: u64,
    /// Subscriptions that the event matched.
    pub(crate) matched: usize,
    /// Of these, how many have it as a dead letter already.
    pub(crate) dead: usize,
    /// Of these, how many dropped it by their policy.
    pub(crate) dropped: usize,
    /// What became of it: `delivered`, or `muted`, `held`, `too-many-hops`, `duplicate`, `journaling`.
    #[schema(example = "delivered")]
    pub(crate) disposition: &'static str,
}

impl From<&Receipt> for Accepted {
    fn from(receipt: &Receipt) -> Self {
        let disposition = match receipt.disposition {
            Disposition::Delivered => "delivered",
            Disposition::Muted => "muted",
            Disposition::Held => "held",
            Disposition::TooManyHops => "too-many-hops",
            Disposition::Duplicate => "duplicate",
            Disposition::Journaling => "journaling",
        };
        Self {
            id: receipt.id.to_string(),
            seq: receipt.seq,
            matched: receipt.matched,
            dead: receipt.dead,
            dropped: receipt.dropped,
            disposition,
        }
    }
}

/// Publishes one event; with a wait, says what became of it.
pub(crate) async fn publish(
    shared: &Shared,
    identity: &Identity,
    draft: Draft,
    wait: Option<Duration>,
) -> Result<Response, Problem> {
    identity.require_publish(&draft.topic)?;
    let Some(wait) = wait else {
        let receipt = shared.bus.publish(draft).await.map_err(|error| refused(&error))?;
        count(&shared.counters.events);
        return Ok((StatusCode::ACCEPTED, Json(Accepted::from(&receipt))).into_response());
    };
    let settled = shared.bus.publish_and_wait(draft, wait).await.map_err(|error| refused(&error))?;
    count(&shared.counters.events);
    let settled = Settled::from(&settled);
    let status = if settled.all_acked { StatusCode::OK } else { StatusCode::MULTI_STATUS };
    let applied = format!("wait={}", wait.as_secs());
    Ok((status, [(PREFERENCE_APPLIED, applied)], Json(settled)).into_response())
}

/// Why the bus did not take an event, as a problem.
pub(crate) fn refused(error: &PublishError) -> Problem {
    let status = match error {
        PublishError::Invalid { source: InvalidEvent::DataTooLarge { .. }, .. } => StatusCode::PAYLOAD_TOO_LARGE,
        PublishError::Invalid { source: InvalidEvent::HostTopic(_), .. } | PublishError::Undeclared { .. } => {
            StatusCode::FORBIDDEN
        }
        PublishError::Invalid { .. } => StatusCode::BAD_REQUEST,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let problem = Problem::new(status, chain(error));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return problem.with_header(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    problem
}
