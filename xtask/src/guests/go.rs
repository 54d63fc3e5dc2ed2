//! Go: the compiler of Debian's backports and wasm-tools, which the SDK's `build.py` has and unpacks.

use std::path::Path;

use super::language::{Language, LanguageError, Place, Project};
use super::python::{build_py, require};
use crate::process::{self, ProcessError};

/// The SDK, from the root of the workspace.
const SDK: &str = "plugin-sdk/go";

/// Its projects have a go.mod.
pub(crate) struct Go;

impl Language for Go {
    fn name(&self) -> &'static str {
        "go"
    }

    fn marker(&self) -> &'static str {
        "go.mod"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["plugin-sdk/go", "plugin-sdk/wasi", "wit"]
    }

    fn install(&self, place: &Place<'_>) -> Result<(), LanguageError> {
        require()?;
        Ok(process::run(build_py(place, SDK).arg("--install"))?)
    }

    fn build(&self, place: &Place<'_>, project: &Path, output: &Path) -> Result<(), ProcessError> {
        process::run(build_py(place, SDK).arg(project).arg("-o").arg(output))
    }

    fn test(&self, place: &Place<'_>, projects: &[Project]) -> Result<(), ProcessError> {
        let sdk = place.workspace.root.join(SDK);
        for folder in [&sdk].into_iter().chain(projects.iter().map(|project| &project.folder)) {
            process::run(build_py(place, SDK).arg(folder).arg("--test"))?;
        }
        Ok(())
    }
}
