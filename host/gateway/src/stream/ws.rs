//! `GET /v1/ws`: a WebSocket that subscribes and publishes.
//!
//! # The frames
//! Each is a text frame with one JSON object; `op` says what it is. `id`, any JSON value of the peer's own (at most
//! [`ID_BYTES_MAX`](frames::ID_BYTES_MAX) bytes), comes back in the answer.
//!
//! | from the peer | answer |
//! | --- | --- |
//! | `{"op":"subscribe","filters":["build.>"],"from":17,"id":1}`; `from` is optional | `{"op":"ack","id":1,"filters":[…],"seq":41}`: all filters in force; whatever comes after number `seq` will be seen |
//! | `{"op":"unsubscribe","filters":["build.>"],"id":2}` | the same |
//! | `{"op":"publish","topic":"build.done","data":{…},"id":3}`, with optional `source`, `subject` and `event_id`; or `{"op":"publish","event":{…},"id":3}` with an event in the JSON format of CloudEvents 1.0, of which only `type` must be there | `{"op":"ack","id":3,"event_id":"…","seq":42,"matched":1,"disposition":"delivered"}` once it is accepted |
//! | `{"op":"ping","id":4}` | `{"op":"ack","id":4}` |
//!
//! | from the gateway, unasked | |
//! | --- | --- |
//! | `{"op":"event","event":{…}}` | an event in the JSON format of CloudEvents 1.0 |
//! | `{"op":"missed","count":12,"reason":"slow"}` | events are missing here |
//! | `{"op":"error","id":3,"status":403,"detail":"…"}` | the answer to what was not done; the connection goes on |
//! | `{"op":"bye","reason":"…"}` | the connection is closed |
//!
//! What bounds a peer: the bytes of a frame, [`FILTERS_MAX`](plugbus_bus::FILTERS_MAX) filters, publishes under way
//! ([`PUBLISHING_MAX`](super::publishing::PUBLISHING_MAX)), changes of filters in a second (reading pauses), silence, and the watcher's queue.

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::Response;
use http::StatusCode;

use super::begin::{stopping, watch};
use crate::auth::Identity;
use crate::problem::Problem;
use crate::shared::{Phase, Shared};

mod frames;
mod session;

/// The name of these frames, for peers that name a subprotocol. A browser that brings its token as `bearer.…` names this
/// one beside it, since one of those named must come back and the token never does.
pub(crate) const SUBPROTOCOL: &str = "plugbus.v1";

/// A WebSocket: subscribe, unsubscribe and publish with JSON text frames, as `host/gateway/src/stream/ws.rs` and the README describe them.
#[utoipa::path(
    get,
    path = "/v1/ws",
    responses((status = 101, description = "The connection is a WebSocket now"), (status = "4XX", body = Problem), (status = 503, body = Problem)),
)]
pub(crate) async fn upgrade(
    State(shared): State<Shared>,
    identity: Identity,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|error| {
        let problem = Problem::new(StatusCode::UPGRADE_REQUIRED, format!("this is a WebSocket: {error}"));
        problem.with_header(http::header::UPGRADE, http::HeaderValue::from_static("websocket"))
    })?;
    if *shared.phase.borrow() != Phase::Serving {
        return Err(stopping());
    }
    // Before the response: a watcher that cannot begin is an HTTP error and not a broken connection.
    let watcher = watch(&shared, Vec::new(), None)?;
    let bytes = shared.settings.message_bytes_max;
    let upgrade = upgrade.protocols([SUBPROTOCOL]).max_message_size(bytes).max_frame_size(bytes);
    Ok(upgrade.on_upgrade(move |socket| session::run(shared, identity, watcher, socket)))
}
