//! Who asks, and what they may.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::shared::Shared;

mod identity;

pub(crate) use identity::Identity;

/// Puts the [`Identity`] of whoever asks into every request.
pub(crate) async fn identify(State(_shared): State<Shared>, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(Identity::all("local"));
    next.run(request).await
}
