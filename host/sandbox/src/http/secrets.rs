//! Secrets in a request and in what comes back: values for placeholders in headers, path and query; placeholders for
//! values in headers and trailers.

use http::header::{HeaderMap, HeaderValue};
use http::{Method, Request, Uri};
use wasmtime_wasi_http::{Error, WasiBody};

use super::Gate;
use crate::metrics::Metrics;
use crate::origin::Origin;
use crate::secrets::{Misplaced, Place, Secrets};

/// Most bytes of values in one request, as many as of headers: they are memory of the host's.
const VALUE_BYTES_MAX: usize = 64 << 10;

impl Gate {
    /// Puts values into a request that has been admitted.
    pub(super) fn fill(&self, origin: &Origin, request: &mut Request<WasiBody>) -> Result<(), Error> {
        let secrets = &self.template.secrets;
        if secrets.is_empty() {
            return Ok(());
        }
        let mut room = VALUE_BYTES_MAX;
        let mut filled = |text: &[u8], place| {
            secrets.fill(text, place, origin, &mut room).map_err(|misplaced| self.misplaced(&misplaced, origin))
        };
        let (mut path, mut query, mut in_header) = (None, None, false);
        if let Some(whole) = request.uri().path_and_query() {
            path = filled(whole.path().as_bytes(), Place::Path)?;
            query = whole.query().map(|query| filled(query.as_bytes(), Place::Query)).transpose()?.flatten();
        }
        for value in request.headers_mut().values_mut() {
            if let Some(text) = filled(value.as_bytes(), Place::Header)? {
                *value = HeaderValue::from_maybe_shared(text).map_err(|_| Error::HttpProtocolError)?;
                value.set_sensitive(true);
                in_header = true;
            }
        }
        let filled = in_header || path.is_some() || query.is_some();
        if filled && is_sent_back(request.method()) {
            return Err(self.misplaced(&Misplaced::Echoed, origin));
        }
        if path.is_some() || query.is_some() {
            *request.uri_mut() = with(request.uri(), path, query).ok_or(Error::HttpRequestUriTooLong)?;
        }
        Ok(())
    }

    fn misplaced(&self, misplaced: &Misplaced, origin: &Origin) -> Error {
        Metrics::add(&self.template.metrics.secrets_denied, 1);
        let problem = match misplaced {
            Misplaced::Elsewhere(name) => format!(
                "secret `{name}` in a request to `{origin}`, which may not have it; add it to `origins` under `[secrets.{name}]`"
            ),
            Misplaced::NoRoom => format!("over {VALUE_BYTES_MAX} bytes of secrets in a request to `{origin}`"),
            Misplaced::Echoed => {
                format!("a secret in a request to `{origin}` with a method by which it comes back; use another one")
            }
        };
        self.deny("secret", &problem)
    }
}

/// Whether a server that is asked so sends the request's headers back in the body, where nothing is hidden. Some servers do so
/// unless they are told not to, and browsers have both methods forbidden for this reason. Pure.
fn is_sent_back(method: &Method) -> bool {
    ["TRACE", "TRACK"].iter().any(|name| method.as_str().eq_ignore_ascii_case(name))
}

/// A URL with another path or query. Pure.
fn with(uri: &Uri, path: Option<Vec<u8>>, query: Option<Vec<u8>>) -> Option<Uri> {
    let mut text = path.unwrap_or_else(|| uri.path().as_bytes().to_vec());
    if let Some(query) = query.or_else(|| uri.query().map(|query| query.as_bytes().to_vec())) {
        text.push(b'?');
        text.extend_from_slice(&query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(text.as_slice().try_into().ok()?);
    Uri::from_parts(parts).ok()
}

/// Takes values out of the headers or trailers of an answer.
pub(super) fn hide(secrets: &Secrets, headers: &mut HeaderMap) {
    if secrets.is_empty() {
        return;
    }
    for value in headers.values_mut() {
        if let Some(hidden) = secrets.hide(value.as_bytes()) {
            // Bytes of a header with letters in the place of some of them are a header.
            *value = HeaderValue::from_maybe_shared(hidden).unwrap_or_else(|_| HeaderValue::from_static(""));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gets_another_path_or_query_and_keeps_the_rest() {
        let uri: Uri = "https://a.example:8/b/c?d=e".parse().unwrap();
        let with = |path: Option<&str>, query: Option<&str>| {
            let bytes = |text: &str| text.as_bytes().to_vec();
            with(&uri, path.map(bytes), query.map(bytes)).unwrap().to_string()
        };
        assert_eq!(with(Some("/x"), None), "https://a.example:8/x?d=e");
        assert_eq!(with(None, Some("y=z")), "https://a.example:8/b/c?y=z");
        assert_eq!(with(Some("/x"), Some("")), "https://a.example:8/x?");
        assert!(super::with(&uri, Some(vec![b'/'; 70_000]), None).is_none());
    }
}
