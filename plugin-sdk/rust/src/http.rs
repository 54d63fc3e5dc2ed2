//! A small blocking HTTP client over `wasi:http`, behind the feature `http`.
//!
//! The manifest grants the origins a plugin may reach: `http = ["https://api.example.com"]` in `[grants]`. The call blocks the
//! plugin, not the host, and counts against the deadline of the event: keep [`Request::timeout`] below it.
//!
//! ```no_run
//! # use plugbus_sdk::{http, prelude::*};
//! # fn send() -> Result<()> {
//! let response = http::Request::post("https://api.example.com/events").json(&json!({ "n": 1 }))?.send()?;
//! if !response.is_success() {
//!     return Err(Failure::reject(format!("answered {}", response.status)));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Bounds: a request has a time-out (4 s by default, for the whole exchange), and of a response's body at most
//! [`Request::response_bytes_max`] bytes are read (64 KiB by default); what is longer is cut, and says so. A status that
//! has come counts even if the body after it does not: see [`Response::body_is_cut`].

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{JsonError, json};

mod url;
mod verdict;
#[cfg(target_arch = "wasm32")]
mod wasm;

use url::Url;

/// How long an exchange may take, unless the request says otherwise: below the 5 s that a handler has by default.
const TIMEOUT: Duration = Duration::from_secs(4);
/// Most characters of a text that a message repeats.
const SHOWN_CHARS_MAX: usize = 200;
/// How many bytes of a response's body are read, unless the request says otherwise.
const RESPONSE_BYTES_MAX: usize = 64 * 1024;

/// A request in the making.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request {
    /// The method, in capitals.
    pub method: String,
    /// Where it goes: `http://` or `https://`, host, path and query.
    pub url: String,
    /// Headers in order; a name may come more than once.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
    /// How long the whole exchange may take, until the last byte of the response that is wanted. Default 4 s.
    pub timeout: Duration,
    /// How many bytes of the response's body are read. Default 64 KiB.
    pub response_bytes_max: usize,
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code, 100 to 599.
    pub status: u16,
    /// Headers in order, names in lower case; bytes that are not UTF-8 are replaced by U+FFFD.
    pub headers: Vec<(String, String)>,
    /// The body, at most as much of it as the request wanted.
    pub body: Vec<u8>,
    /// Whether the body is not whole: it is longer than that, or it broke off or the time was up while it was read.
    pub body_is_cut: bool,
}

/// Why a request got no answer. A status such as 500 is an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The method, URL or a header is malformed. Nothing was sent. Through `?` it rejects the event.
    #[error("http request is malformed: {0}")]
    Invalid(String),
    /// The host does not let the plugin reach this address. Through `?` it rejects the event.
    #[error("http request denied: {0}; grant the origin in the manifest: [grants] http = [\"https://host\"]")]
    Denied(String),
    /// No answer within [`Request::timeout`]. Through `?` the event is retried.
    #[error("http request timed out after {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// No connection, or one that broke. Through `?` the event is retried.
    #[error("http connection failed: {0}")]
    Connection(String),
}

impl HttpError {
    /// Whether the same request may fare better later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::TimedOut(_) | Self::Connection(_))
    }
}

impl Request {
    /// A request of any method.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: TIMEOUT,
            response_bytes_max: RESPONSE_BYTES_MAX,
        }
    }

    /// A GET request.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A POST request.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the body to a value as JSON, and the content type with it.
    ///
    /// # Errors
    /// Where the value has no JSON form.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<Self, JsonError> {
        Ok(self.header("content-type", "application/json").body(json::to_string(value)?))
    }

    /// Sets how long the whole exchange may take.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how many bytes of the response's body are read.
    pub fn response_bytes_max(mut self, bytes: usize) -> Self {
        self.response_bytes_max = bytes;
        self
    }

    /// Sends the request and waits for the answer.
    ///
    /// # Errors
    /// [`HttpError`], where there is no answer. Any status is an answer.
    pub fn send(self) -> Result<Response, HttpError> {
        let url = self.check().map_err(HttpError::Invalid)?;
        #[cfg(target_arch = "wasm32")]
        return wasm::send(&self, &url);
        #[cfg(not(target_arch = "wasm32"))]
        {
            let _ = url;
            crate::host::http(self)
        }
    }

    /// What is wrong with the request, before the host has a look at it.
    fn check(&self) -> Result<Url<'_>, String> {
        if self.method.is_empty() || !self.method.bytes().all(is_token_byte) {
            return Err(format!("`{}` is not a method", shown(&self.method)));
        }
        for (name, value) in &self.headers {
            check_header(name, value)?;
        }
        Url::parse(&self.url)
    }
}

