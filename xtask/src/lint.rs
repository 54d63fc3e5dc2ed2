//! `cargo xtask lint`: formatting, clippy for the host and for the guests, and the documentation. Warnings are errors.

use thiserror::Error;

use crate::guests;
use crate::process::{self, ProcessError};
use crate::setup::{self, SetupError, TARGET};
use crate::workspace::Workspace;

/// Which check failed.
#[derive(Debug, Error)]
pub(crate) enum LintError {
    #[error("cannot set up the target of the guests")]
    Setup(#[from] SetupError),
    #[error("some files are not formatted: run `cargo fmt`")]
    Format(#[source] ProcessError),
    #[error("clippy complains")]
    Clippy(#[source] ProcessError),
    #[error("clippy complains of a guest")]
    Guests(#[source] ProcessError),
    #[error("the documentation has mistakes")]
    Doc(#[source] ProcessError),
}

/// Runs all checks, the quick one first; stops at the first that fails.
pub(crate) fn run(workspace: &Workspace) -> Result<(), LintError> {
    let mut format = workspace.cargo();
    process::run(format.args(["fmt", "--all", "--check"])).map_err(LintError::Format)?;

    let mut clippy = workspace.cargo();
    clippy.args(["clippy", "--workspace", "--all-targets", "--", "-Dwarnings"]);
    process::run(&mut clippy).map_err(LintError::Clippy)?;

    // Guests are mostly empty for the host's own target, so the call above has not seen what matters in them.
    setup::run(workspace)?;
    let plugins = guests::plugins(workspace).into_iter().map(|(package, _)| package).chain([guests::CONFORMANCE]);
    for (kind, packages) in [("--lib", plugins.collect()), ("--examples", vec![guests::FIXTURES])] {
        let mut clippy = workspace.cargo();
        clippy.args(["clippy", kind, "--target", TARGET]).args(packages.iter().flat_map(|name| ["--package", name]));
        process::run(clippy.args(["--", "-Dwarnings"])).map_err(LintError::Guests)?;
    }

    let mut doc = workspace.cargo();
    doc.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-Dwarnings");
    process::run(&mut doc).map_err(LintError::Doc)
}
