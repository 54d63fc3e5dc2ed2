//! An origin: scheme, host and port, as an HTTP grant names it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Scheme, host and port of an HTTP server, for example `https://api.example.com` or `http://127.0.0.1:8080`.
///
/// Parsed strictly: no path, query, user or wildcard; the port is the scheme's own where none is written. Two origins are
/// equal exactly when requests to them go to the same place.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    scheme: Scheme,
    host: Host,
    port: u16,
}

/// The schemes of an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// Plain text.
    Http,
    /// TLS, certificates checked against Mozilla's roots.
    Https,
}

/// The host of an origin.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// A DNS name in lower case, without a final dot.
    Name(String),
    /// An address, written literally.
    Ip(IpAddr),
}

/// Why a text is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not an origin: {problem}; write it like `https://api.example.com` or `http://127.0.0.1:8080`", text.escape_debug())]
pub struct OriginError {
    /// The text, cut to 160 characters.
    pub text: String,
    /// What is wrong.
    pub problem: &'static str,
}

impl Scheme {
    /// `http` or `https`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// 80 or 443.
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Origin {
    /// Puts an origin together from a scheme and an authority (`host` or `host:port`), as a request carries them.
    ///
    /// # Errors
    /// [`OriginError`] names the first thing that is wrong.
    pub fn from_authority(scheme: Scheme, authority: &str) -> Result<Self, OriginError> {
        let text = || format!("{}://{authority}", scheme.as_str());
        Self::parse(scheme, authority).map_err(|problem| OriginError::new(&text(), problem))
    }

    fn parse(scheme: Scheme, authority: &str) -> Result<Self, &'static str> {
        let (host, port) = parse_authority(authority)?;
        Ok(Self { scheme, host, port: port.unwrap_or(scheme.default_port()) })
    }

    /// The scheme.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port, written or the scheme's own.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the origin names its host so literally that a private or loopback address is what is meant: as an IP
    /// address, or as `localhost`. Any other name must resolve to public addresses.
    #[must_use]
    pub fn may_be_private(&self) -> bool {
        self.host.may_be_private()
    }
}

impl Host {
    /// Whether it is written so literally that a private or loopback address is what is meant: as an IP address, or as
    /// `localhost`. Any other name must resolve to public addresses.
    #[must_use]
    pub fn may_be_private(&self) -> bool {
        match self {
            Self::Ip(_) => true,
            Self::Name(name) => name == "localhost",
        }
    }
}

impl OriginError {
    fn new(text: &str, problem: &'static str) -> Self {
        Self { text: text.chars().take(160).collect(), problem }
    }
}

impl FromStr for Origin {
    type Err = OriginError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = |problem| OriginError::new(text, problem);
        let (scheme, authority) = text.split_once("://").ok_or_else(|| fail("it has no `http://` or `https://`"))?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(fail("its scheme is neither http nor https")),
        };
        Self::parse(scheme, authority).map_err(fail)
    }
}

/// A host, and the port where one is written. Pure.
pub(crate) fn parse_authority(authority: &str) -> Result<(Host, Option<u16>), &'static str> {
    if authority.contains('@') {
        return Err("it has a user part; give credentials to the plugin through its config instead");
    }
    if authority.contains(['/', '?', '#', '\\']) {
        return Err("it has a path; it must end after the host or port");
    }
    let (host, port) = split_port(authority)?;
    let port = match port {
        None => None,
        Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            let port = digits.parse().ok().filter(|port| *port != 0);
            Some(port.ok_or("its port is not between 1 and 65535")?)
        }
        Some(_) => return Err("its port is not a number"),
    };
    Ok((parse_host(host)?, port))
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), &'static str> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (_, after) = rest.split_once(']').ok_or("its `[` is not closed")?;
        let host = authority.strip_suffix(after).unwrap_or(authority);
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err("something other than a port follows the address"),
        };
    }
    match authority.split_once(':') {
        Some((_, port)) if port.contains(':') => Err("an IPv6 address goes in brackets"),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((authority, None)),
    }
}

/// A name, or an address as it stands in a URL. Pure.
pub(crate) fn parse_host(host: &str) -> Result<Host, &'static str> {
    if let Some(inside) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address: Ipv6Addr = inside.parse().map_err(|_| "what stands in brackets is not an IPv6 address")?;
        return Ok(Host::Ip(IpAddr::V6(address)));
    }
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    if name.contains('*') {
        return Err("wildcards are not allowed; name each host");
    }
    if name.is_empty() || name.len() > 253 {
        return Err("its host is empty or longer than 253 characters");
    }
    if let Ok(address) = name.parse::<Ipv4Addr>() {
        return Ok(Host::Ip(IpAddr::V4(address)));
    }
    let label_fits = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if !name.split('.').all(label_fits) {
        return Err("its host is not a DNS name (write an international name in its `xn--` form)");
    }
    // `127.1`, `0x7f.1` and the like: some resolvers read them as addresses, so they are no names here.
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x") {
        return Err("its host looks like an address in an old notation; write all four numbers");
    }
    Ok(Host::Name(name))
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Ip(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.host)?;
        if self.port == self.scheme.default_port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl serde::Serialize for Origin {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Origin {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_parsed_and_printed_in_one_form() {
        let table = [
            ("https://api.example.com", "https://api.example.com"),
            ("HTTPS://API.example.COM.", "https://api.example.com"),
            ("https://api.example.com:443", "https://api.example.com"),
            ("http://api.example.com:443", "http://api.example.com:443"),
            ("http://localhost:8080", "http://localhost:8080"),
            ("http://127.0.0.1:80", "http://127.0.0.1"),
            ("http://[::1]:9000", "http://[::1]:9000"),
            ("http://[::1]", "http://[::1]"),
            ("https://my_host.internal", "https://my_host.internal"),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_exactly_an_origin_is_refused_with_the_reason() {
        let table = [
            ("", "no `http://`"),
            ("api.example.com", "no `http://`"),
            ("ftp://api.example.com", "scheme"),
            ("https://", "empty"),
            ("https://api.example.com/", "path"),
            ("https://api.example.com?x", "path"),
            ("https://user@api.example.com", "user part"),
            ("https://*.example.com", "wildcards"),
            ("https://example.com:", "port"),
            ("https://example.com:0", "port"),
            ("https://example.com:65536", "port"),
            ("https://example.com:+80", "port"),
            ("https://::1", "brackets"),
            ("https://[::1", "not closed"),
            ("https://[::1]x", "follows"),
            ("https://[fe80::1%eth0]", "not an IPv6"),
            ("https://exämple.com", "xn--"),
            ("https://a b.com", "DNS name"),
            ("https://-a.com", "DNS name"),
            ("http://127.1", "old notation"),
            ("http://2130706433", "old notation"),
            ("http://0x7f000001", "old notation"),
        ];
        for (text, problem) in table {
            let error = text.parse::<Origin>().unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }

    #[test]
    fn only_literal_hosts_may_be_private() {
        let private = |text: &str| text.parse::<Origin>().unwrap().may_be_private();
        assert!(private("http://localhost") && private("http://10.0.0.1") && private("http://[fd00::1]"));
        assert!(!private("http://localhost.example.com") && !private("https://intranet"));
    }
}
