//! Where a collector is.

use std::fmt;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

/// What is posted to, below the endpoint.
const TRACES: &str = "/v1/traces";
/// Longest endpoint.
const BYTES_MAX: usize = 255;

/// `http://HOST:PORT`, with a path before `/v1/traces` if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    text: String,
    authority: Authority,
    host: String,
    port: u16,
    path: PathAndQuery,
}

/// Why a text is no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; `http://HOST:PORT` is needed, such as http://127.0.0.1:4318")]
pub struct EndpointError {
    problem: &'static str,
}

impl Endpoint {
    /// Reads an endpoint as it is configured: without the `/v1/traces` that is posted to. Pure.
    ///
    /// # Errors
    /// [`EndpointError`] says what is wrong.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let wrong = |problem| EndpointError { problem };
        if text.len() > BYTES_MAX {
            return Err(wrong("it is longer than 255 bytes"));
        }
        let uri: Uri = text.parse().map_err(|_| wrong("it is no URL"))?;
        if uri.scheme() == Some(&Scheme::HTTPS) {
            return Err(wrong("TLS is not spoken here: let a collector beside the host send on by https"));
        }
        if uri.scheme() != Some(&Scheme::HTTP) {
            return Err(wrong("it is no http URL"));
        }
        let authority = uri.authority().ok_or(wrong("it names no host"))?.clone();
        if authority.as_str().contains('@') {
            return Err(wrong("a user and password are not sent"));
        }
        if uri.query().is_some() {
            return Err(wrong("it has a query"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(wrong("it names no host"));
        }
        let path = uri.path().trim_end_matches('/');
        if path.ends_with(TRACES) {
            return Err(wrong("it ends with /v1/traces, which is added by itself"));
        }
        let path = format!("{path}{TRACES}").parse().map_err(|_| wrong("its path is none"))?;
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => 80,
            _ => authority.port_u16().ok_or(wrong("its port is none"))?,
        };
        Ok(Self { text: text.to_owned(), authority, host, port, path })
    }

    /// What goes into the `host` header.
    pub(crate) fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// Name or address, and port.
    pub(crate) fn address(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// What is posted to.
    pub(crate) fn path(&self) -> Uri {
        Uri::from(self.path.clone())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_an_http_url_without_the_path_that_is_added() {
        for (text, address, path) in [
            ("http://127.0.0.1:4318", ("127.0.0.1", 4318), "/v1/traces"),
            ("http://[::1]:4318/", ("::1", 4318), "/v1/traces"),
            ("http://collector/otlp/", ("collector", 80), "/otlp/v1/traces"),
        ] {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!((endpoint.address(), endpoint.path().path()), (address, path), "{text}");
            assert_eq!(endpoint.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_a_word_on_what_is_wrong() {
        for (text, word) in [
            ("", "no URL"),
            ("127.0.0.1:4318", "http"),
            ("/v1/traces", "http"),
            ("https://collector:4318", "TLS"),
            ("ftp://collector", "no http"),
            ("http://user:secret@collector", "password"),
            ("http://collector/?a=1", "query"),
            ("http://collector:4318/v1/traces", "added by itself"),
            ("http://collector:99999", "port"),
            (&format!("http://{}", "x".repeat(300)), "longer"),
        ] {
            let error = Endpoint::parse(text).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("http://127.0.0.1:4318"), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
