//! `PUT` and `DELETE /v1/plugins/{name}`: plugins come and go over HTTP, where [`Settings::upload`] lets them.
//!
//! What bounds it: one upload at a time, [`Settings::upload_bytes_max`] for a component, [`MANIFEST_BYTES_MAX`] for a manifest,
//! and [`Settings::body_timeout`] for the time to send either.
//!
//! [`Settings::upload`]: crate::Settings::upload
//! [`Settings::upload_bytes_max`]: crate::Settings::upload_bytes_max
//! [`Settings::body_timeout`]: crate::Settings::body_timeout

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{DefaultBodyLimit, Path, State};
use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{admin, refused};
use crate::admin::{Done, Upload};
use crate::auth::Identity;
use crate::counters::count;
use crate::problem::Problem;
use crate::shared::Shared;

/// Bytes of a manifest: as much as the loader reads.
const MANIFEST_BYTES_MAX: usize = 256 << 10;
/// Seconds after which somebody whose upload met another may try again.
const TRY_AGAIN: HeaderValue = HeaderValue::from_static("5");

/// The routes. Their bodies have bounds of their own.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    let routes = OpenApiRouter::new().routes(routes!(component)).routes(routes!(manifest)).routes(routes!(remove));
    routes.layer(DefaultBodyLimit::disable())
}

/// Put a component into the plugins folder, and load it. The file is replaced whole; if the component is refused, what ran
/// before goes on, and the file that was there is put back.
#[utoipa::path(
    put, path = "/v1/plugins/{name}", tag = "plugins",
    params(("name" = String, Path, description = "The stem of its file")),
    request_body(content = Vec<u8>, content_type = "application/wasm"),
    responses((status = OK, body = Done), (status = "4XX", body = Problem), (status = "5XX", body = Problem)),
)]
pub(crate) async fn component(
    State(shared): State<Shared>,
    identity: Identity,
    Path(name): Path<String>,
    body: Body,
) -> Result<Json<Done>, Problem> {
    let limit = shared.settings.upload_bytes_max;
    upload(&shared, &identity, &name, body, (limit, "sandbox.component_bytes_max of the host"), Upload::Component).await
}

/// Put a manifest into the plugins folder. Of a plugin that runs a new generation takes over; one without a component yet
/// waits for it.
#[utoipa::path(
    put, path = "/v1/plugins/{name}/manifest", tag = "plugins",
    params(("name" = String, Path, description = "The stem of its file")),
    request_body(content = String, content_type = "application/toml"),
    responses((status = OK, body = Done), (status = "4XX", body = Problem), (status = "5XX", body = Problem)),
)]
pub(crate) async fn manifest(
    State(shared): State<Shared>,
    identity: Identity,
    Path(name): Path<String>,
    body: Body,
) -> Result<Json<Done>, Problem> {
    upload(&shared, &identity, &name, body, (MANIFEST_BYTES_MAX, "fixed"), Upload::Manifest).await
}

/// Take a plugin's component and manifest out of the plugins folder, and unload it.
#[utoipa::path(
    delete, path = "/v1/plugins/{name}", tag = "plugins",
    params(("name" = String, Path, description = "The stem of its file")),
    responses((status = OK, body = Done), (status = "4XX", body = Problem), (status = "5XX", body = Problem)),
)]
pub(crate) async fn remove(
    State(shared): State<Shared>,
    identity: Identity,
    Path(name): Path<String>,
) -> Result<Json<Done>, Problem> {
    allowed(&shared, &identity)?;
    let _turn = turn(&shared)?;
    admin(&shared)?.remove(&name).await.map(Json).map_err(|error| refused(&error))
}

async fn upload(
    shared: &Shared,
    identity: &Identity,
    name: &str,
    body: Body,
    (limit, key): (usize, &str),
    part: fn(Bytes) -> Upload,
) -> Result<Json<Done>, Problem> {
    allowed(shared, identity)?;
    let admin = admin(shared)?;
    let _turn = turn(shared)?;
    let read = tokio::time::timeout(shared.settings.body_timeout, to_bytes(body, limit)).await;
    let read = read.map_err(|_| Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time"))?;
    let bytes = read.map_err(|error| {
        let over =
            std::error::Error::source(&error).is_some_and(|source| source.is::<http_body_util::LengthLimitError>());
        if !over {
            return Problem::bad_request(format!("the body could not be read: {error}"));
        }
        count(&shared.counters.uploads_refused);
        let detail = format!("the body has more than {limit} bytes, the most that is taken ({key})");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    })?;
    let done = admin.upload(name, part(bytes)).await;
    count(if done.is_ok() { &shared.counters.uploads } else { &shared.counters.uploads_refused });
    done.map(Json).map_err(|error| refused(&error))
}

fn allowed(shared: &Shared, identity: &Identity) -> Result<(), Problem> {
    identity.require_admin()?;
    if shared.settings.upload {
        return Ok(());
    }
    Err(Problem::forbidden("plugins are not taken over HTTP here; `http.upload = true` in plugbus.toml allows it"))
}

/// One at a time: a component is large, and so is the work of loading it.
fn turn(shared: &Shared) -> Result<tokio::sync::SemaphorePermit<'_>, Problem> {
    shared.uploading.try_acquire().map_err(|_| {
        let detail = "another plugin is being uploaded or removed; one at a time";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).with_header(RETRY_AFTER, TRY_AGAIN)
    })
}
