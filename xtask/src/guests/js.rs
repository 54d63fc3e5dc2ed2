//! JavaScript and TypeScript: Node with the tools that the SDK's package-lock.json pins, installed by `npm ci`.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::language::{Language, LanguageError, Place, Project, write};
use super::stamp::{self, Stamp};
use crate::process::{self, ProcessError};

/// The SDK, from the root of the workspace.
const SDK: &str = "plugin-sdk/js";
/// What is installed, and how. All of it is in the SDK's folder.
const PINNED: [&str; 3] = ["package.json", "package-lock.json", ".npmrc"];
/// The oldest Node that the SDK's tools take.
const NODE_MAJOR_MIN: u32 = 20;

/// Its projects have a package.json.
pub(crate) struct JavaScript;

impl Language for JavaScript {
    fn name(&self) -> &'static str {
        "js"
    }

    fn marker(&self) -> &'static str {
        "package.json"
    }

    fn sources(&self) -> &'static [&'static str] {
        &[
            "plugin-sdk/js/src",
            "plugin-sdk/js/tool",
            "plugin-sdk/js/build.mjs",
            "plugin-sdk/js/package-lock.json",
            "wit",
        ]
    }

    fn install(&self, place: &Place<'_>) -> Result<(), LanguageError> {
        let version = process::read(Command::new("node").arg("--version"))?;
        if major(&version).is_none_or(|major| major < NODE_MAJOR_MIN) {
            let version = version.trim();
            return Err(LanguageError::Missing(format!("node is {version}; {NODE_MAJOR_MIN} or newer is needed")));
        }
        let sdk = place.workspace.root.join(SDK);
        let pinned = PINNED.map(|file| sdk.join(file));
        let failed = |(path, source)| LanguageError::File { path, source };
        let current = stamp::of(&pinned).map_err(failed)?;
        let stamp = Stamp { file: place.tools.join("installed") };
        if stamp.is(&current) {
            return Ok(());
        }
        println!("js: installing what {SDK}/package-lock.json pins, into {}", place.tools.display());
        for (file, path) in PINNED.iter().zip(&pinned) {
            let text = fs::read_to_string(path).map_err(|source| failed((path.clone(), source)))?;
            write(&place.tools.join(file), &text)?;
        }
        let mut npm = Command::new("npm");
        process::run(npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&place.tools))?;
        write(&stamp.file, &current)
    }

    fn build(&self, place: &Place<'_>, project: &Path, output: &Path) -> Result<(), ProcessError> {
        let mut node = node(place, "build.mjs", project);
        process::run(node.arg("-o").arg(output))
    }

    fn test(&self, place: &Place<'_>, projects: &[Project]) -> Result<(), ProcessError> {
        let sdk = place.workspace.root.join(SDK);
        for folder in [&sdk].into_iter().chain(projects.iter().map(|project| &project.folder)) {
            if has_tests(folder) {
                process::run(&mut node(place, "test.mjs", folder))?;
            }
        }
        Ok(())
    }
}

/// A script of the SDK on a project, with the tools that are installed here.
fn node(place: &Place<'_>, script: &str, project: &Path) -> Command {
    let mut node = Command::new("node");
    node.arg(place.workspace.root.join(SDK).join(script)).arg(project).arg("--tools").arg(&place.tools);
    node
}

/// Whether there is something to run: types to check, or tests.
fn has_tests(folder: &Path) -> bool {
    let is_test = |name: &str| name == "tsconfig.json" || name == "test" || name.contains(".test.");
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).any(|name| is_test(&name))
}

/// The first number of `v20.1.2`.
fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_node_is_read() {
        assert_eq!(major("v20.20.2\n"), Some(20));
        assert_eq!(major("20"), None);
    }

    #[test]
    fn the_lockfile_pins_every_package_and_names_no_registry() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(SDK);
        let lock = fs::read_to_string(folder.join("package-lock.json")).unwrap();
        assert!(!lock.contains("\"resolved\"") && !lock.contains("://"), "it names a host");
        let lock: serde_json::Value = serde_json::from_str(&lock).unwrap();
        for (name, package) in lock["packages"].as_object().unwrap().iter().filter(|(name, _)| !name.is_empty()) {
            assert!(package["integrity"].is_string(), "{name} has no checksum");
        }
        let manifest = fs::read_to_string(folder.join("package.json")).unwrap();
        assert!(!manifest.contains('^') && !manifest.contains('~'), "every version is exact");
    }
}
