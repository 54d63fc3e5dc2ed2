//! Events as they happen: server-sent events, WebSocket, history.
//!
//! Every reader has a [`Watcher`](plugbus_bus::Watcher) of the bus, which is bounded: one that reads too slowly is told how many
//! events it missed, and costs no more than that.

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::shared::Shared;

pub(crate) mod begin;
pub(crate) mod change;
pub(crate) mod encoded;
pub(crate) mod filters;
mod history;
pub(crate) mod missed;
pub(crate) mod new_event;
mod open;
mod position;
pub(crate) mod publishing;
mod query;
mod sse;
mod ws;

pub(crate) use open::Open;

/// What the names of readers' subscriptions begin with.
pub(crate) const READER_PREFIX: &str = "watch/http/";

/// The routes.
pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(sse::stream)).routes(routes!(ws::upgrade)).routes(routes!(history::history))
}
