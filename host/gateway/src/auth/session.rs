//! Logins of browsers, which can set no header on an `EventSource`, a WebSocket or a link: the token once, by POST, and a
//! cookie from then on that no script can read and no other site can send.
//!
//! Nothing is kept for a session: the cookie says who and until when, and is signed with a key of this start and for the token of
//! that name: another token under the same name ends it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, StatusCode};
use ring::hmac;
use ring::rand::SystemRandom;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::identity::Identity;
use super::tokens::Tokens;
use crate::problem::Problem;
use crate::shared::Shared;

const COOKIE_NAME: &str = "plugbus_session";
/// How long a login holds.
const SESSION: Duration = Duration::from_secs(12 * 3600);

/// Signs cookies, and knows its own again.
pub(crate) struct Sessions(hmac::Key);

impl Sessions {
    /// With a key that nobody else has.
    ///
    /// # Errors
    /// Where the system has no random numbers.
    pub(crate) fn new() -> Result<Self, ring::error::Unspecified> {
        hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).map(Self)
    }

    /// A cookie's value for that name, whose token has that digest.
    fn seal(&self, name: &str, token: &[u8; 32], until: u64) -> String {
        let claim = format!("{name}.{until}");
        let tag = hmac::sign(&self.0, &[claim.as_bytes(), token].concat());
        format!("{claim}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
    }

    /// Who a cookie's value is for, if it is one of ours, still holds, and the token is still known.
    pub(super) fn open(&self, value: &str, tokens: &Tokens) -> Option<Identity> {
        self.open_at(value, tokens, now())
    }

    fn open_at(&self, value: &str, tokens: &Tokens, now: u64) -> Option<Identity> {
        let (claim, tag) = value.rsplit_once('.')?;
        let (name, until) = claim.rsplit_once('.')?;
        let (token, identity) = tokens.named(name)?;
        let signed = [claim.as_bytes(), token].concat();
        hmac::verify(&self.0, &signed, &URL_SAFE_NO_PAD.decode(tag).ok()?).ok()?;
        (until.parse::<u64>().ok()? > now).then(|| identity.clone())
    }
}

/// Seconds since the Unix epoch.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The value of our cookie in a request.
pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find_map(|(name, value)| (name == COOKIE_NAME).then_some(value))
}

/// Logging in and out.
pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(login)).routes(routes!(logout)).routes(routes!(whoami))
}

/// Log in, for browsers
///
/// Send the token in the header `Authorization`; the answer sets a cookie that holds for 12 hours and stands for it.
#[utoipa::path(
    post,
    path = "/v1/login",
    tag = "auth",
    responses(
        (status = 204, description = "Logged in, or no token is needed here"),
        (status = 401, description = "No token, or one that is not known", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn login(State(shared): State<Shared>, identity: Identity) -> Result<Response, Problem> {
    let Some(tokens) = &shared.tokens else { return Ok(StatusCode::NO_CONTENT.into_response()) };
    if identity.is_nobody() {
        return Err(Problem::unauthorized("send the token in the header `Authorization: Bearer …`"));
    }
    let tokens = tokens.load();
    let (token, _) =
        tokens.named(identity.name()).ok_or_else(|| Problem::unauthorized("the token is no longer known"))?;
    let value = shared.sessions.seal(identity.name(), token, now() + SESSION.as_secs());
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, set(&shared, &value, SESSION.as_secs()))]).into_response())
}

/// Log out, for browsers
#[utoipa::path(post, path = "/v1/logout", tag = "auth", responses((status = 204, description = "The cookie is gone")))]
async fn logout(State(shared): State<Shared>) -> Response {
    (StatusCode::NO_CONTENT, [(SET_COOKIE, set(&shared, "", 0))]).into_response()
}

fn set(shared: &Shared, value: &str, seconds: u64) -> String {
    let secure = if shared.settings.tls.is_some() { "; Secure" } else { "" };
    format!("{COOKIE_NAME}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
struct WhoAmI {
    /// The name of the token; `local` on the local socket, `loopback` where no tokens are needed, empty for nobody.
    name: String,
    /// Whether a token is needed here, and none was sent.
    login_needed: bool,
    /// Whether they may do everything.
    admin: bool,
    /// Filters of topics where they may publish.
    publish: Vec<String>,
    /// Filters of what they may see.
    subscribe: Vec<String>,
}

/// Who asks, and what they may
#[utoipa::path(get, path = "/v1/whoami", tag = "auth", responses((status = 200, body = WhoAmI)))]
async fn whoami(identity: Identity) -> Json<WhoAmI> {
    let scopes = identity.scopes();
    let texts = |filters: &[plugbus_bus::Filter]| filters.iter().map(ToString::to_string).collect();
    Json(WhoAmI {
        name: identity.name().to_owned(),
        login_needed: identity.is_nobody(),
        admin: scopes.admin,
        publish: texts(&scopes.publish),
        subscribe: texts(&scopes.subscribe),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_taken_only_whole_in_time_and_from_the_key_that_made_it() {
        let tokens = Tokens::parse("ci.x 0123456789abcdef admin").unwrap();
        let sessions = Sessions::new().unwrap();
        let (token, _) = tokens.named("ci.x").unwrap();
        let value = sessions.seal("ci.x", token, 100);
        assert_eq!(
            sessions.open_at(&value, &tokens, 99).map(|identity| identity.name().to_owned()),
            Some("ci.x".into())
        );
        assert!(sessions.open_at(&value, &tokens, 100).is_none());
        assert!(Sessions::new().unwrap().open_at(&value, &tokens, 99).is_none());
        assert!(sessions.open_at(&sessions.seal("gone", token, 100), &tokens, 99).is_none());
        let other = Tokens::parse("ci.x another-0123456789abcdef admin").unwrap();
        assert!(sessions.open_at(&value, &other, 99).is_none(), "another token of the same name");
        for at in 0..value.len() {
            let mut other = value.clone().into_bytes();
            other[at] ^= 1;
            let other = String::from_utf8(other).unwrap();
            // The last character of base64 has bits that mean nothing; a decoder that is strict refuses them.
            assert!(sessions.open_at(&other, &tokens, 99).is_none(), "{other}");
        }
        for nonsense in ["", ".", "..", "a.b.c", "ci.x.100."] {
            assert!(sessions.open_at(nonsense, &tokens, 0).is_none(), "{nonsense}");
        }
    }
}
