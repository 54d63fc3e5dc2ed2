//! How events come in: one to a topic, CloudEvents over HTTP, requests.

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::shared::Shared;
use crate::trace::traced;

mod batch;
pub mod binary;
mod body;
mod events;
mod params;
pub(crate) mod receipt;
mod requests;
mod topics;
mod wait;

/// The routes.
pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(events::post)).routes(routes!(topics::post)).routes(routes!(requests::post))
}
