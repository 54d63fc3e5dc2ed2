//! `POST /v1/topics/{topic}`: any body as the data of an event.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use plugbus_bus::{Event, Payload};

use super::receipt::{Accepted, refused};
use crate::auth::Identity;
use crate::counters::count;
use crate::problem::Problem;
use crate::shared::Shared;
use crate::trace;

/// Publish an event: the body is its data.
#[utoipa::path(
    post,
    path = "/v1/topics/{topic}",
    params(("topic" = String, Path, description = "Where to publish, such as `build.done`")),
    request_body(content = String, content_type = "*/*"),
    responses((status = ACCEPTED, body = Accepted), (status = "4XX", body = Problem)),
)]
pub(crate) async fn publish(
    State(shared): State<Shared>,
    identity: Identity,
    Path(topic): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    let draft = Event::draft(topic).map_err(|error| Problem::bad_request(format!("topic {error}")))?;
    identity.require_publish(&draft.topic)?;
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let draft = draft.payload(Payload::new(content_type.unwrap_or("application/octet-stream"), body));
    let draft = trace::attach(&headers, draft);
    let receipt = shared.bus.publish(draft).await.map_err(|error| refused(&error))?;
    count(&shared.counters.events);
    Ok((StatusCode::ACCEPTED, Json(Accepted::from(&receipt))))
}
