//! From a compiled component and a plugin's grants to a template for instances.
//!
//! Nothing of the guest runs here. Everything that can be known without running it is checked: the grants its imports need,
//! the folders it was granted, the types of the functions it exports (`guest`).

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Semaphore;
use wasmtime::component::Linker;
use wasmtime_wasi_config::WasiConfigVariables;

use crate::address::LOOKUPS_MAX;
use crate::compile::Component;
use crate::config::PluginSpec;
use crate::contract::{self, Contract};
use crate::denials::Denials;
use crate::guest::GuestPre;
use crate::metrics::Metrics;
use crate::secrets::{SECRETS_MAX, SecretError, Secrets};
use crate::state;
use crate::template::{Inner, Template};
use crate::text::cut;

/// Why a component cannot be linked as this plugin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The component imports what its manifest does not grant.
    #[error("{}", MissingGrant::list(.0))]
    MissingGrants(Vec<MissingGrant>),
    /// A granted folder cannot be opened.
    #[error("granted folder {} (as `{guest}`) cannot be opened; make it, or take it out of the manifest's `dirs`", host.display())]
    Dir {
        /// The folder on the host.
        host: PathBuf,
        /// Its path in the guest.
        guest: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The value of a secret cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A setting of the plugin that cannot work.
    #[error("{0}")]
    Spec(String),
    /// The interfaces have the right names but other types than this host's.
    #[error("the component does not fit the contract {}: {problem}", contract.world())]
    Contract {
        /// Which contract.
        contract: Contract,
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
        let lines: Vec<String> =
            missing.iter().map(|m| format!("`{}` (add `{}` under `[grants]`)", m.import, m.manifest)).collect();
        format!("the component imports what its manifest does not grant: {}", lines.join(", "))
    }
}

impl Component {
    /// Links the component as one plugin: checks its grants, opens its folders and reads its secrets. Runs nothing of the guest.
    ///
    /// # Errors
    /// [`LinkError`] names each missing grant by its import.
    pub fn link(&self, mut spec: PluginSpec) -> Result<Template, LinkError> {
        check_grants(&self.info().imports, &spec)?;
        check_spec(&spec)?;
        let secrets = Secrets::read(&mut spec)?;
        let config_variables = config_variables(&spec)?;
        // Opened once here, so that a missing folder shows when the plugin is loaded; each instance opens its own.
        state::wasi(&spec.grants, None).map_err(|error| LinkError::Dir {
            host: error.grant.host,
            guest: error.grant.guest,
            source: error.source,
        })?;
        let spoken = self.info().contract;
        let contract = |error: wasmtime::Error| LinkError::Contract {
            contract: spoken,
            problem: cut(&format!("{error:#}"), 4 << 10).into_owned(),
        };
        let mut linker = Linker::new(self.inner.sandbox.engine());
        state::add_to_linker(&mut linker, &spec.grants).map_err(contract)?;
        let pre = linker.instantiate_pre(&self.inner.component).map_err(contract)?;
        let inner = Inner {
            component: self.clone(),
            pre: GuestPre::new(spoken, pre).map_err(contract)?,
            publisher: format!("plugin/{}", spec.name).into(),
            config_variables,
            secrets,
            spec,
            metrics: Metrics::default(),
            denials: Denials::default(),
            lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)),
        };
        Ok(Template { inner: Arc::new(inner) })
    }
}

fn check_grants(imports: &[String], spec: &PluginSpec) -> Result<(), LinkError> {
    let missing: Vec<MissingGrant> = imports
        .iter()
        .filter_map(|import| {
            let needed = contract::classify(import);
            let manifest = needed.grant().filter(|_| !needed.is_given(&spec.grants))?;
            Some(MissingGrant { import: import.clone(), manifest })
        })
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(LinkError::MissingGrants(missing)) }
}

/// Most memory that one instance can have: what 32-bit WebAssembly can address.
const MEMORY_BYTES_MAX: u64 = 1 << 32;

