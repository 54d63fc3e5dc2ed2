//! From a compiled component and a plugin's grants to a template for instances.

use std::path::PathBuf;

use crate::compile::Component;
use crate::config::PluginSpec;
use crate::template::Template;

/// Why a component cannot be linked as this plugin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The component imports what its manifest does not grant.
    #[error("{}", MissingGrant::list(.0))]
    MissingGrants(Vec<MissingGrant>),
    /// A granted folder cannot be opened.
    #[error("granted folder {} (as `{guest}`): {problem}", host.display())]
    Dir {
        /// The folder on the host.
        host: PathBuf,
        /// Its path in the guest.
        guest: String,
        /// What to do.
        problem: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A setting of the plugin that cannot work.
    #[error("{0}")]
    Spec(String),
    /// The interfaces have the right names but other types than this host's contract.
    #[error("the component does not fit the contract {}: {problem}", crate::contract::WORLD)]
    Contract {
        /// Which function or type, as wasmtime says it.
        problem: String,
    },
}

/// An import that needs a grant the manifest does not give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingGrant {
    /// The import, as the component names it.
    pub import: String,
    /// The manifest line that grants it.
    pub manifest: &'static str,
}

impl MissingGrant {
    fn list(missing: &[Self]) -> String {
        let lines: Vec<String> = missing
            .iter()
            .map(|m| format!("`{}` (grant it with `{}` under `[grants]`)", m.import, m.manifest))
            .collect();
        format!("imports that the manifest does not grant: {}", lines.join(", "))
    }
}

impl Component {
    /// Links the component as one plugin: checks its grants and opens its folders. Runs nothing of the guest.
    ///
    /// # Errors
    /// [`LinkError`] names each missing grant by its import.
    pub fn link(&self, spec: PluginSpec) -> Result<Template, LinkError> {
        Ok(Template::new(self.clone(), spec))
    }
}
