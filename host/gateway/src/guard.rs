//! What a browser must not be talked into: requests that another site makes (`Origin`), or that reach us under a name of
//! another site's choice (`Host`, DNS rebinding). Holds for every route, upgrades and streams included.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, Method, StatusCode, Uri};

use crate::counters::count;
use crate::problem::Problem;
use crate::serve::Peer;
use crate::settings::Settings;
use crate::shared::Shared;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Refuses what a foreign page may have caused.
pub(crate) async fn guard(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    // No browser reaches the local socket.
    let local = match peer {
        Some(Peer::Local) => return next.run(request).await,
        Some(Peer::Tcp { local, .. }) => Some(local),
        None => None,
    };
    match check(&shared.settings, local, request.method(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => {
            count(&shared.counters.foreign);
            problem.into_response()
        }
    }
}

/// Host first, then origin. Pure.
fn check(
    settings: &Settings,
    local: Option<SocketAddr>,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    let host = host(uri, headers)?;
    if !host_is_ours(settings, local, &host) {
        let shown: String = host.host().chars().take(80).collect();
        let detail = format!(
            "the host `{shown}` is none of ours, which may be a trick of DNS; use localhost, or name it in `http.hosts`"
        );
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, detail));
    }
    match one(headers, &ORIGIN)? {
        Some(origin) if origin_is_ours(settings, &host, origin) => Ok(()),
        Some(origin) => {
            let shown: String = origin.chars().take(80).collect();
            Err(Problem::forbidden(format!(
                "the page `{}` is of another origin; name it in `http.origins` to let it in",
                shown.escape_debug()
            )))
        }
        None if crosses(method, headers) => {
            let detail = "a page of another site made this request; name its origin in `http.origins` to let it in";
            Err(Problem::forbidden(detail))
        }
        None => Ok(()),
    }
}

/// The host that the request is for: that of the URI if it has one, as HTTP demands, else the header.
fn host(uri: &Uri, headers: &HeaderMap) -> Result<Authority, Problem> {
    let header = one(headers, &HOST)?;
    if let Some(authority) = uri.authority() {
        return Ok(authority.clone());
    }
    let text = header.ok_or_else(|| Problem::bad_request("header `host` is missing"))?;
    let authority: Option<Authority> = text.parse().ok().filter(|found: &Authority| !found.as_str().contains('@'));
    authority.ok_or_else(|| Problem::bad_request("header `host` is no host with an optional port"))
}

/// The value of a header that must not be there twice.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => match value.to_str() {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(Problem::bad_request(format!("header `{name}` has bytes beyond printable ASCII"))),
        },
        _ => Err(Problem::bad_request(format!("header `{name}` stands there twice"))),
    }
}

/// Loopback under its own names, the address that the connection came in by, and what the configuration names. An address
/// in figures is never the work of DNS, but for a foreign one the request is not meant for us.
fn host_is_ours(settings: &Settings, local: Option<SocketAddr>, host: &Authority) -> bool {
    let name = host.host().trim_end_matches('.').to_ascii_lowercase();
    let named =
        settings.hosts.iter().any(|own| own.eq_ignore_ascii_case(&name) || own.eq_ignore_ascii_case(host.as_str()));
    if name == "localhost" || named {
        return true;
    }
    let address: Option<IpAddr> = name.trim_start_matches('[').trim_end_matches(']').parse().ok();
    address.is_some_and(|address| {
        let address = address.to_canonical();
        address.is_loopback() || local.is_some_and(|local| local.ip().to_canonical() == address)
    })
}

/// A page of this very host, or one that the configuration names.
fn origin_is_ours(settings: &Settings, host: &Authority, origin: &str) -> bool {
    if settings.origins.iter().any(|own| own.eq_ignore_ascii_case(origin)) {
        return true;
    }
    let scheme = if settings.tls.is_some() { "https://" } else { "http://" };
    origin.strip_prefix(scheme).is_some_and(|rest| rest.eq_ignore_ascii_case(host.as_str()))
}

/// What a browser says of a request that has no `Origin`: an image or a script of another page. A link that somebody
/// follows is fine.
fn crosses(method: &Method, headers: &HeaderMap) -> bool {
    let says = |name: &HeaderName, value: &str| headers.get(name).is_some_and(|found| found == value);
    let foreign = says(&SEC_FETCH_SITE, "cross-site") || says(&SEC_FETCH_SITE, "same-site");
    foreign && !(says(&SEC_FETCH_MODE, "navigate") && method.is_safe())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn checked(settings: &Settings, lines: &[(&'static str, &str)]) -> u16 {
        let lines =
            lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, value);
        }
        let local = Some("192.0.2.7:7117".parse().unwrap());
        let checked = check(settings, local, &Method::GET, &Uri::from_static("/v1/stream"), &headers);
        checked.err().map_or(200, |problem| problem.status.as_u16())
    }

    #[test]
    fn only_hosts_of_ours_are_served() {
        let settings = Settings { hosts: vec!["bus.example".into(), "other:1".into()], ..Settings::default() };
        for (host, expected) in [
            ("localhost", 200),
            ("LocalHost:7117", 200),
            ("localhost.:7117", 200),
            ("127.0.0.1:1", 200),
            ("127.9.9.9", 200),
            ("[::1]:7117", 200),
            ("[::ffff:127.0.0.1]", 200),
            ("192.0.2.7", 200),
            ("bus.example:80", 200),
            ("other:1", 200),
            ("other:2", 421),
            ("192.0.2.8", 421),
            ("evil.example", 421),
            ("localhost.evil.example", 421),
            ("127.0.0.1.evil.example", 421),
            ("0x7f000001.evil", 421),
            ("a@localhost", 400),
            ("local host", 400),
            ("", 400),
        ] {
            assert_eq!(checked(&settings, &[("host", host)]), expected, "{host}");
        }
        assert_eq!(checked(&settings, &[]), 400);
        assert_eq!(checked(&settings, &[("host", "localhost"), ("host", "evil")]), 400);
    }

    #[test]
    fn only_pages_of_ours_are_served() {
        let settings = Settings { origins: vec!["https://tools.example".into()], ..Settings::default() };
        for (origin, expected) in [
            ("http://localhost:7117", 200),
            ("https://tools.example", 200),
            ("http://localhost:8080", 403),
            ("https://localhost:7117", 403),
            ("http://127.0.0.1:7117", 403),
            ("https://tools.example.evil", 403),
            ("http://evil.example", 403),
            ("null", 403),
            ("", 403),
        ] {
            let lines = [("host", "localhost:7117"), ("origin", origin)];
            assert_eq!(checked(&settings, &lines), expected, "{origin}");
        }
        let fetch = |site, mode| {
            checked(&settings, &[("host", "localhost"), ("sec-fetch-site", site), ("sec-fetch-mode", mode)])
        };
        assert_eq!(
            (fetch("same-origin", "cors"), fetch("none", "navigate"), fetch("cross-site", "navigate")),
            (200, 200, 200)
        );
        assert_eq!((fetch("cross-site", "no-cors"), fetch("same-site", "no-cors")), (403, 403));
    }
}
