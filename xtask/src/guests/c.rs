//! C and C++: Zig's clang and wasm-tools, which the SDK's `build.py` pins and installs.

use std::path::Path;
use std::process::Command;

use super::language::{Language, LanguageError, Place, Project};
use super::python::{build_py, require};
use crate::process::{self, ProcessError};

/// The SDK, from the root of the workspace.
const SDK: &str = "plugin-sdk/c";

/// Its projects have a plugin.c.
pub(crate) struct C;

impl Language for C {
    fn name(&self) -> &'static str {
        "c"
    }

    fn marker(&self) -> &'static str {
        "plugin.c"
    }

    fn sources(&self) -> &'static [&'static str] {
        &[
            "plugin-sdk/c/include",
            "plugin-sdk/c/src",
            "plugin-sdk/c/generated",
            "plugin-sdk/c/build.py",
            "plugin-sdk/wasi",
            "wit",
        ]
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
        process::run(Command::new("python3").arg(sdk.join("generate.py")).arg("--check"))?;
        let mut readme = Command::new("python3");
        process::run(readme.arg(sdk.join("selftest/readme.py")).arg("--tools").arg(&place.tools))?;
        let selftest = sdk.join("selftest");
        let folders = [&selftest].into_iter().chain(projects.iter().map(|project| &project.folder));
        for folder in folders.filter(|folder| folder.join("test").is_dir()) {
            process::run(build_py(place, SDK).arg(folder).arg("--test"))?;
        }
        Ok(())
    }
}
