//! Batches: a JSON array of events, with a result for each.

use std::collections::VecDeque;
use std::fmt;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use plugbus_bus::cloudevents::raw;
use plugbus_bus::{Draft, Publishing};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::receipt::{Accepted, refused};
use crate::auth::Identity;
use crate::counters::count;
use crate::problem::{Problem, chain};
use crate::rate;
use crate::shared::Shared;

/// Events of one batch that are on their way into the journal at one time: enough to share its commits.
const PUBLISHING_MAX: usize = 256;

/// What becomes of a batch in which an event is wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Policy {
    /// The others are published.
    #[default]
    Each,
    /// None is published.
    All,
}

/// What became of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Outcome {
    /// Events that were accepted.
    accepted: usize,
    /// Events that were not.
    refused: usize,
    /// One for each event, in the order of the batch.
    results: Vec<EventResult>,
}

/// What became of one event of a batch.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum EventResult {
    /// It was accepted.
    Accepted {
        /// 202.
        status: u16,
        #[serde(flatten)]
        accepted: Accepted,
    },
    /// It was not, and this is why.
    Refused(Problem),
}

impl From<Result<Accepted, Problem>> for EventResult {
    fn from(result: Result<Accepted, Problem>) -> Self {
        match result {
            Ok(accepted) => Self::Accepted { status: StatusCode::ACCEPTED.as_u16(), accepted },
            Err(problem) => Self::Refused(problem),
        }
    }
}

/// Publishes the events of a batch in their order.
///
/// # Errors
/// Where it is no batch, or has too many events; or where one is wrong and it is to be all or none. Nothing of it is
/// published then.
pub(super) async fn publish(
    shared: &Shared,
    identity: &Identity,
    text: &str,
    policy: Policy,
) -> Result<Response, Problem> {
    let max = shared.settings.batch_events_max;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let raw = Events { max }.deserialize(&mut deserializer).and_then(|events| deserializer.end().map(|()| events));
    let raw = raw.map_err(|error| Problem::bad_request(format!("the batch is no JSON array of events: {error}")))?;
    if raw.len() > max {
        let detail = format!("the batch has more than {max} events (http.batch_events_max); send it in parts");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    // The request itself has been paid for.
    rate::charge(shared, identity, raw.len().saturating_sub(1))?;
    let drafts: Vec<Result<Draft, Problem>> = raw.into_iter().map(|event| draft(shared, identity, event)).collect();
    if policy == Policy::All && drafts.iter().any(Result::is_err) {
        return Ok((StatusCode::BAD_REQUEST, Json(none_of(drafts))).into_response());
    }
    let results = publish_all(shared, drafts).await;
    let accepted = results.iter().filter(|result| matches!(result, EventResult::Accepted { .. })).count();
    let outcome = Outcome { accepted, refused: results.len() - accepted, results };
    let status = if outcome.refused == 0 { StatusCode::ACCEPTED } else { StatusCode::MULTI_STATUS };
    Ok((status, Json(outcome)).into_response())
}

/// Reads one event, and checks all that can be known of it beforehand.
fn draft(shared: &Shared, identity: &Identity, event: &RawValue) -> Result<Draft, Problem> {
    let draft = raw::read_strict(event.get()).map_err(|error| Problem::bad_request(chain(&error)))?;
    identity.require_publish(&draft.topic)?;
    shared.bus.check(draft).map_err(|error| refused(&error))
}

/// Every event is told why it was not published; those that are fine, that another one is not.
fn none_of(drafts: Vec<Result<Draft, Problem>>) -> Outcome {
    let others = "another event of the batch is wrong, and it is all or none (`batch=all`)";
    let results: Vec<EventResult> = drafts
        .into_iter()
        .map(|draft| {
            EventResult::Refused(draft.err().unwrap_or_else(|| Problem::new(StatusCode::FAILED_DEPENDENCY, others)))
        })
        .collect();
    Outcome { accepted: 0, refused: results.len(), results }
}

/// Begins to publish one after the other, and waits for them in the same order, so that they share the journal's commits.
async fn publish_all(shared: &Shared, drafts: Vec<Result<Draft, Problem>>) -> Vec<EventResult> {
    let mut results = Vec::with_capacity(drafts.len());
    let mut begun: VecDeque<Result<Publishing, Problem>> = VecDeque::new();
    for draft in drafts {
        if begun.len() == PUBLISHING_MAX
            && let Some(first) = begun.pop_front()
        {
            results.push(finish(shared, first).await);
        }
        begun.push_back(match draft {
            Ok(draft) => shared.bus.begin_publish(draft).await.map_err(|error| refused(&error)),
            Err(problem) => Err(problem),
        });
    }
    for next in begun {
        results.push(finish(shared, next).await);
    }
    results
}

async fn finish(shared: &Shared, begun: Result<Publishing, Problem>) -> EventResult {
    let finished = async {
        let receipt = begun?.finish().await.map_err(|error| refused(&error))?;
        count(&shared.counters.events);
        Ok(Accepted::from(&receipt))
    };
    finished.await.into()
}

/// Reads an array of at most one more event than is allowed: then it is known that there are too many.
struct Events {
    max: usize,
}

impl<'de> DeserializeSeed<'de> for Events {
    type Value = Vec<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Events {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut events = Vec::new();
        while let Some(event) = seq.next_element()? {
            events.push(event);
            if events.len() > self.max {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
            }
        }
        Ok(events)
    }
}
