//! The routes and what stands before them.

use axum::Router;
use axum::middleware::from_fn_with_state;
use http::{Method, StatusCode, Uri};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::problem::Problem;
use crate::shared::Shared;
use crate::{auth, dashboard, health, ingest, manage, metrics, socketio, stream};

/// All routes, and the document that describes them.
pub(crate) fn assemble(shared: &Shared) -> (Router, OpenApi) {
    let (routes, openapi) = OpenApiRouter::new()
        .merge(ingest::routes())
        .merge(stream::routes())
        .merge(socketio::routes())
        .merge(manage::routes())
        .merge(health::routes())
        .merge(metrics::routes())
        .merge(dashboard::routes())
        .split_for_parts();
    let router = routes.fallback(no_route).method_not_allowed_fallback(wrong_method);
    let router = router.layer(from_fn_with_state(shared.clone(), auth::identify));
    (router.with_state(shared.clone()), openapi)
}

async fn no_route(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    Problem::not_found(format!("there is nothing at `{}`; /v1/openapi.json lists what there is", path.escape_debug()))
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    let detail = format!("`{}` does not take {method}; the header Allow says what it takes", path.escape_debug());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}
