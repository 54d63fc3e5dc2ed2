//! Plugins, dead letters and figures: what an operator sees and does. All of it needs the scope `admin`.

use std::sync::Arc;

use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::admin::{Admin, AdminError};
use crate::problem::Problem;
use crate::shared::Shared;

mod dead;
mod plugins;
mod stats;
mod upload;

/// The routes.
pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(plugins::list))
        .routes(routes!(plugins::show))
        .routes(routes!(plugins::reload))
        .routes(routes!(plugins::pause))
        .routes(routes!(plugins::resume))
        .routes(routes!(dead::list))
        .routes(routes!(dead::show))
        .routes(routes!(dead::replay))
        .routes(routes!(dead::drop_letters))
        .routes(routes!(stats::stats))
        .merge(upload::routes())
}

/// The host beside the bus.
fn admin(shared: &Shared) -> Result<&Arc<dyn Admin>, Problem> {
    shared.admin.as_ref().ok_or_else(|| Problem::not_found("this gateway serves a bus alone; it has no plugins"))
}

/// Why the host did not do it, as a problem.
fn refused(error: &AdminError) -> Problem {
    let status = match error {
        AdminError::Missing(_) => StatusCode::NOT_FOUND,
        AdminError::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
        AdminError::Stopping(_) => StatusCode::SERVICE_UNAVAILABLE,
        AdminError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let problem = Problem::new(status, error.to_string());
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return problem.with_header(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    problem
}
