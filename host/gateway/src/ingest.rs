//! How events come in: one to a topic, CloudEvents over HTTP, requests.

use http::HeaderMap;
use plugbus_bus::Draft;
use plugbus_bus::event::VALUE_BYTES_MAX;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::shared::Shared;

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

/// W3C trace context travels in extensions of the same names; an event that has its own keeps it. What is malformed is
/// ignored, as the recommendation demands.
fn traced(mut draft: Draft, headers: &HeaderMap) -> Draft {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(parent) = text("traceparent").filter(|parent| is_traceparent(parent)) else { return draft };
    if draft.extensions.iter().any(|(own, _)| &**own == "traceparent") {
        return draft;
    }
    draft = draft.extension("traceparent", parent);
    match text("tracestate").filter(|state| state.len() <= VALUE_BYTES_MAX) {
        Some(state) => draft.extension("tracestate", state),
        None => draft,
    }
}

/// Version, trace, span and flags in hexadecimal digits, with a dash between. Pure.
fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let hex = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'));
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [2, 32, 16, 2] && parts.iter().all(hex)
}
