//! `cargo xtask test`: the target, the guests, the demo, the crash test, the clients, then every test of the workspace, the
//! integration tests last.

use thiserror::Error;

use crate::clients::{self, ClientsError};
use crate::crash::{self, CrashArguments, CrashError};
use crate::demo::{self, DemoError};
use crate::guests::{self, GuestsError};
use crate::newcomer::{self, NewcomerArguments, NewcomerError};
use crate::process::{self, ProcessError};
use crate::programs;
use crate::setup::{self, SetupError};
use crate::workspace::Workspace;

/// The package and the binary of the integration tests, which need the guests.
const INTEGRATION: (&str, &str) = ("plugbus-tests", "it");

/// Where chance begins in the crash test: the same plan every time. Which instruction a kill meets is another each time.
const CRASH_SEED: u64 = 20;

/// Which step failed.
#[derive(Debug, Error)]
pub(crate) enum TestError {
    #[error("cannot set up the target of the guests")]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Guests(#[from] GuestsError),
    #[error("tests of plugins in their own language fail")]
    Native(#[source] ProcessError),
    #[error("the tests do not build")]
    Build(#[source] ProcessError),
    #[error("the demo fails")]
    Demo(#[source] DemoError),
    #[error("the crash test fails")]
    Crash(#[source] CrashError),
    #[error(transparent)]
    Clients(#[from] ClientsError),
    #[error(transparent)]
    Newcomer(#[from] NewcomerError),
    #[error("tests of the crates fail")]
    Crates(#[source] ProcessError),
    #[error("examples in the documentation fail")]
    Doc(#[source] ProcessError),
    #[error("integration tests fail")]
    Integration(#[source] ProcessError),
}

/// Runs all steps; stops at the first that fails.
///
/// Every call of cargo names the whole workspace and so selects the same features of every dependency: with `--package` it
/// would build wasmtime a second time. The integration tests come last, so that the output ends with their result.
pub(crate) fn run(workspace: &Workspace) -> Result<(), TestError> {
    setup::run(workspace)?;
    let guests = guests::build_all(workspace)?;
    let cargo = |arguments: &[&str]| {
        let mut cargo = workspace.cargo();
        process::run(cargo.args(arguments).env("PLUGBUS_GUESTS", &guests.folder))
    };

    guests::test(workspace, &guests).map_err(TestError::Native)?;

    let mut with = vec!["--tests"];
    with.extend(examples(workspace).flat_map(|name| ["--example", name]));
    programs::build_with(workspace, &with).map_err(TestError::Build)?;

    demo::run(workspace).map_err(TestError::Demo)?;
    let arguments = CrashArguments { rounds: crash::ROUNDS, seed: Some(CRASH_SEED) };
    crash::run(workspace, &arguments).map_err(TestError::Crash)?;
    clients::run(workspace, &[])?;
    // With tools of its own that stay for the next run.
    newcomer::run(workspace, &NewcomerArguments::all(workspace.target.join("tools").join("newcomer")))?;
    cargo(&["test", "--workspace", "--no-fail-fast", "--doc"]).map_err(TestError::Doc)?;
    let mut crates = vec!["test", "--workspace", "--no-fail-fast", "--lib", "--bins"];
    crates.extend(crate_tests(workspace).flat_map(|name| ["--test", name]));
    cargo(&crates).map_err(TestError::Crates)?;

    let (package, binary) = INTEGRATION;
    if workspace.packages.iter().any(|member| member.name == package) {
        cargo(&["test", "--workspace", "--no-fail-fast", "--test", binary]).map_err(TestError::Integration)?;
    }
    Ok(())
}

/// The test binaries that single crates have in their `tests` folders.
fn crate_tests(workspace: &Workspace) -> impl Iterator<Item = &str> {
    let targets = workspace.packages.iter().flat_map(|package| &package.targets);
    targets.filter(|target| target.is("test") && target.name != INTEGRATION.1).map(|target| target.name.as_str())
}

/// The examples that run on the host. Those of the fixtures are guests, and empty for the host's target.
fn examples(workspace: &Workspace) -> impl Iterator<Item = &str> {
    let packages = workspace.packages.iter().filter(|package| package.name != guests::FIXTURES);
    let targets = packages.flat_map(|package| &package.targets);
    targets.filter(|target| target.is("example")).map(|target| target.name.as_str())
}

#[cfg(test)]
mod tests {
    use std::cell::OnceCell;

    use super::*;
    use crate::workspace::{Package, Target};

    #[test]
    fn the_integration_tests_and_the_guests_are_left_out() {
        let package = |name: &str, targets: &[(&str, &str)]| Package {
            name: name.into(),
            folder: "/w".into(),
            targets: targets
                .iter()
                .map(|(name, kind)| Target { name: (*name).into(), kinds: vec![(*kind).into()] })
                .collect(),
        };
        let workspace = Workspace {
            root: "/w".into(),
            target: "/t".into(),
            programs: OnceCell::new(),
            packages: vec![
                package("plugbus-bus", &[("plugbus_bus", "lib"), ("model", "test")]),
                package("plugbus", &[("embed", "example")]),
                package(guests::FIXTURES, &[("noop", "example")]),
                package(INTEGRATION.0, &[("it", "test")]),
            ],
        };
        assert_eq!(crate_tests(&workspace).collect::<Vec<_>>(), ["model"]);
        assert_eq!(examples(&workspace).collect::<Vec<_>>(), ["embed"]);
    }
}
