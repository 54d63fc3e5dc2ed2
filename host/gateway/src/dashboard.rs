//! The dashboard at `/`: one page and its parts, embedded; no build step, nothing from elsewhere.
//!
//! It is public, since it has nothing in it: what it shows it asks for, as whoever has signed in. What protects it: text from
//! outside only ever becomes text ([`POLICY`] would stop a script that got in all the same), and no other page may frame it.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, StatusCode};
use rust_embed::{EmbeddedFile, RustEmbed};
use utoipa_axum::router::OpenApiRouter;

use crate::problem::Problem;
use crate::shared::Shared;

/// The files of the page.
#[derive(RustEmbed)]
#[folder = "assets/"]
struct Assets;

/// What the page may load and from where: its own files, and nothing inline.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; worker-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
const PAGE: &str = "index.html";
/// Bytes of the hash in an `ETag`.
const TAG_BYTES: usize = 12;

/// The routes. They are for people, and not in the OpenAPI document.
pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().route("/", get(page)).route("/assets/{*path}", get(asset)).route("/favicon.ico", get(icon))
}

async fn page(headers: HeaderMap) -> Response {
    serve(PAGE, &headers)
}

/// Browsers ask for it unasked.
async fn icon(headers: HeaderMap) -> Response {
    serve("favicon.svg", &headers)
}

async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    serve(&path, &headers)
}

fn serve(path: &str, headers: &HeaderMap) -> Response {
    // A lookup among the embedded names: no path leads to a file of the system.
    let (Some(file), Some(kind)) = (Assets::get(path), media_type(path)) else {
        return Problem::not_found("the dashboard has no such file").into_response();
    };
    let tag = tag(&file);
    let known = tag.is_some() && headers.get(IF_NONE_MATCH) == tag.as_ref();
    let mut response = if known { StatusCode::NOT_MODIFIED.into_response() } else { file.data.into_response() };
    let given = response.headers_mut();
    let fixed: [(HeaderName, HeaderValue); 5] = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        // Kept by the browser, and asked for again each time: a new host has a new page.
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    for (name, value) in fixed {
        // Not `extend`, which would leave the media type that axum gives to bytes beside ours.
        given.insert(name, value);
    }
    if let Some(tag) = tag {
        given.insert(ETAG, tag);
    }
    response
}

/// From the hash that was taken when it was embedded.
fn tag(file: &EmbeddedFile) -> Option<HeaderValue> {
    let hash = file.metadata.sha256_hash();
    let hex: String = hash.iter().take(TAG_BYTES).map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::from_str(&format!("\"{hex}\"")).ok()
}

fn media_type(path: &str) -> Option<&'static str> {
    match path.rsplit_once('.')?.1 {
        "html" => Some("text/html; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_has_a_type_and_everything_the_page_names_is_there() {
        let files: BTreeSet<String> = Assets::iter().map(Into::into).collect();
        assert!(files.len() > 20, "{files:?}");
        for file in &files {
            assert!(media_type(file).is_some(), "{file}");
            let text = String::from_utf8(Assets::get(file).unwrap().data.into_owned()).unwrap();
            for named in text.split("assets/").skip(1).filter_map(|rest| rest.split(['"', '\'']).next()) {
                assert!(files.contains(named), "{file} names {named}");
            }
            for named in text.split("from './").skip(1).filter_map(|rest| rest.split('\'').next()) {
                assert!(files.contains(&format!("js/{named}")), "{file} imports {named}");
            }
        }
    }

    #[test]
    fn nothing_in_the_page_is_inline_or_from_elsewhere() {
        for file in Assets::iter() {
            let text = String::from_utf8(Assets::get(&file).unwrap().data.into_owned()).unwrap();
            for bad in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                " style=\"",
                "<style",
                "javascript:",
            ] {
                assert!(!text.contains(bad), "{file} has {bad}");
            }
            let elsewhere =
                text.split("http").skip(1).filter(|rest| rest.starts_with("://") || rest.starts_with("s://"));
            for rest in elsewhere {
                // The namespace of SVG is a name, and nobody asks for it.
                assert!(
                    rest.starts_with("://www.w3.org/2000/svg"),
                    "{file}: http{}",
                    rest.chars().take(40).collect::<String>()
                );
            }
        }
    }
}
