//! Settings of the gateway.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Settings of the gateway: HTTP on a port. The same routes are on the local socket, whatever stands here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Whether to serve HTTP on a port. Default true.
    pub enabled: bool,
    /// Address and port. Default `127.0.0.1:7117`; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// Whether plugins may be uploaded and removed over HTTP, by whoever has the scope `admin`. Default false.
    pub upload: bool,
}

impl Default for Http {
    fn default() -> Self {
        let given = plugbus_gateway::Settings::default();
        Self { enabled: true, listen: given.listen, upload: given.upload }
    }
}
