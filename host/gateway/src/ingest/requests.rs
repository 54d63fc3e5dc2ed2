//! `POST /v1/requests/{topic}`: an event that somebody answers.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, StatusCode};
use plugbus_bus::{Payload, RequestError};

use super::body::Data;
use super::params::{Params, TopicPath};
use super::receipt::refused;
use super::topics::{TopicQuery, draft};
use super::wait::{WAIT_DEFAULT, wanted};
use crate::auth::Identity;
use crate::counters::count;
use crate::problem::Problem;
use crate::shared::Shared;

/// Publish a request: the answer is the first reply
///
/// Everything is as with `/v1/topics/{topic}`, but for the wait, which is 30 seconds unless another one is asked for.
#[utoipa::path(
    post,
    path = "/v1/requests/{topic}",
    tag = "publish",
    params(("topic" = String, Path, description = "Whom to ask, such as `stats.topics.get`", min_length = 1, max_length = 255), TopicQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The data, of any media type"),
    responses(
        (status = 200, description = "The first reply: its data, of its media type", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 404, description = "Nobody subscribes to the topic", body = Problem, content_type = "application/problem+json"),
        (status = 424, description = "Everybody has settled, and nobody replied", body = Problem, content_type = "application/problem+json"),
        (status = "4XX", description = "The request is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The host has no room, or is stopping", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "No reply came in time", body = Problem, content_type = "application/problem+json"),
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
    let wait = wanted(query.wait.as_deref(), &headers)?.unwrap_or(WAIT_DEFAULT);
    identity.require_publish(&topic)?;
    let draft = draft(topic, &query, &headers, data)?;
    let reply = shared.bus.request(draft, wait).await.map_err(|error| unanswered(&error, wait))?;
    count(&shared.counters.events);
    Ok(answer(reply))
}

/// A reply comes from a plugin, whose word is not the gateway's: a browser must not run it as a page of this origin.
fn answer(reply: Payload) -> Response {
    let content_type = HeaderValue::from_str(&reply.content_type)
        .unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"));
    let sandbox = HeaderValue::from_static("sandbox; default-src 'none'");
    let headers = [(CONTENT_TYPE, content_type), (CONTENT_SECURITY_POLICY, sandbox)];
    (StatusCode::OK, headers, Body::from(reply.data)).into_response()
}

fn unanswered(error: &RequestError, wait: Duration) -> Problem {
    let status = match error {
        RequestError::Publish(error) => return refused(error),
        RequestError::NoSubscriber { .. } => StatusCode::NOT_FOUND,
        RequestError::NoReply { .. } => StatusCode::FAILED_DEPENDENCY,
        RequestError::TimedOut { .. } => {
            let detail = format!("{error}; the query `wait` asks for more than {} s", wait.as_secs_f64());
            return Problem::new(StatusCode::GATEWAY_TIMEOUT, detail);
        }
        _ => StatusCode::CONFLICT,
    };
    Problem::new(status, error.to_string())
}
