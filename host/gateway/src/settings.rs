//! Every bound of the gateway, with its unit and default.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// The port that is served unless another is named.
const PORT: u16 = 7117;

/// What to serve with. Every default is fit for use on loopback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where to listen. Default `127.0.0.1:7117`; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// Connections at one time. Default 1024; one more is told so and closed.
    pub connections_max: usize,
    /// Bytes of a request's line and headers. Default 32 KiB. Worst case in memory: this × `connections_max`.
    pub header_bytes_max: usize,
    /// Time to send a request's headers. Default 10 s.
    pub header_timeout: Duration,
    /// Bytes of a request's body. Default 4 MiB. Worst case in memory: this × `connections_max`.
    pub body_bytes_max: usize,
    /// Time to send a request's body. Default 30 s.
    pub body_timeout: Duration,
    /// Whether components may be uploaded and removed. Default false: whoever may upload runs code of theirs on this host.
    pub upload: bool,
    /// Bytes of an uploaded component. Default 64 MiB. Worst case in memory: this for each upload under way.
    pub upload_bytes_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)),
            connections_max: 1024,
            header_bytes_max: 32 << 10,
            header_timeout: Duration::from_secs(10),
            body_bytes_max: 4 << 20,
            body_timeout: Duration::from_secs(30),
            upload: false,
            upload_bytes_max: 64 << 20,
        }
    }
}
