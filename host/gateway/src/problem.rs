//! [`Problem`]: an error as `application/problem+json` (RFC 9457).

use std::error::Error;

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

/// The media type.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// Why a request was not carried out: what is wrong, where, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// The HTTP status code.
    #[serde(serialize_with = "as_number")]
    #[schema(value_type = u16, example = 400)]
    pub status: StatusCode,
    /// What kind of problem it is, in the words of HTTP.
    pub title: &'static str,
    /// What is wrong with this request, and how to mend it.
    pub detail: String,
    /// Headers that go with it.
    #[serde(skip)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Problem {
    /// A problem of that status.
    #[must_use]
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self { status, title, detail: detail.into(), headers: Vec::new() }
    }

    /// 400: the request is wrong in itself.
    #[must_use]
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 401: who asks is not known.
    #[must_use]
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        let challenge = HeaderValue::from_static("Bearer realm=\"plugbus\"");
        Self::new(StatusCode::UNAUTHORIZED, detail).with_header(WWW_AUTHENTICATE, challenge)
    }

    /// 403: who asks may not.
    #[must_use]
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// 404: there is no such thing.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 503: not now.
    #[must_use]
    pub fn unavailable(detail: impl Into<String>) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, detail);
        problem.with_header(RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// 500: the gateway is at fault.
    #[must_use]
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }

    /// The same with a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // Texts and a number: that they have a JSON form is beyond doubt.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status, [(CONTENT_TYPE, PROBLEM_JSON)], body).into_response();
        response.headers_mut().extend(self.headers);
        response
    }
}

/// Errors that axum or a library answers with plain words get the form of a problem. Those that have a form are left as
/// they are.
pub(crate) async fn in_form(answer: Response) -> Response {
    let status = answer.status();
    let plain = match answer.headers().get(CONTENT_TYPE) {
        Some(found) => found.as_bytes().starts_with(b"text/plain"),
        None => true,
    };
    if !plain || !(status.is_client_error() || status.is_server_error()) {
        return answer;
    }
    let (parts, body) = answer.into_parts();
    // A library's own words are short; what is not is left out.
    let words = axum::body::to_bytes(body, WORDS_BYTES_MAX).await.unwrap_or_default();
    let words = String::from_utf8_lossy(&words);
    let title = status.canonical_reason().unwrap_or("Error");
    let mut problem = Problem::new(status, if words.is_empty() { title } else { words.as_ref() });
    let kept = parts.headers.into_iter().filter_map(|(name, value)| Some((name?, value)));
    problem.headers.extend(kept.filter(|(name, _)| ![CONTENT_TYPE, CONTENT_LENGTH].contains(name)));
    problem.into_response()
}

/// Bytes of words that a problem repeats.
const WORDS_BYTES_MAX: usize = 4096;

/// An error with its causes on one line, outermost first. A cause that its effect repeats already is left out.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
