//! The programs `plugbus` and `plugbusd`, as the tasks start them.

use crate::process::{self, ProcessError};
use crate::workspace::Workspace;

/// What builds them: with the features of the whole workspace, for naming their package alone would build wasmtime a second time.
pub(crate) const BUILD: [&str; 3] = ["build", "--workspace", "--bins"];

/// Builds them, unless this run has done so, alone or with tests. With tests, tokio and whatever depends on it have other features: built
/// alone after that, they would come anew, and take minutes.
///
/// # Errors
/// Where they do not build.
pub(crate) fn build(workspace: &Workspace) -> Result<(), ProcessError> {
    if workspace.programs.get().is_some() {
        return Ok(());
    }
    build_with(workspace, &[])
}

/// Builds them together with what these arguments of cargo name.
///
/// # Errors
/// Where one of them does not build.
pub(crate) fn build_with(workspace: &Workspace, more: &[&str]) -> Result<(), ProcessError> {
    process::run(workspace.cargo().args(BUILD).args(more))?;
    // Only ever set here, and to the same.
    let _ = workspace.programs.set(());
    Ok(())
}