fn check_spec(spec: &PluginSpec) -> Result<(), LinkError> {
    let fail = |text: String| Err(LinkError::Spec(text));
    if spec.limits.memory_bytes > MEMORY_BYTES_MAX {
        return fail(format!("memory_bytes is {}; at most {MEMORY_BYTES_MAX} can be had", spec.limits.memory_bytes));
    }
    if let Some(name) = spec.grants.env.keys().find(|name| name.is_empty() || name.contains(['=', '\0'])) {
        return fail(format!("granted variable `{}` is no name of a variable", name.escape_debug()));
    }
    if let Some((name, _)) = spec.grants.env.iter().find(|(_, value)| value.contains('\0')) {
        return fail(format!("granted variable `{name}` has a zero byte in its value"));
    }
    if spec.grants.secrets.len() > SECRETS_MAX {
        return fail(format!("{} secrets are granted; at most {SECRETS_MAX} can be", spec.grants.secrets.len()));
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = spec.grants.secrets.iter().find(|secret| !names.insert(&secret.name)) {
        return fail(format!("two secrets have the name `{}`", twice.name));
    }
    let mut seen = BTreeSet::new();
    for dir in &spec.grants.dirs {
        if dir.guest.is_empty() || dir.guest.contains('\0') {
            return fail(format!("granted folder {}: its path in the guest is empty or malformed", dir.host.display()));
        }
        if !seen.insert(&dir.guest) {
            return fail(format!("two granted folders have the path `{}` in the guest", dir.guest.escape_debug()));
        }
    }
    Ok(())
}

/// The config as `wasi:config/store` shows it: nested keys joined by dots, values as text. Elements of arrays go by number.
fn config_variables(spec: &PluginSpec) -> Result<WasiConfigVariables, LinkError> {
    let config: serde_json::Value = serde_json::from_str(&spec.config_json)
        .map_err(|error| LinkError::Spec(format!("the config is not JSON: {error}")))?;
    if !config.is_object() {
        return Err(LinkError::Spec("the config is not a JSON object".into()));
    }
    let mut flat = Vec::new();
    if spec.grants.config {
        flatten(String::new(), &config, &mut flat);
    }
    Ok(flat.into_iter().collect())
}

fn flatten(path: String, value: &serde_json::Value, flat: &mut Vec<(String, String)>) {
    let join = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        serde_json::Value::Object(map) => map.iter().for_each(|(key, value)| flatten(join(key), value, flat)),
        serde_json::Value::Array(list) => {
            list.iter().enumerate().for_each(|(index, value)| flatten(join(&index.to_string()), value, flat));
        }
        serde_json::Value::String(text) => flat.push((path, text.clone())),
        other => flat.push((path, other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_config_becomes_dotted_keys() {
        let config = serde_json::json!({"url": "x", "auth": {"user": "u", "tries": 3}, "list": [true, {"a": null}]});
        let mut flat = Vec::new();
        flatten(String::new(), &config, &mut flat);
        flat.sort();
        let expected =
            [("auth.tries", "3"), ("auth.user", "u"), ("list.0", "true"), ("list.1.a", "null"), ("url", "x")];
        assert_eq!(flat, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }

    #[test]
    fn missing_grants_are_named_with_their_manifest_line() {
        let imports = [
            "wasi:cli/exit@0.2.3",
            "wasi:http/types@0.2.3",
            "wasi:config/store@0.2.0-rc.1",
            "wasi:keyvalue/atomics@0.2.0-draft",
        ]
        .map(String::from);
        let error = check_grants(&imports, &PluginSpec::new("x")).unwrap_err().to_string();
        assert!(error.contains("`wasi:http/types@0.2.3` (add `http = ["), "{error}");
        assert!(error.contains("`wasi:config/store@0.2.0-rc.1` (add `config = true`"), "{error}");
        assert!(error.contains("`wasi:keyvalue/atomics@0.2.0-draft` (add `kv = true`"), "{error}");
        assert!(!error.contains("exit"), "{error}");
    }

    #[test]
    fn specs_that_cannot_work_are_refused() {
        let check = |change: fn(&mut PluginSpec)| {
            let mut spec = PluginSpec::new("x");
            change(&mut spec);
            check_spec(&spec).and(config_variables(&spec).map(drop)).map_err(|error| error.to_string())
        };
        assert_eq!(check(|_| {}), Ok(()));
        assert!(check(|spec| spec.limits.memory_bytes = 1 << 40).is_err());
        assert!(check(|spec| spec.grants.env = [("A=B".into(), "".into())].into()).is_err());
        let secret = || crate::SecretGrant {
            name: "s".parse().unwrap(),
            source: crate::SecretSource::Env("X".into()),
            origins: Vec::new(),
            expose: false,
        };
        let mut twice = PluginSpec::new("x");
        twice.grants.secrets = vec![secret(), secret()];
        assert!(check_spec(&twice).is_err());
        assert!(check(|spec| spec.config_json = "[]".into()).is_err());
        assert!(check(|spec| spec.config_json = "{".into()).is_err());
        let dir = |guest: &str| crate::DirGrant { host: "/".into(), guest: guest.into(), mode: Default::default() };
        let mut spec = PluginSpec::new("x");
        spec.grants.dirs = vec![dir("/a"), dir("/a")];
        assert!(check_spec(&spec).is_err());
    }
}
