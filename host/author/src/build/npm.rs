//! The tools that the SDK for JavaScript pins, installed by npm.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{BuildError, Step, run};
use crate::project::Project;
use crate::template::VENDOR;

/// What is installed, and how. All of it is in the SDK's folder.
const PINNED: [&str; 3] = ["package.json", "package-lock.json", ".npmrc"];
/// Holds what [`PINNED`] was when the tools were installed to the end.
const STAMP: &str = "installed";

/// Where the tools are.
pub(super) fn tools(project: &Project) -> PathBuf {
    project.tools().join("js")
}

/// Sees that the tools are there, in the versions that the SDK pins.
pub(super) fn have_tools(project: &Project, tell: &mut dyn FnMut(&str)) -> Result<(), BuildError> {
    let tools = tools(project);
    let sdk = project.dir.join(VENDOR).join("plugin-sdk").join(project.language.sdk());
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| BuildError::Tools { path, source }
    };
    let mut pinned = String::new();
    for file in PINNED {
        let path = sdk.join(file);
        pinned.push_str(&fs::read_to_string(&path).map_err(at(&path))?);
    }
    let stamp = tools.join(STAMP);
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == pinned) {
        return Ok(());
    }
    tell(&format!("installing the tools that the SDK pins into {}", tools.display()));
    fs::create_dir_all(&tools).map_err(at(&tools))?;
    for file in PINNED {
        let (from, to) = (sdk.join(file), tools.join(file));
        fs::copy(&from, &to).map_err(at(&from))?;
    }
    let prefix = tools.to_string_lossy().into_owned();
    let args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", &prefix].map(String::from);
    run(
        project,
        &Step { program: "npm".into(), args: args.into(), hint: "install Node.js 20 or newer, npm is part of it" },
    )?;
    fs::write(&stamp, pinned).map_err(at(&stamp))
}
