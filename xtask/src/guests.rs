//! `cargo xtask guests`: builds every guest of the workspace. Those in Rust (plugins, the tests' fixtures, the conformance
//! guest) are built here for [`TARGET`]; those of every other language by its file in `guests/`, see [`language`].

mod c;
mod go;
mod js;
pub(crate) mod language;
mod python;
pub(crate) mod stamp;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use self::language::{Kind, LanguageError, Project};
use crate::process::{self, ProcessError};
use crate::setup::TARGET;
use crate::workspace::{Package, Target, Workspace};

/// The package whose examples are the tests' fixtures.
pub(crate) const FIXTURES: &str = "plugbus-fixtures";

/// The package of the conformance suite's guest in Rust.
pub(crate) const CONFORMANCE: &str = "plugbus-conformance";

/// The cargo profile that guests are built with, see the root Cargo.toml.
pub(crate) const PROFILE: &str = "guest";

/// Why there are no guests.
#[derive(Debug, Error)]
pub(crate) enum GuestsError {
    #[error("cannot build the guests")]
    Build(#[from] ProcessError),
    #[error("cannot put {path} in place")]
    Place { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Language(#[from] LanguageError),
}

/// Where the built guests are, each as `<name>.wasm`.
pub(crate) struct Guests {
    /// Holds the others: what the tests are told as `PLUGBUS_GUESTS`.
    pub(crate) folder: PathBuf,
    /// The plugins, by the names of their packages.
    pub(crate) plugins: PathBuf,
    /// The fixtures, by the names of their source files.
    pub(crate) fixtures: PathBuf,
    /// The guests of the conformance suite, by the names of their folders.
    conformance: PathBuf,
    /// Why a language was skipped: a file of its name.
    skipped: PathBuf,
    /// What the guests that cargo does not build were made of.
    stamps: PathBuf,
}

impl Guests {
    fn new(workspace: &Workspace) -> Self {
        let folder = workspace.target.join("guests");
        let [plugins, fixtures, conformance, skipped, stamps] =
            ["plugins", "fixtures", "conformance", "skipped", "stamps"].map(|name| folder.join(name));
        Self { folder, plugins, fixtures, conformance, skipped, stamps }
    }

    /// Where the component of a project goes.
    fn file(&self, project: &Project) -> PathBuf {
        let folder = match project.kind {
            Kind::Plugin => &self.plugins,
            Kind::Conformance => &self.conformance,
            Kind::Fixture => &self.fixtures,
        };
        folder.join(&project.name).with_extension("wasm")
    }
}

/// Builds the guests of every language. The target must be there, see [`crate::setup`].
pub(crate) fn build_all(workspace: &Workspace) -> Result<Guests, GuestsError> {
    let guests = build(workspace)?;
    language::build(workspace, &guests)?;
    Ok(guests)
}

/// Runs the tests that plugins and SDKs have in their own languages.
pub(crate) fn test(workspace: &Workspace, guests: &Guests) -> Result<(), ProcessError> {
    language::test(workspace, guests)
}

/// Builds those in Rust. The target must be there, see [`crate::setup`].
pub(crate) fn build(workspace: &Workspace) -> Result<Guests, GuestsError> {
    let guests = Guests::new(workspace);
    let output = workspace.target.join(TARGET).join(PROFILE);

    let plugins = plugins(workspace);
    if !plugins.is_empty() {
        let mut cargo = workspace.cargo();
        cargo.args(["build", "--lib", "--target", TARGET, "--profile", PROFILE]);
        cargo.arg(format!("--package={CONFORMANCE}"));
        process::run(cargo.args(plugins.iter().map(|(package, _)| format!("--package={package}"))))?;
    }
    let others: Vec<_> = language::all().iter().flat_map(|one| language::projects(workspace, one.marker())).collect();
    let kept = |kind: Kind| -> Vec<&str> {
        others.iter().filter(|other| other.kind == kind).map(|other| other.name.as_str()).collect()
    };
    place_all(&plugins, &kept(Kind::Plugin), &output, &guests.plugins)?;
    place_all(&[("rust", "plugbus_conformance")], &kept(Kind::Conformance), &output, &guests.conformance)?;

    // A call of its own: examples bring in their package's dev-dependencies, which would change the plugins' features.
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--examples", "--target", TARGET, "--profile", PROFILE]);
    process::run(cargo.args(["--package", FIXTURES]))?;
    let fixtures = fixtures(workspace);
    place_all(&fixtures, &kept(Kind::Fixture), &output.join("examples"), &guests.fixtures)?;

    println!("guests: {} plugins in {}", plugins.len(), guests.plugins.display());
    println!("guests: {} fixtures in {}", fixtures.len(), guests.fixtures.display());
    Ok(guests)
}

/// Each plugin: the name of its package, and of the library that cargo makes of it.
pub(crate) fn plugins(workspace: &Workspace) -> Vec<(&str, &str)> {
    let folder = workspace.root.join("plugins");
    let of_plugins = |package: &&Package| package.folder.starts_with(&folder);
    let library = |package: &Package| package.targets.iter().position(|target| target.is("cdylib"));
    let all = workspace.packages.iter().filter(of_plugins);
    all.filter_map(|package| Some((package.name.as_str(), package.targets.get(library(package)?)?.name.as_str())))
        .collect()
}

/// Each fixture: its name, twice.
fn fixtures(workspace: &Workspace) -> Vec<(&str, &str)> {
    let package = workspace.packages.iter().filter(|package| package.name == FIXTURES);
    let examples = package.flat_map(|package| &package.targets).filter(|target| target.is("example"));
    examples.map(|Target { name, .. }| (name.as_str(), name.as_str())).collect()
}

/// Copies what cargo built to where others look for it, and removes what nobody builds any longer; `kept` are others'.
fn place_all(guests: &[(&str, &str)], kept: &[&str], from: &Path, to: &Path) -> Result<(), GuestsError> {
    let failed = |path: &Path, source| GuestsError::Place { path: path.to_owned(), source };
    fs::create_dir_all(to).map_err(|source| failed(to, source))?;
    for (name, library) in guests {
        let built = from.join(library.replace('-', "_")).with_extension("wasm");
        let place = to.join(name).with_extension("wasm");
        place_one(&built, &place).map_err(|source| failed(&place, source))?;
    }
    for entry in fs::read_dir(to).map_err(|source| failed(to, source))?.flatten() {
        let path = entry.path();
        let mut known = guests.iter().map(|(name, _)| name).chain(kept);
        let known = known.any(|name| path == to.join(name).with_extension("wasm"));
        if !known {
            fs::remove_file(&path).map_err(|source| failed(&path, source))?;
        }
    }
    Ok(())
}

/// Copies a file by way of a rename, so that nobody reads half of it. An equal one is left alone.
fn place_one(built: &Path, place: &Path) -> io::Result<()> {
    let bytes = fs::read(built)?;
    if fs::read(place).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let staged = place.with_extension("wasm.new");
    fs::write(&staged, bytes)?;
    fs::rename(&staged, place)
}

#[cfg(test)]
mod tests {
    use std::cell::OnceCell;

    use super::*;

    fn package(name: &str, folder: &str, targets: &[(&str, &str)]) -> Package {
        let target = |(name, kind): &(&str, &str)| Target { name: (*name).into(), kinds: vec![(*kind).into()] };
        Package { name: name.into(), folder: folder.into(), targets: targets.iter().map(target).collect() }
    }

    #[test]
    fn plugins_are_the_cdylibs_under_plugins_and_fixtures_the_examples() {
        let workspace = Workspace {
            root: "/w".into(),
            target: "/t".into(),
            programs: OnceCell::new(),
            packages: vec![
                package("relay", "/w/plugins/relay-rust", &[("relay_it", "cdylib"), ("it", "test")]),
                package("shared", "/w/plugins/shared", &[("shared", "lib")]),
                package("elsewhere", "/w/host/elsewhere", &[("elsewhere", "cdylib")]),
                package(FIXTURES, "/w/tests/fixtures", &[("plugbus_fixtures", "lib"), ("noop", "example")]),
            ],
        };
        assert_eq!(plugins(&workspace), [("relay", "relay_it")]);
        assert_eq!(fixtures(&workspace), [("noop", "noop")]);
    }

    #[test]
    fn placing_copies_what_is_new_and_removes_what_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(&from).unwrap();
        fs::create_dir_all(&to).unwrap();
        fs::write(from.join("spin_forever.wasm"), "new").unwrap();
        fs::write(to.join("gone.wasm"), "old").unwrap();
        fs::write(to.join("js.wasm"), "another language's").unwrap();

        place_all(&[("spin-forever", "spin-forever")], &["js"], &from, &to).unwrap();

        assert_eq!(fs::read_to_string(to.join("spin-forever.wasm")).unwrap(), "new");
        assert_eq!(fs::read_dir(&to).unwrap().count(), 2);
        let error = place_all(&[("missing", "missing")], &[], &from, &to).err().unwrap();
        assert!(error.to_string().contains("missing.wasm"), "{error}");
    }
}
