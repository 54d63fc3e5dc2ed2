//! What a manifest lets a plugin touch. Nothing by default.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::endpoint::Endpoint;
use crate::origin::Origin;
use crate::secrets::SecretGrant;

/// What one plugin may touch outside its own memory. The default grants nothing.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// `wasi:config/store`: the plugin's `[config]` table, nested keys joined by dots.
    pub config: bool,
    /// `wasi:http` outgoing: exactly these origins. An empty list is no grant.
    pub http: Vec<Origin>,
    /// `wasi:sockets`, TCP outgoing: exactly these hosts and ports. An empty list is no grant.
    pub tcp: Vec<Endpoint>,
    /// `wasi:keyvalue`: a store of the plugin's own, see [`Limits::kv_bytes`](crate::Limits::kv_bytes).
    pub kv: bool,
    /// `wasi:cli/environment`: exactly these variables. The host's own environment is never seen.
    pub env: BTreeMap<String, String>,
    /// `wasi:filesystem`: exactly these folders.
    pub dirs: Vec<DirGrant>,
    /// What the host puts into HTTP requests, in the place of placeholders that the guest has. Where it is, never what it is.
    pub secrets: Vec<SecretGrant>,
}

/// One folder of the host that a plugin sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DirGrant {
    /// The folder on the host. It must exist when the plugin is linked.
    pub host: PathBuf,
    /// The path under which the guest sees it, for example `/data`.
    pub guest: String,
    /// What the guest may do there.
    pub mode: DirMode,
}

/// What a guest may do in a granted folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DirMode {
    /// List and read.
    #[default]
    ReadOnly,
    /// List, read, create, write and remove.
    ReadWrite,
}

/// Names the variables, never their values: they are often secrets.
impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grants")
            .field("config", &self.config)
            .field("http", &self.http)
            .field("tcp", &self.tcp)
            .field("kv", &self.kv)
            .field("env", &self.env.keys())
            .field("dirs", &self.dirs)
            .field("secrets", &self.secrets)
            .finish()
    }
}

/// Names the variables, never their values: they are often secrets.
impl Serialize for Grants {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut out = serializer.serialize_struct("Grants", 7)?;
        out.serialize_field("config", &self.config)?;
        out.serialize_field("http", &self.http)?;
        out.serialize_field("tcp", &self.tcp)?;
        out.serialize_field("kv", &self.kv)?;
        out.serialize_field("env", &self.env.keys().collect::<Vec<_>>())?;
        out.serialize_field("dirs", &self.dirs)?;
        out.serialize_field("secrets", &self.secrets)?;
        out.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_variables_are_never_shown() {
        let grants = Grants { env: [("TOKEN".into(), "hunter2".into())].into(), ..Grants::default() };
        let shown = format!("{grants:?}{}", serde_json::to_string(&grants).unwrap());
        assert!(shown.contains("TOKEN") && !shown.contains("hunter2"), "{shown}");
    }
}
