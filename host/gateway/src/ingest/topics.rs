//! `POST /v1/topics/{topic}`: any body as the data of an event.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use plugbus_bus::{Draft, Payload, Topic, cloudevents};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::IntoParams;

use super::body::Data;
use super::params::{Params, TopicPath};
use super::receipt::{Accepted, publish};
use super::wait::{Settled, wanted};
use super::{binary, traced};
use crate::auth::Identity;
use crate::problem::Problem;
use crate::shared::Shared;

/// What may stand in the query; each is also a header `ce-…`.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TopicQuery {
    /// Identity of the event; with the source it names the event for good. Default a UUIDv7.
    #[param(min_length = 1, max_length = 255)]
    id: Option<String>,
    /// Who publishes. Default the host's own.
    #[param(min_length = 1, max_length = 255)]
    source: Option<String>,
    /// What the event is about; at most 4096 bytes.
    #[param(min_length = 1, max_length = 1024)]
    subject: Option<String>,
    /// Wait so many seconds until every subscriber has settled the event; without a value 30, at most 600.
    pub(super) wait: Option<String>,
}

/// Publish an event: the body is its data
///
/// The media type of the data is that of the body; without one, JSON is taken for JSON and text for text. Attributes and
/// extensions may stand in headers `ce-…`, percent-encoded as in the binary mode of CloudEvents.
#[utoipa::path(
    post,
    path = "/v1/topics/{topic}",
    tag = "publish",
    params(("topic" = String, Path, description = "Where to publish, such as `build.done`", min_length = 1, max_length = 255), TopicQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The data, of any media type"),
    responses(
        (status = 202, description = "The event was accepted, under the durability that is configured", body = Accepted),
        (status = 200, description = "Every subscriber has acked", body = Settled),
        (status = 207, description = "Not every subscriber has acked", body = Settled),
        (status = "4XX", description = "The request is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The host has no room, or is stopping", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn post(
    State(shared): State<Shared>,
    identity: Identity,
    TopicPath(topic): TopicPath,
    Params(query): Params<TopicQuery>,
    headers: HeaderMap,
    Data(data): Data,
) -> Result<Response, Problem> {
    let wait = wanted(query.wait.as_deref(), &headers)?;
    publish(&shared, &identity, draft(topic, &query, &headers, data)?, wait).await
}

/// The event that a body, a query and headers make.
pub(super) fn draft(
    topic: Topic,
    query: &TopicQuery,
    headers: &HeaderMap,
    data: bytes::Bytes,
) -> Result<Draft, Problem> {
    let mut attributes = binary::attributes(headers).map_err(|error| Problem::bad_request(error.to_string()))?;
    for (name, given) in [("id", &query.id), ("source", &query.source), ("subject", &query.subject)] {
        if let Some(given) = given {
            put(&mut attributes, name, given, "the query")?;
        }
    }
    put(&mut attributes, "type", topic.as_str(), "the path")?;
    let draft = cloudevents::draft_from_json(&Value::Object(attributes));
    let draft = draft.map_err(|error| Problem::bad_request(error.to_string()))?;
    Ok(traced(draft.payload(payload(headers, data)?), headers))
}

/// Two places that say the same are fine; of two that differ neither is obeyed.
fn put(attributes: &mut Map<String, Value>, name: &str, value: &str, place: &str) -> Result<(), Problem> {
    match attributes.insert(name.into(), value.into()) {
        Some(before) if before != value => Err(Problem::bad_request(format!(
            "`{name}` is one thing in the header `ce-{name}` and another in {place}; leave one of them out"
        ))),
        _ => Ok(()),
    }
}

/// The data with its media type, which is checked where it says JSON.
pub(super) fn payload(headers: &HeaderMap, data: bytes::Bytes) -> Result<Payload, Problem> {
    let given = headers.get(CONTENT_TYPE).map(|value| value.to_str()).transpose();
    let given = given.map_err(|_| Problem::bad_request("header `content-type` has bytes beyond printable ASCII"))?;
    let Some(given) = given else {
        return Ok(Payload::new(guessed(&data), data));
    };
    let payload = Payload::new(given, data);
    if payload.is_json() && !payload.data.is_empty() {
        json(&payload.data).map_err(|problem| {
            Problem::bad_request(format!("the body is not JSON, as its content type says: {problem}"))
        })?;
    }
    Ok(payload)
}

/// What data is that nobody says anything about.
fn guessed(data: &[u8]) -> &'static str {
    match std::str::from_utf8(data) {
        _ if data.is_empty() => "application/octet-stream",
        Ok(_) if json(data).is_ok() => "application/json",
        Ok(_) => "text/plain; charset=utf-8",
        Err(_) => "application/octet-stream",
    }
}

/// Whether bytes are JSON, however deep.
fn json(data: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(data).map_err(|error| error.to_string())?;
    serde_json::from_str::<serde::de::IgnoredAny>(text).map(drop).map_err(|error| error.to_string())
}
