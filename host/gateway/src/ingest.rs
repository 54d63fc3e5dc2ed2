//! How events come in: one to a topic, CloudEvents over HTTP, requests.

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::shared::Shared;

mod receipt;
mod topics;

/// The routes.
pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(topics::publish))
}
