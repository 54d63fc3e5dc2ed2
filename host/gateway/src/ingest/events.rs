//! `POST /v1/events`: CloudEvents 1.0 over HTTP, in all three modes.

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use plugbus_bus::cloudevents::{self, raw};
use plugbus_bus::{Draft, Payload};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::batch::{self, Outcome, Policy};
use super::body::Data;
use super::params::Params;
use super::receipt::{Accepted, publish};
use super::topics::payload;
use super::wait::{Settled, wanted};
use super::{binary, traced};
use crate::auth::Identity;
use crate::problem::{Problem, chain};
use crate::shared::Shared;

/// The media type of one event in its JSON format.
const STRUCTURED: &str = "application/cloudevents+json";
/// The media type of a JSON array of them.
const BATCH: &str = "application/cloudevents-batch+json";

/// What may stand in the query.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventQuery {
    /// Wait so many seconds until every subscriber has settled the event; without a value 30, at most 600. For one event.
    wait: Option<String>,
    /// What becomes of a batch in which an event is wrong: `each` event stands for itself, or it is `all` or none.
    #[serde(default)]
    #[param(inline)]
    batch: Policy,
}

/// What was accepted: an event, or a batch.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "for the document alone")]
enum Taken {
    One(Accepted),
    Batch(Outcome),
}

/// What was not accepted or acked everywhere: an event, or a batch.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "for the document alone")]
enum Mixed {
    One(Settled),
    Batch(Outcome),
}

/// Publish CloudEvents
///
/// In the structured mode (`application/cloudevents+json`), as a batch (`application/cloudevents-batch+json`), or in the
/// binary mode: attributes in headers `ce-…`, percent-encoded; the body is the data.
#[utoipa::path(
    post,
    path = "/v1/events",
    tag = "publish",
    params(EventQuery),
    request_body(content(
        (Value = "application/cloudevents+json", example = json!({
            "specversion": "1.0", "id": "1", "source": "/ci", "type": "build.done", "data": {"ok": true}})),
        (Vec<Value> = "application/cloudevents-batch+json"),
        (Vec<u8> = "application/octet-stream"),
    )),
    responses(
        (status = 202, description = "Accepted, under the durability that is configured; of a batch, every event", body = Taken),
        (status = 200, description = "Every subscriber has acked", body = Settled),
        (status = 207, description = "Not every subscriber has acked; of a batch, not every event was accepted", body = Mixed),
        (status = 400, description = "The request is wrong; of a batch that is to be all or none, an event is", content((Problem = "application/problem+json"), (Outcome = "application/json"))),
        (status = "4XX", description = "The request is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The host has no room, or is stopping", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn post(
    State(shared): State<Shared>,
    identity: Identity,
    Params(query): Params<EventQuery>,
    headers: HeaderMap,
    Data(data): Data,
) -> Result<Response, Problem> {
    let draft = match mode(&headers)? {
        Mode::Structured => structured(&data)?,
        Mode::Binary => from_headers(&headers, data)?,
        Mode::Batch if query.wait.is_some() => {
            return Err(Problem::bad_request("query: `wait` is for one event; a batch is not waited for"));
        }
        Mode::Batch => return batch::publish(&shared, &identity, text(&data)?, query.batch).await,
    };
    let wait = wanted(query.wait.as_deref(), &headers)?;
    publish(&shared, &identity, traced(draft, &headers), wait).await
}

/// How events stand in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Structured,
    Batch,
    Binary,
}

/// The mode that the headers say. Pure.
fn mode(headers: &HeaderMap) -> Result<Mode, Problem> {
    let unsupported = |detail: String| Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (essence, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let essence = essence.trim().to_ascii_lowercase();
    let mode = match essence.as_str() {
        STRUCTURED => Mode::Structured,
        BATCH => Mode::Batch,
        other if other.starts_with("application/cloudevents") => {
            let other: String = other.chars().take(80).collect();
            return unsupported(format!("`{other}` is not taken; {STRUCTURED} and {BATCH} are"));
        }
        _ if headers.keys().any(|name| name.as_str().starts_with(binary::PREFIX)) => return Ok(Mode::Binary),
        _ => {
            return unsupported(format!(
                "this is no CloudEvent: send {STRUCTURED}, {BATCH}, or headers ce-specversion, ce-id, ce-source and \
                 ce-type; any data without them goes to /v1/topics/{{topic}}"
            ));
        }
    };
    let charset = parameters.split(';').filter_map(|parameter| parameter.split_once('='));
    for (_, value) in charset.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset")) {
        if !value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8") {
            return unsupported("the charset must be utf-8, as JSON's always is".into());
        }
    }
    Ok(mode)
}

/// The body as text.
fn text(data: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(data)
        .map_err(|error| Problem::bad_request(format!("the body is no UTF-8: byte {} is wrong", error.valid_up_to())))
}

fn structured(data: &[u8]) -> Result<Draft, Problem> {
    raw::read_strict(text(data)?).map_err(|error| Problem::bad_request(chain(&error)))
}

/// An event in the binary mode.
fn from_headers(headers: &HeaderMap, data: Bytes) -> Result<Draft, Problem> {
    let attributes = binary::attributes(headers).map_err(|error| Problem::bad_request(error.to_string()))?;
    cloudevents::check_required(&attributes).map_err(|error| Problem::bad_request(error.to_string()))?;
    let draft = cloudevents::draft_from_json(&Value::Object(attributes));
    let draft = draft.map_err(|error| Problem::bad_request(error.to_string()))?;
    let payload = match headers.contains_key(CONTENT_TYPE) {
        true => payload(headers, data)?,
        false => Payload::new("application/octet-stream", data),
    };
    Ok(draft.payload(payload))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    #[test]
    fn the_mode_is_that_of_the_headers() {
        let mode = |lines: &[(&'static str, &'static str)]| {
            let headers =
                lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            super::mode(&headers.collect()).map_err(|problem| problem.status.as_u16())
        };
        let content_type = |value| mode(&[("content-type", value)]);
        assert_eq!(content_type("application/cloudevents+json"), Ok(Mode::Structured));
        assert_eq!(content_type("Application/CloudEvents+JSON; charset=\"UTF-8\""), Ok(Mode::Structured));
        assert_eq!(content_type("application/cloudevents-batch+json;charset=utf-8"), Ok(Mode::Batch));
        assert_eq!(content_type("application/cloudevents+xml"), Err(415));
        assert_eq!(content_type("application/cloudevents+json; charset=latin-1"), Err(415));
        assert_eq!(content_type("application/json"), Err(415));
        assert_eq!(mode(&[]), Err(415));
        assert_eq!(mode(&[("ce-id", "1")]), Ok(Mode::Binary));
        assert_eq!(mode(&[("content-type", "application/json"), ("ce-specversion", "1.0")]), Ok(Mode::Binary));
    }
}
