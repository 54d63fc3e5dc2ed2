//! `cargo xtask clients`: real clients (npm, PyPI, Chromium) against a real daemon.
//!
//! What they need is installed into `target/tools/clients`, once for each change of its lock files. What cannot be had is
//! skipped, and why is said; where `CI=true`, that is a failure, so that no green run hides a part that never ran.

mod browser;
mod node;
mod parts;
mod python;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use thiserror::Error;

use crate::guests;
use crate::process::{self, ProcessError};
use crate::programs;
use crate::setup::{self, SetupError};
use crate::workspace::Workspace;

use self::parts::{PartError, Place};

/// The folder of the clients' tests, under the root of the workspace.
const FOLDER: &str = "tests/clients";
/// Longest that the tests of one language may take: they wait for many things, for a minute each.
const TESTS_LIMIT: Duration = Duration::from_secs(900);
/// The test files that need a browser have this in their names.
const BROWSER_TESTS: [&str; 2] = ["browser", "dashboard"];

/// Why the clients' tests did not pass.
#[derive(Debug, Error)]
pub(crate) enum ClientsError {
    #[error("cannot set up the target of the guests")]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Guests(#[from] guests::GuestsError),
    #[error("the programs do not build")]
    Build(#[source] ProcessError),
    #[error("{what} is missing, and in CI nothing is skipped")]
    Missing { what: &'static str, source: PartError },
    #[error("cannot read {path}")]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("no test file of {FOLDER} has `{0}` in its name")]
    NoSuchTest(String),
    #[error("tests of the {0} clients fail")]
    Tests(&'static str, #[source] ProcessError),
}

/// Builds what they talk to, then runs those whose file names have one of `names` in them; all where none is given.
pub(crate) fn build_and_run(workspace: &Workspace, names: &[String]) -> Result<(), ClientsError> {
    setup::run(workspace)?;
    guests::build(workspace)?;
    programs::build(workspace).map_err(ClientsError::Build)?;
    run(workspace, names)
}

/// Runs them against programs and guests that are built.
pub(crate) fn run(workspace: &Workspace, names: &[String]) -> Result<(), ClientsError> {
    let tests = Tests::find(workspace, names)?;
    let place = Place::new(workspace);
    let strict = std::env::var_os("CI").is_some_and(|value| value == "true");

    let mut javascript = tests.javascript;
    if !javascript.is_empty() && ready("the npm clients", node::install(&place), strict)?.is_some() {
        if javascript.iter().any(|path| needs_browser(path)) && ready("Chromium", browser::find(), strict)?.is_none() {
            javascript.retain(|path| !needs_browser(path));
        }
        if !javascript.is_empty() {
            let mut node = Command::new("node");
            node.arg("--test").arg("--test-reporter=spec").args(&javascript);
            run_tests(workspace, &mut node).map_err(|error| ClientsError::Tests("JavaScript", error))?;
        }
    }
    if !tests.python.is_empty()
        && let Some(python) = ready("the PyPI clients", python::install(&place), strict)?
    {
        let mut pytest = Command::new(python);
        // No caches beside the sources.
        pytest.args(["-B", "-m", "pytest", "-p", "no:cacheprovider", "-q"]).args(&tests.python);
        run_tests(workspace, &mut pytest).map_err(|error| ClientsError::Tests("Python", error))?;
    }
    Ok(())
}

/// Installs what figures need of it: the npm clients, and Chromium where a browser is wanted. What cannot be had is said.
pub(crate) fn install_for_figures(workspace: &Workspace, browser: bool) {
    let npm = node::install(&Place::new(workspace));
    let chromium = if browser { browser::find() } else { Ok(()) };
    for (what, part) in [("the npm clients", npm), ("Chromium", chromium)] {
        if let Err(error) = part {
            println!("bench: {what} cannot be had: {}", setup::with_causes(&error));
        }
    }
}

/// A part that is there, or none where it may be skipped.
fn ready<T>(what: &'static str, part: Result<T, PartError>, strict: bool) -> Result<Option<T>, ClientsError> {
    match part {
        Ok(part) => Ok(Some(part)),
        Err(source) if strict => Err(ClientsError::Missing { what, source }),
        Err(error) => {
            println!("clients: SKIPPED, {what} cannot be had: {}", setup::with_causes(&error));
            Ok(None)
        }
    }
}

fn run_tests(workspace: &Workspace, command: &mut Command) -> Result<(), ProcessError> {
    let target = &workspace.target;
    command.env("PLUGBUS_BIN", target.join("debug/plugbus")).env("PLUGBUS_GUESTS", target.join("guests"));
    process::run_within(command.current_dir(workspace.root.join(FOLDER)), TESTS_LIMIT)
}

/// The test files to run, relative to [`FOLDER`].
#[derive(Debug, PartialEq, Eq)]
struct Tests {
    javascript: Vec<String>,
    python: Vec<String>,
}

impl Tests {
    fn find(workspace: &Workspace, names: &[String]) -> Result<Self, ClientsError> {
        let list = |folder: &str| -> Result<Vec<String>, ClientsError> {
            let path = workspace.root.join(FOLDER).join(folder);
            let failed = |source| ClientsError::Folder { path: path.clone(), source };
            let entries = std::fs::read_dir(&path).map_err(failed)?.flatten();
            let mut names: Vec<String> =
                entries.map(|entry| format!("{folder}/{}", entry.file_name().to_string_lossy())).collect();
            names.sort();
            Ok(names)
        };
        Self::select(list("js")?, list("python")?, names)
    }

    /// Of all files those that are tests and asked for. Pure.
    fn select(javascript: Vec<String>, python: Vec<String>, names: &[String]) -> Result<Self, ClientsError> {
        let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let wanted = |path: &str| names.is_empty() || names.iter().any(|part| name(path).contains(part.as_str()));
        let mut tests = Self { javascript, python };
        tests.javascript.retain(|path| path.ends_with(".test.mjs"));
        tests.python.retain(|path| name(path).starts_with("test_") && path.ends_with(".py"));
        let mut all = tests.javascript.iter().chain(&tests.python);
        if let Some(stray) = names.iter().find(|part| !all.clone().any(|path| name(path).contains(part.as_str()))) {
            return Err(ClientsError::NoSuchTest(stray.clone()));
        }
        if all.next().is_none() {
            return Ok(tests);
        }
        tests.javascript.retain(|path| wanted(path));
        tests.python.retain(|path| wanted(path));
        Ok(tests)
    }
}

fn needs_browser(path: &str) -> bool {
    BROWSER_TESTS.iter().any(|part| path.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(names: &[&str]) -> Result<Tests, ClientsError> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let javascript = owned(&["js/daemon.mjs", "js/dashboard.test.mjs", "js/socketio.test.mjs"]);
        Tests::select(javascript, owned(&["python/conftest.py", "python/test_socketio.py"]), &owned(names))
    }

    #[test]
    fn helpers_are_no_tests_and_names_choose() {
        assert_eq!(select(&[]).unwrap().javascript, ["js/dashboard.test.mjs", "js/socketio.test.mjs"]);
        assert_eq!(select(&[]).unwrap().python, ["python/test_socketio.py"]);
        let chosen = select(&["dash"]).unwrap();
        assert_eq!((chosen.javascript.as_slice(), chosen.python.len()), (&["js/dashboard.test.mjs".to_owned()][..], 0));
        assert_eq!(
            select(&["conftest"]).unwrap_err().to_string(),
            "no test file of tests/clients has `conftest` in its name"
        );
    }

    #[test]
    fn a_part_that_is_missing_is_skipped_and_in_ci_an_error() {
        let missing = || Err::<(), _>(PartError::NotRoot);
        assert!(ready("Chromium", missing(), false).unwrap().is_none());
        let error = ready("Chromium", missing(), true).unwrap_err();
        assert_eq!(error.to_string(), "Chromium is missing, and in CI nothing is skipped");
        assert_eq!(ready("it", Ok(7), true).unwrap(), Some(7));
    }
}
