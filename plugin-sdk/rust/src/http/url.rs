//! As much of a URL as a request needs. What it means is for the host to decide; this only takes it apart.

use super::shown;

/// A URL taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Url<'a> {
    pub(super) is_https: bool,
    /// Host, and port if there is one.
    pub(super) authority: &'a str,
    /// Path and query, from `/` or `?`; empty for the root.
    pub(super) path_and_query: &'a str,
}

impl<'a> Url<'a> {
    pub(super) fn parse(url: &'a str) -> Result<Self, String> {
        let bad = |problem: &str| Err(format!("URL `{}` {problem}", shown(url)));
        if let Some(character) = url.chars().find(|c| c.is_whitespace() || c.is_control() || !c.is_ascii()) {
            return bad(&format!("has {character:?}; percent-encode it"));
        }
        let (is_https, rest) = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            _ => return bad("must begin with http:// or https://"),
        };
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let (authority, path_and_query) = match rest.find(['/', '?']) {
            Some(end) => rest.split_at(end),
            None => (rest, ""),
        };
        if authority.is_empty() || authority.starts_with(':') {
            return bad("has no host");
        }
        if authority.contains('@') {
            return bad("has a user name or password; use an `authorization` header");
        }
        Ok(Self { is_https, authority, path_and_query })
    }

    /// What goes into the request line: never empty.
    #[cfg(target_arch = "wasm32")]
    pub(super) fn target(&self) -> std::borrow::Cow<'a, str> {
        match self.path_and_query.as_bytes().first() {
            None => "/".into(),
            Some(b'?') => format!("/{}", self.path_and_query).into(),
            Some(_) => self.path_and_query.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let table = [
            ("http://a", (false, "a", "")),
            ("HTTPS://a.example:8443/x/y?z=1#f", (true, "a.example:8443", "/x/y?z=1")),
            ("http://[::1]:80?q", (false, "[::1]:80", "?q")),
        ];
        for (url, (is_https, authority, path_and_query)) in table {
            assert_eq!(Url::parse(url), Ok(Url { is_https, authority, path_and_query }));
        }
    }

    #[test]
    fn what_is_no_url_is_refused_with_the_reason() {
        let table = [
            ("", "must begin with"),
            ("a.example/x", "must begin with"),
            ("file:///etc/passwd", "must begin with"),
            ("http://", "has no host"),
            ("http:///x", "has no host"),
            ("http://:80", "has no host"),
            ("http://u:p@a/", "has a user name"),
            ("http://a/b c", "has ' '"),
            ("http://a/ä", "has 'ä'"),
        ];
        for (url, reason) in table {
            let error = Url::parse(url).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
