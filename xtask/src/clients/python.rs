//! The PyPI clients: a venv of their own.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::process;

use super::parts::{PartError, Place};

/// For the venv and all packages together.
const PIP_LIMIT: Duration = Duration::from_secs(600);

/// Installs them; the venv's Python.
pub(super) fn install(place: &Place) -> Result<PathBuf, PartError> {
    let folder = place.install("venv", &["requirements.txt", "constraints.txt"], |folder| {
        let mut venv = Command::new("python3");
        process::run_within(venv.args(["-m", "venv", "--clear"]).arg(folder), PIP_LIMIT)?;
        let mut pip = Command::new(folder.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        pip.arg("--requirement").arg(place.sources.join("requirements.txt"));
        pip.arg("--constraint").arg(place.sources.join("constraints.txt"));
        process::run_within(&mut pip, PIP_LIMIT)?;
        Ok(())
    })?;
    Ok(folder.join("bin/python"))
}
