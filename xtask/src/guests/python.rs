//! Python: componentize-py, which the SDK's `build.py` pins and installs.

use std::path::Path;
use std::process::Command;

use super::language::{Language, LanguageError, Place, Project};
use crate::process::{self, ProcessError};

/// The SDK, from the root of the workspace.
const SDK: &str = "plugin-sdk/python";
/// The oldest Python that the SDK's tools take, as major and minor number.
const VERSION_MIN: (u32, u32) = (3, 11);

/// Its projects have a pyproject.toml.
pub(crate) struct Python;

impl Language for Python {
    fn name(&self) -> &'static str {
        "python"
    }

    fn marker(&self) -> &'static str {
        "pyproject.toml"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["plugin-sdk/python/src", "plugin-sdk/python/build.py", "wit"]
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
        let folders = [&sdk].into_iter().chain(projects.iter().map(|project| &project.folder));
        for folder in folders.filter(|folder| folder.join("tests").is_dir()) {
            process::run(build_py(place, SDK).arg(folder).arg("--test"))?;
        }
        Ok(())
    }
}

/// `build.py` of an SDK, with the tools that are installed in the place. The SDK for C has one too.
pub(super) fn build_py(place: &Place<'_>, sdk: &str) -> Command {
    let mut python = Command::new("python3");
    python.arg(place.workspace.root.join(sdk).join("build.py")).arg("--tools").arg(&place.tools);
    python
}

/// Sees that there is a Python that can run it.
pub(super) fn require() -> Result<(), LanguageError> {
    let version = process::read(Command::new("python3").arg("--version"))?;
    if number(&version).is_some_and(|number| number >= VERSION_MIN) {
        return Ok(());
    }
    let (major, minor) = VERSION_MIN;
    let text = format!("python3 is `{}`; {major}.{minor} or newer is needed", version.trim());
    Err(LanguageError::Missing(text))
}

/// The first two numbers of `Python 3.11.7`.
fn number(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim().strip_prefix("Python ")?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_python_is_read() {
        assert_eq!(number("Python 3.11.7\n"), Some((3, 11)));
        assert_eq!(number("Python 3"), None);
    }
}
