//! URLs and headers of a plugin's HTTP requests.

use plugbus_sdk::http::{HttpError, Request, check_header, check_url};

use crate::message;

/// The first line is a URL, each other one a header `name: value`. What is malformed never leaves the plugin, and the text
/// that says so is fit to be shown.
pub fn url(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.split('\n');
    let url = lines.next().unwrap_or_default();
    let headers: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(": ")).collect();
    let url_is_good = check_url(url).inspect_err(|error| message::check(error)).is_ok();
    let is_good =
        |(name, value): &(&str, &str)| check_header(name, value).inspect_err(|error| message::check(error)).is_ok();
    let headers_are_good = headers.iter().filter(|header| !is_good(header)).count() == 0;
    if url_is_good {
        check_good(url);
    }
    let request = headers.iter().fold(Request::get(url), |request, (name, value)| request.header(*name, *value));
    // There is no server here, so that a request in order is denied.
    match request.send() {
        Err(HttpError::Invalid(_)) => assert!(!url_is_good || !headers_are_good),
        Err(HttpError::Denied(_)) => assert!(url_is_good && headers_are_good),
        other => panic!("{other:?}"),
    }
}

/// What is taken for a URL has a scheme, a host and nothing that could break out of a request line.
fn check_good(url: &str) {
    assert!(url.bytes().all(|byte| byte.is_ascii_graphic()), "{url:?}");
    let (scheme, rest) = url.split_once("://").expect("a scheme");
    assert!(["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()), "{url:?}");
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    assert!(!authority.is_empty() && !authority.contains('@'), "{url:?}");
}
