//! Where things are and what there is: the workspace as `cargo metadata` describes it.

use std::cell::OnceCell;
use std::env;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use thiserror::Error;

use crate::process::{self, ProcessError};

/// Why the workspace could not be described.
#[derive(Debug, Error)]
pub(crate) enum WorkspaceError {
    #[error("cannot read the workspace's metadata")]
    Metadata(#[from] ProcessError),
    #[error("`cargo metadata` did not print JSON")]
    NotJson(#[from] serde_json::Error),
    #[error("`cargo metadata` printed no `{0}`")]
    Missing(&'static str),
}

/// The workspace: its folders and its packages.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Workspace {
    /// Folder of the root Cargo.toml.
    pub(crate) root: PathBuf,
    /// Cargo's target folder, wherever the user's configuration puts it.
    pub(crate) target: PathBuf,
    /// The members.
    pub(crate) packages: Vec<Package>,
    /// Set once the programs are built, see [`programs`](crate::programs).
    pub(crate) programs: OnceCell<()>,
}

/// A member of the workspace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Folder of its Cargo.toml.
    pub(crate) folder: PathBuf,
    pub(crate) targets: Vec<Target>,
}

/// Something that cargo builds of a package.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) name: String,
    /// `lib`, `cdylib`, `bin`, `example`, `test`, …
    pub(crate) kinds: Vec<String>,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn find() -> Result<Self, WorkspaceError> {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let text =
            process::read(cargo().args(["metadata", "--no-deps", "--format-version=1", "--manifest-path", manifest]))?;
        Self::parse(&serde_json::from_str(&text)?)
    }

    /// Cargo, started in the root of the workspace.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = cargo();
        command.current_dir(&self.root);
        command
    }

    fn parse(metadata: &Value) -> Result<Self, WorkspaceError> {
        let packages = list(metadata, "packages")?.iter().map(Package::parse).collect::<Result<_, _>>()?;
        Ok(Self {
            root: text(metadata, "workspace_root")?.into(),
            target: text(metadata, "target_directory")?.into(),
            packages,
            programs: OnceCell::new(),
        })
    }
}

impl Package {
    fn parse(package: &Value) -> Result<Self, WorkspaceError> {
        let manifest = PathBuf::from(text(package, "manifest_path")?);
        let folder = manifest.parent().ok_or(WorkspaceError::Missing("manifest_path"))?.to_owned();
        let targets = list(package, "targets")?.iter().map(Target::parse).collect::<Result<_, _>>()?;
        Ok(Self { name: text(package, "name")?, folder, targets })
    }
}

impl Target {
    fn parse(target: &Value) -> Result<Self, WorkspaceError> {
        let kinds = list(target, "kind")?.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        Ok(Self { name: text(target, "name")?, kinds })
    }

    pub(crate) fn is(&self, kind: &str) -> bool {
        self.kinds.iter().any(|found| found == kind)
    }
}

fn text(value: &Value, key: &'static str) -> Result<String, WorkspaceError> {
    value.get(key).and_then(Value::as_str).map(str::to_owned).ok_or(WorkspaceError::Missing(key))
}

fn list<'a>(value: &'a Value, key: &'static str) -> Result<&'a Vec<Value>, WorkspaceError> {
    value.get(key).and_then(Value::as_array).ok_or(WorkspaceError::Missing(key))
}

/// The cargo that started this process, or the one on the PATH.
pub(crate) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The compiler that cargo would use.
pub(crate) fn rustc() -> Command {
    Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn metadata_is_read_into_packages_and_targets() {
        let metadata = json!({
            "workspace_root": "/w", "target_directory": "/t",
            "packages": [{
                "name": "relay", "manifest_path": "/w/plugins/relay/Cargo.toml",
                "targets": [{"name": "relay", "kind": ["cdylib", "rlib"]}],
            }],
        });
        let workspace = Workspace::parse(&metadata).unwrap();
        assert_eq!(workspace.target, PathBuf::from("/t"));
        assert_eq!(workspace.packages[0].folder, PathBuf::from("/w/plugins/relay"));
        assert!(workspace.packages[0].targets[0].is("cdylib"));
        assert!(!workspace.packages[0].targets[0].is("lib"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = Workspace::parse(&json!({"packages": []})).unwrap_err();
        assert_eq!(error.to_string(), "`cargo metadata` printed no `workspace_root`");
    }
}
