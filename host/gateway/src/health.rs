//! `GET /healthz` and `GET /readyz`: whether the process lives, and whether it takes events. For those who start and watch it;
//! they need no token.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use http::header::CACHE_CONTROL;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::admin::Check;
use crate::shared::{Phase, Shared};

/// The routes.
pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(alive)).routes(routes!(ready))
}

/// Whether the host takes events, and if not, why.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// Whether all of these are well.
    ready: bool,
    /// The parts.
    checks: Vec<Check>,
}

/// Whether the process answers at all.
#[utoipa::path(get, path = "/healthz", tag = "operation", responses((status = OK, body = String, content_type = "text/plain")))]
pub(crate) async fn alive() -> impl IntoResponse {
    ([(CACHE_CONTROL, "no-store")], "ok\n")
}

/// Whether the host takes events: it is not stopping, its journal writes, its plugins have been loaded once.
#[utoipa::path(
    get, path = "/readyz", tag = "operation",
    responses((status = OK, body = Readiness), (status = SERVICE_UNAVAILABLE, body = Readiness)),
)]
pub(crate) async fn ready(State(shared): State<Shared>) -> impl IntoResponse {
    let open = shared.bus.is_open() && *shared.phase.borrow() == Phase::Serving;
    let stopping = (!open).then(|| "the host is stopping".to_owned());
    let mut checks = vec![Check { name: "bus", ok: open, detail: stopping }];
    checks.extend(shared.admin.iter().flat_map(|admin| admin.checks()));
    let ready = checks.iter().all(|check| check.ok);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(CACHE_CONTROL, "no-store")], Json(Readiness { ready, checks }))
}
