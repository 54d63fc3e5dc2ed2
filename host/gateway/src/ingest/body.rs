//! [`Data`]: a whole body, within its bounds of size and time.

use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::counters::count;
use crate::problem::{Problem, chain};
use crate::shared::Shared;

/// The bytes of a body. An extractor.
pub(crate) struct Data(pub(crate) Bytes);

impl FromRequest<Shared> for Data {
    type Rejection = Response;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, Response> {
        let max = shared.settings.body_bytes_max;
        let announced = announced(request.headers());
        if announced.is_some_and(|bytes| bytes > max) {
            count(&shared.counters.bodies_too_large);
            return Err(closing(too_large(max)));
        }
        let reading = Limited::new(request.into_body(), max).collect();
        let timeout = shared.settings.body_timeout;
        match tokio::time::timeout(timeout, reading).await {
            Ok(Ok(body)) => Ok(Self(body.to_bytes())),
            Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => {
                count(&shared.counters.bodies_too_large);
                Err(closing(too_large(max)))
            }
            Ok(Err(error)) => {
                count(&shared.counters.bodies_broken);
                let detail = format!("the body could not be read: {}", chain(error.as_ref()));
                Err(closing(Problem::bad_request(detail)))
            }
            Err(_) => {
                count(&shared.counters.bodies_timed_out);
                let ms = timeout.as_millis();
                let detail = format!("the body did not come within {ms} ms (http.body_timeout_ms); send it faster");
                Err(closing(Problem::new(StatusCode::REQUEST_TIMEOUT, detail)))
            }
        }
    }
}

/// What the peer says that it will send.
fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(max: usize) -> Problem {
    let detail = format!(
        "the body has more than {max} bytes, the most that is taken (http.body_bytes_max); send less at once, or a \
         reference to large data"
    );
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
}

/// The rest of the body is not read, so nothing can follow it on this connection.
fn closing(problem: Problem) -> Response {
    problem.with_header(CONNECTION, HeaderValue::from_static("close")).into_response()
}
