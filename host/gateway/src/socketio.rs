//! Socket.IO.

use utoipa_axum::router::OpenApiRouter;

use crate::shared::Shared;

/// The routes.
pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
}
