//! What stands before the library: the bound on clients, the time for a body, and what is taken of each client's flow.

use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Body as _;

use super::clients::Clients;
use crate::counters::count;
use crate::problem::Problem;
use crate::serve::Meter;
use crate::shared::Shared;

/// See the module.
pub(super) async fn track(
    State((shared, clients)): State<(Shared, Clients)>,
    request: Request,
    next: Next,
) -> Response {
    let (sid, is_websocket) = query(request.uri().query());
    let Some(sid) = sid else {
        if !clients.admit(Instant::now()) {
            count(&shared.counters.socketio_refused);
            let max = shared.settings.socketio_clients_max;
            let detail = format!("there are {max} clients of Socket.IO, the most there may be (socketio.clients_max)");
            return Problem::unavailable(detail).into_response();
        }
        return next.run(request).await;
    };
    if request.method() == Method::POST {
        return match whole(&shared, request).await {
            Ok(request) => next.run(request).await,
            Err(problem) => problem.into_response(),
        };
    }
    if let (true, Some(meter)) = (is_websocket, request.extensions().get::<Meter>()) {
        clients.upgrade(&sid, meter);
        return next.run(request).await;
    }
    let answer = next.run(request).await;
    if let (Some(flow), Some(bytes)) = (clients.flow(&sid), answer.body().size_hint().exact()) {
        // One separator fewer than packets.
        flow.add(usize::try_from(bytes).unwrap_or(usize::MAX).saturating_add(1));
    }
    answer
}

/// The session of a request, and whether it becomes a websocket. Pure.
fn query(text: Option<&str>) -> (Option<String>, bool) {
    let mut found = (None, false);
    for (name, value) in form_urlencoded::parse(text.unwrap_or_default().as_bytes()) {
        match &*name {
            "sid" => found.0 = Some(value.into_owned()),
            "transport" => found.1 = value == "websocket",
            _ => {}
        }
    }
    found
}

/// A request with its body read, in time and within bounds.
async fn whole(shared: &Shared, request: Request) -> Result<Request, Problem> {
    let (parts, body) = request.into_parts();
    let max = shared.settings.message_bytes_max;
    let reading = Limited::new(body, max).collect();
    match tokio::time::timeout(shared.settings.body_timeout, reading).await {
        Ok(Ok(read)) => Ok(Request::from_parts(parts, Body::from(read.to_bytes()))),
        Ok(Err(_)) => {
            let detail = format!("the body broke off, or has more than {max} bytes (http.message_bytes_max)");
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail))
        }
        Err(_) => {
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time (http.body_timeout_ms)"))
        }
    }
}
