//! `/v1/plugins`: how each plugin is; reload, pause, resume.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{admin, refused};
use crate::admin::{Action, Done};
use crate::auth::Identity;
use crate::problem::Problem;
use crate::shared::Shared;

/// Every plugin.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Plugins {
    /// By name: `state`, `generation`, `filters`, `counters`, `metrics`, `limits`, `last_faults`, `last_rejection`, and what
    /// else `plugbus plugins inspect NAME --json` shows.
    #[schema(value_type = Vec<Object>)]
    plugins: Vec<Value>,
}

/// List the plugins.
#[utoipa::path(
    get, path = "/v1/plugins", tag = "plugins",
    responses((status = OK, body = Plugins), (status = "4XX", body = Problem)),
)]
pub(crate) async fn list(State(shared): State<Shared>, identity: Identity) -> Result<Json<Plugins>, Problem> {
    identity.require_admin()?;
    let plugins = admin(&shared)?.plugins().map_err(|error| refused(&error))?;
    Ok(Json(Plugins { plugins }))
}

/// Show one plugin.
#[utoipa::path(
    get, path = "/v1/plugins/{name}", tag = "plugins",
    params(("name" = String, Path, description = "The stem of its file")),
    responses((status = OK, body = Object), (status = "4XX", body = Problem)),
)]
pub(crate) async fn show(
    State(shared): State<Shared>,
    identity: Identity,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    identity.require_admin()?;
    admin(&shared)?.plugin(&name).map(Json).map_err(|error| refused(&error))
}

/// Load a plugin anew, even if its files are the same.
#[utoipa::path(
    post, path = "/v1/plugins/{name}/reload", tag = "plugins",
    params(("name" = String, Path, description = "The stem of its file")),
    responses((status = OK, body = Done), (status = "4XX", body = Problem), (status = "5XX", body = Problem)),
)]
pub(crate) async fn reload(
    State(shared): State<Shared>,
    identity: Identity,
    Path(name): Path<String>,
) -> Result<Json<Done>, Problem> {
    act(&shared, &identity, &name, Action::Reload).await
}

/// Deliver no further event to a plugin. Its events wait.
#[utoipa::path(
    post, path = "/v1/plugins/{name}/pause", tag = "plugins",
    params(("name" = String, Path, description = "The stem of its file")),
    responses((status = OK, body = Done), (status = "4XX", body = Problem)),
)]
pub(crate) async fn pause(
    State(shared): State<Shared>,
    identity: Identity,
    Path(name): Path<String>,
) -> Result<Json<Done>, Problem> {
    act(&shared, &identity, &name, Action::Pause).await
}

/// End a pause or a suspension.
#[utoipa::path(
    post, path = "/v1/plugins/{name}/resume", tag = "plugins",
    params(("name" = String, Path, description = "The stem of its file")),
    responses((status = OK, body = Done), (status = "4XX", body = Problem)),
)]
pub(crate) async fn resume(
    State(shared): State<Shared>,
    identity: Identity,
    Path(name): Path<String>,
) -> Result<Json<Done>, Problem> {
    act(&shared, &identity, &name, Action::Resume).await
}

async fn act(shared: &Shared, identity: &Identity, name: &str, action: Action) -> Result<Json<Done>, Problem> {
    identity.require_admin()?;
    admin(shared)?.act(name, action).await.map(Json).map_err(|error| refused(&error))
}
