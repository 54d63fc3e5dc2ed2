//! Who asks, and what they may.
//!
//! A peer on the local socket may do everything. So may everybody on the port where no file of tokens is named: then it is
//! on loopback, and [`crate::guard`] keeps out what a browser was talked into. With a file, every request needs a token,
//! but for the few routes that show nothing.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};

use crate::counters::count;
use crate::problem::Problem;
use crate::serve::Peer;
use crate::shared::Shared;

mod identity;
mod session;
mod tokens;

pub(crate) use identity::Identity;
pub(crate) use session::{Sessions, routes};
pub use tokens::TokensError;
pub(crate) use tokens::{Change, Tokens};

/// What streams are told whose token was taken away or changed.
pub(crate) const REVOKED: &str = "the token is no longer known, or has other scopes: connect again";

/// What a subprotocol of a WebSocket begins with that is a token: a browser can set no other header there.
pub(crate) const PROTOCOL_PREFIX: &str = "bearer.";

/// Puts the [`Identity`] of whoever asks into every request, or refuses it.
pub(crate) async fn identify(State(shared): State<Shared>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    let found = who(&shared, peer, request.headers(), request.uri().path());
    match found {
        Ok(identity) => {
            request.extensions_mut().insert(identity);
            next.run(request).await
        }
        Err(problem) => {
            count(&shared.counters.unauthorized);
            problem.into_response()
        }
    }
}

fn who(shared: &Shared, peer: Option<Peer>, headers: &HeaderMap, path: &str) -> Result<Identity, Problem> {
    if peer == Some(Peer::Local) {
        return Ok(shared.local.clone());
    }
    let Some(tokens) = &shared.tokens else { return Ok(shared.trusted.clone()) };
    let tokens = tokens.load();
    if let Some(token) = token(headers)? {
        let unknown = "the token is not known; a line of the file of tokens (http.tokens) would make it so";
        return tokens.find(token).ok_or_else(|| Problem::unauthorized(unknown));
    }
    if let Some(identity) = session::cookie(headers).and_then(|cookie| shared.sessions.open(cookie, &tokens)) {
        return Ok(identity);
    }
    if is_public(path) {
        return Ok(shared.nobody.clone());
    }
    Err(Problem::unauthorized("a token is needed: send the header `Authorization: Bearer …`, or POST it to /v1/login"))
}

/// The token that a request offers, in `Authorization` or as a subprotocol. Pure.
fn token(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        let text = value.to_str().unwrap_or_default();
        let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
        if !scheme.eq_ignore_ascii_case("bearer") || token.trim().is_empty() {
            return Err(Problem::unauthorized("the header `Authorization` is not of the form `Bearer …`"));
        }
        return Ok(Some(token.trim()));
    }
    let protocols = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    Ok(protocols.flat_map(|value| value.split(',')).find_map(|protocol| protocol.trim().strip_prefix(PROTOCOL_PREFIX)))
}

/// Routes that show nothing of events and plugins: whoever asks there may have no token. A client of Socket.IO sends its
/// token after it has connected. Pure.
fn is_public(path: &str) -> bool {
    let shown =
        ["/", "/healthz", "/readyz", "/favicon.ico", "/v1/openapi.json", "/v1/login", "/v1/logout", "/v1/whoami"];
    shown.contains(&path) || path.starts_with("/assets/") || path.starts_with("/socket.io/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_token_is_found_in_the_header_or_among_the_subprotocols() {
        let headers = |name, value| HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
        assert_eq!(token(&headers(AUTHORIZATION, "Bearer abc")).unwrap(), Some("abc"));
        assert_eq!(token(&headers(AUTHORIZATION, "bearer  abc ")).unwrap(), Some("abc"));
        for wrong in ["abc", "Basic abc", "Bearer", "Bearer  "] {
            assert!(token(&headers(AUTHORIZATION, wrong)).is_err(), "{wrong}");
        }
        assert_eq!(token(&headers(SEC_WEBSOCKET_PROTOCOL, "plugbus, bearer.abc")).unwrap(), Some("abc"));
        assert_eq!(token(&headers(SEC_WEBSOCKET_PROTOCOL, "plugbus")).unwrap(), None);
        assert_eq!(token(&HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn public_is_what_shows_nothing() {
        for path in ["/", "/healthz", "/assets/app.js", "/socket.io/"] {
            assert!(is_public(path), "{path}");
        }
        for path in ["/v1/stream", "/v1/plugins", "/metrics", "/healthz/", "/assets", "//", "/v1/login/x"] {
            assert!(!is_public(path), "{path}");
        }
    }
}
