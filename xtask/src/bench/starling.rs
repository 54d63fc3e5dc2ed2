//! The component of `tests/bench/starling`: JavaScript on StarlingMonkey, 12 MB of engine, made by componentize-js. Its npm packages (some
//! 400 MB) are installed once into `target/tools`. Without it the figure says so and goes on.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::guests::language::{LanguageError, write};
use crate::guests::stamp::{self, Stamp};
use crate::process;
use crate::setup;
use crate::workspace::Workspace;

/// The sources, from the root of the workspace.
const FOLDER: &str = "tests/bench/starling";
/// What is installed, and how.
const PINNED: [&str; 3] = ["package.json", "package-lock.json", ".npmrc"];
/// What the component is made of, beside the contract.
const SOURCE: &str = "plugin.js";
/// For all packages together; for making the component.
const NPM_LIMIT: Duration = Duration::from_secs(600);
const BUILD_LIMIT: Duration = Duration::from_secs(300);

/// Makes the component in the folder of guests, unless it is there and made of just this.
pub(super) fn build(workspace: &Workspace, guests: &Path) {
    if let Err(error) = try_build(workspace, guests) {
        println!("bench: no component on StarlingMonkey: {}", setup::with_causes(&error));
    }
}

fn try_build(workspace: &Workspace, guests: &Path) -> Result<(), LanguageError> {
    let (sources, contract) = (workspace.root.join(FOLDER), workspace.root.join("wit"));
    let component = guests.join("bench/starling.wasm");
    let failed = |(path, source)| LanguageError::File { path, source };
    let current = stamp::of([&sources, &contract]).map_err(failed)?;
    let stamp = Stamp { file: guests.join("stamps/bench/starling") };
    if component.exists() && stamp.is(&current) {
        return Ok(());
    }
    let tools = workspace.target.join("tools/starling");
    for file in PINNED {
        copy(&sources.join(file), &tools.join(file))?;
    }
    println!("bench: making {} with what {FOLDER}/package-lock.json pins", component.display());
    process::run_within(Command::new("npm").args(["ci", "--loglevel=error"]).current_dir(&tools), NPM_LIMIT)?;
    let made = tools.join("starling.wasm");
    let mut node = Command::new("node");
    node.current_dir(&tools).arg("node_modules/@bytecodealliance/componentize-js/src/cli.js");
    node.arg(sources.join(SOURCE)).arg("-w").arg(contract).args(["-n", "plugin", "-d"]);
    // Nothing that needs a grant.
    node.args(["stdio", "random", "clocks", "http", "fetch-event", "-o"]).arg(&made);
    process::run_within(&mut node, BUILD_LIMIT)?;
    copy(&made, &component)?;
    write(&stamp.file, &current)
}

fn copy(from: &Path, to: &Path) -> Result<(), LanguageError> {
    let failed = |source| LanguageError::File { path: to.to_owned(), source };
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::copy(from, to).map(drop).map_err(failed)
}
