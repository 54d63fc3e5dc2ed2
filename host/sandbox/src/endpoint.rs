//! An endpoint: host and port, as a TCP grant names it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::origin::{Host, parse_authority};

/// Host and port of a TCP server, for example `redis.example.com:6379`, `127.0.0.1:9000` or `[::1]:9000`.
///
/// Parsed as strictly as an [`Origin`](crate::Origin): no scheme, path, user or wildcard; the port must be written. An IPv6
/// address that carries an IPv4 address (`[::ffff:127.0.0.1]:80`) is that one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    host: Host,
    port: u16,
}

/// Why a text is not an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not an endpoint: {problem}; write it like `redis.example.com:6379` or `127.0.0.1:9000`", text.escape_debug())]
pub struct EndpointError {
    /// The text, cut to 160 characters.
    pub text: String,
    /// What is wrong.
    pub problem: &'static str,
}

impl Endpoint {
    /// The host.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port, never 0.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map_err(|problem| EndpointError { text: text.chars().take(160).collect(), problem })
    }
}

fn parse(text: &str) -> Result<Endpoint, &'static str> {
    if text.contains("://") {
        return Err("it has a scheme; TCP has none");
    }
    let (host, port) = parse_authority(text)?;
    let port = port.ok_or("it has no port")?;
    let host = match host {
        Host::Ip(address) => Host::Ip(connectable(address.to_canonical())?),
        name @ Host::Name(_) => name,
    };
    Ok(Endpoint { host, port })
}

fn connectable(address: IpAddr) -> Result<IpAddr, &'static str> {
    let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    if address.is_unspecified() || address.is_multicast() || broadcast {
        return Err("nobody can be connected to at its address");
    }
    Ok(address)
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl serde::Serialize for Endpoint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_parsed_and_printed_in_one_form() {
        let table = [
            ("redis.internal:6379", "redis.internal:6379"),
            ("REDIS.Internal.:6379", "redis.internal:6379"),
            ("localhost:1", "localhost:1"),
            ("127.0.0.1:65535", "127.0.0.1:65535"),
            ("[::1]:9000", "[::1]:9000"),
            ("[::ffff:10.0.0.1]:80", "10.0.0.1:80"),
            ("my_host:80", "my_host:80"),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_exactly_an_endpoint_is_refused_with_the_reason() {
        let table = [
            ("", "empty"),
            (":80", "empty"),
            ("host", "no port"),
            ("[::1]", "no port"),
            ("host:", "not a number"),
            ("host:+80", "not a number"),
            ("host:http", "not a number"),
            ("host:0", "between 1 and 65535"),
            ("host:65536", "between 1 and 65535"),
            ("host:80:80", "brackets"),
            ("::1:80", "brackets"),
            ("[::1:80", "not closed"),
            ("[::1]80", "follows"),
            ("[fe80::1%eth0]:80", "not an IPv6"),
            ("tcp://host:80", "scheme"),
            ("host:80/path", "path"),
            ("user@host:80", "user part"),
            ("*.example.com:80", "wildcards"),
            ("a b:80", "DNS name"),
            ("127.1:80", "old notation"),
            ("0x7f000001:80", "old notation"),
            ("0.0.0.0:80", "nobody"),
            ("[::]:80", "nobody"),
            ("224.0.0.1:80", "nobody"),
            ("[ff02::1]:80", "nobody"),
            ("255.255.255.255:80", "nobody"),
        ];
        for (text, problem) in table {
            let error = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
