//! Where things are: the workspace as `cargo metadata` describes it.

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
pub(crate) struct Workspace {
    /// Folder of the root Cargo.toml.
    pub(crate) root: PathBuf,
    /// Cargo's target folder, wherever the user's configuration puts it.
    pub(crate) target: PathBuf,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn find() -> Result<Self, WorkspaceError> {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let text =
            process::read(cargo().args(["metadata", "--no-deps", "--format-version=1", "--manifest-path", manifest]))?;
        Self::parse(&serde_json::from_str(&text)?)
    }

    fn parse(metadata: &Value) -> Result<Self, WorkspaceError> {
        let path = |key| metadata[key].as_str().map(PathBuf::from).ok_or(WorkspaceError::Missing(key));
        Ok(Self { root: path("workspace_root")?, target: path("target_directory")? })
    }
}

/// The cargo that started this process, or the one on the PATH.
pub(crate) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The compiler that cargo would use.
pub(crate) fn rustc() -> Command {
    Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}