impl Response {
    /// An answer without headers and body, for the testing host's server.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), body_is_cut: false }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Whether the status is 200 to 299.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The value of the first header of that name, whatever its case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text, with what is not UTF-8 replaced by U+FFFD.
    #[must_use]
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    /// Where it is not JSON of that shape; a body that was cut is none.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, JsonError> {
        json::parse(if self.body_is_cut { "response (cut)" } else { "response" }, &self.body)
    }
}

/// Checks a header by the rules of RFC 9110: a plugin can so refuse a bad one from its configuration at once.
///
/// # Errors
/// Says what is wrong.
pub fn check_header(name: &str, value: &str) -> Result<(), String> {
    if name.is_empty() || !name.bytes().all(is_token_byte) {
        return Err(format!("`{}` is not the name of a header", shown(name)));
    }
    if value.bytes().any(|byte| (byte < b' ' && byte != b'\t') || byte == 0x7f) {
        return Err(format!("header `{}` has a control character in its value", shown(name)));
    }
    Ok(())
}

/// Checks a URL: a plugin can so refuse a bad one from its configuration at once.
///
/// # Errors
/// Says what is wrong.
pub fn check_url(url: &str) -> Result<(), String> {
    Url::parse(url).map(|_| ())
}

/// Text for a message: cut, and fit for a terminal.
fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).flat_map(char::escape_debug).collect()
}

/// Whether the byte may stand in a token of RFC 9110.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_requests_are_refused_before_they_are_sent() {
        let table = [
            (Request::new("", "http://a"), "`` is not a method"),
            (Request::new("G T", "http://a"), "`G T` is not a method"),
            (Request::get("ftp://a"), "URL `ftp://a` must begin with http:// or https://"),
            (Request::get("http://a").header("x y", "1"), "`x y` is not the name of a header"),
            (Request::get("http://a").header("x", "1\r\ny: 2"), "header `x` has a control character in its value"),
        ];
        for (request, reason) in table {
            assert_eq!(request.send(), Err(HttpError::Invalid(reason.into())));
        }
    }

    #[test]
    fn without_a_server_a_request_is_denied_and_the_error_rejects() {
        let error = Request::get("http://a").send().unwrap_err();
        assert!(matches!(error, HttpError::Denied(_)));
        assert!(!crate::Failure::from(error).is_retry());
        assert!(crate::Failure::from(HttpError::Connection("refused".into())).is_retry());
        assert!(crate::Failure::from(HttpError::TimedOut(TIMEOUT)).is_retry());
    }

    #[test]
    fn a_response_is_easy_to_read() {
        let response = Response::new(204).with_header("Retry-After", "3").with_body("[1]");
        assert!(response.is_success());
        assert_eq!((response.header("retry-after"), response.header("x")), (Some("3"), None));
        assert_eq!((response.json::<Vec<u8>>(), response.text()), (Ok(vec![1]), "[1]".into()));
        let cut = Response { body_is_cut: true, ..Response::new(200).with_body("[1") };
        assert_eq!(
            cut.json::<Vec<u8>>().unwrap_err().to_string(),
            "response (cut): no JSON: EOF while parsing a list at line 1 column 2"
        );
        assert!(!Response::new(302).is_success());
    }
}
