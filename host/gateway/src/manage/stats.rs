//! `GET /v1/stats`: every counter as JSON.

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value};

use crate::auth::Identity;
use crate::problem::{Problem, chain};
use crate::shared::Shared;

/// Every counter: `bus`, `subscriptions`, `history`, `http`, and where the host has them `plugins`, `journal`, `socket`,
/// `spool`, `otlp`.
#[utoipa::path(
    get, path = "/v1/stats", tag = "operation",
    responses((status = OK, body = Object), (status = "4XX", body = Problem)),
)]
pub(crate) async fn stats(State(shared): State<Shared>, identity: Identity) -> Result<Json<Value>, Problem> {
    identity.require_admin()?;
    let mut all = match shared.admin.as_ref().map(|admin| admin.stats()) {
        Some(Value::Object(parts)) => parts,
        _ => Map::new(),
    };
    let bus = &shared.bus;
    all.insert("bus".to_owned(), json(&bus.stats())?);
    all.insert("subscriptions".to_owned(), json(&bus.subscriptions())?);
    all.insert("history".to_owned(), json(&bus.history_stats())?);
    all.insert("http".to_owned(), json(&shared.counters.read())?);
    Ok(Json(Value::Object(all)))
}

fn json<T: serde::Serialize>(value: &T) -> Result<Value, Problem> {
    serde_json::to_value(value).map_err(|error| Problem::new(http::StatusCode::INTERNAL_SERVER_ERROR, chain(&error)))
}
