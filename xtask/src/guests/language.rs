//! Guests in languages other than Rust. One file beside this one is one language; [`all`] is their list.
//!
//! To add one: implement [`Language`] in `guests/<language>.rs`, add it to [`all`], put its guest into
//! `tests/conformance/<name>` and a row into `tests/it/conformance.rs`.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::stamp::{self, Stamp};
use super::{Guests, c, go, js, python};
use crate::process::ProcessError;
use crate::workspace::Workspace;

/// How the guests of one language are built.
pub(crate) trait Language {
    /// What it is called: the name of its folder of tools, and of the file that says why it was skipped.
    fn name(&self) -> &'static str;

    /// The file that makes a folder a project of this language.
    fn marker(&self) -> &'static str;

    /// What every guest is made of beside its own folder, from the root of the workspace: the SDK, say.
    fn sources(&self) -> &'static [&'static str];

    /// Makes the tools ready in [`Place::tools`] and says what it does; does nothing when they are.
    ///
    /// # Errors
    /// Where they cannot be had. Outside of CI the language is skipped then.
    fn install(&self, place: &Place<'_>) -> Result<(), LanguageError>;

    /// Builds the project in a folder; `output` is the component's file.
    ///
    /// # Errors
    /// Where it does not build. That is never skipped.
    fn build(&self, place: &Place<'_>, project: &Path, output: &Path) -> Result<(), ProcessError>;

    /// Runs the tests of the SDK and of each project natively, with the language's own test runner.
    ///
    /// # Errors
    /// Where one fails.
    fn test(&self, place: &Place<'_>, projects: &[Project]) -> Result<(), ProcessError>;
}

/// Every language but Rust.
pub(crate) fn all() -> Vec<Box<dyn Language>> {
    vec![Box::new(c::C), Box::new(go::Go), Box::new(js::JavaScript), Box::new(python::Python)]
}

/// Where one language is built.
pub(crate) struct Place<'a> {
    pub(crate) workspace: &'a Workspace,
    /// The language's own folder of tools, `target/tools/<language>`. It may not exist yet.
    pub(crate) tools: PathBuf,
}

/// One guest: a folder with a project in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Project {
    /// The name of the folder, and of the component.
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) kind: Kind,
}

/// What a guest is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// In `plugins`.
    Plugin,
    /// In `tests/conformance`.
    Conformance,
    /// In `tests/fixtures`: what only one language can do wrong.
    Fixture,
}

impl Kind {
    const ALL: [(Self, &str); 3] =
        [(Self::Plugin, "plugins"), (Self::Conformance, "tests/conformance"), (Self::Fixture, "tests/fixtures")];
}

/// Why the guests of a language are not there.
#[derive(Debug, Error)]
pub(crate) enum LanguageError {
    #[error("{0}")]
    Missing(String),
    #[error("the tools cannot be installed")]
    Install(#[from] ProcessError),
    #[error("cannot use {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{language}: {name} does not build")]
    Build { language: &'static str, name: String, source: ProcessError },
    #[error("the guests of {language} cannot be built, and CI skips none")]
    Skipped { language: &'static str, source: Box<LanguageError> },
}

/// Builds the guests of all languages. Outside of CI one whose tools cannot be had is skipped by name.
pub(crate) fn build(workspace: &Workspace, guests: &Guests) -> Result<(), LanguageError> {
    for language in all() {
        let skipped = guests.skipped.join(language.name());
        match build_one(workspace, guests, language.as_ref()) {
            Ok(()) => remove(&skipped)?,
            Err(error @ LanguageError::Build { .. }) => return Err(error),
            Err(source) if is_ci() => {
                return Err(LanguageError::Skipped { language: language.name(), source: source.into() });
            }
            Err(error) => {
                let reason = describe(&error);
                println!("guests: {} is SKIPPED: {reason}", language.name());
                write(&skipped, &reason)?;
            }
        }
    }
    Ok(())
}

/// Runs the native tests of every language that is not skipped.
pub(crate) fn test(workspace: &Workspace, guests: &Guests) -> Result<(), ProcessError> {
    for language in all() {
        if !guests.skipped.join(language.name()).exists() {
            language.test(&place(workspace, language.as_ref()), &projects(workspace, language.marker()))?;
        }
    }
    Ok(())
}

/// The projects of a language: the folders with its marker, in the order of their names.
pub(crate) fn projects(workspace: &Workspace, marker: &str) -> Vec<Project> {
    let mut found = Vec::new();
    for (kind, parent) in Kind::ALL {
        let entries = fs::read_dir(workspace.root.join(parent)).into_iter().flatten().flatten();
        let folders = entries.map(|entry| entry.path()).filter(|folder| folder.join(marker).is_file());
        found.extend(folders.filter_map(|folder| {
            let name = folder.file_name()?.to_str()?.to_owned();
            Some(Project { name, folder, kind })
        }));
    }
    found.sort_by(|a, b| a.folder.cmp(&b.folder));
    found
}

fn build_one(workspace: &Workspace, guests: &Guests, language: &dyn Language) -> Result<(), LanguageError> {
    let (name, place) = (language.name(), place(workspace, language));
    let projects = projects(workspace, language.marker());
    // Before the tools: a language that is skipped leaves nothing old behind that would be tested.
    let shared: Vec<PathBuf> = language.sources().iter().map(|source| workspace.root.join(source)).collect();
    let stamped = |project: &Project| stamp::of(shared.iter().chain([&project.folder]));
    let failed = |(path, source)| LanguageError::File { path, source };
    if let Err(error) = language.install(&place) {
        projects.iter().try_for_each(|project| remove(&guests.file(project)))?;
        return Err(error);
    }
    let mut built = 0;
    for project in &projects {
        let output = guests.file(project);
        let stamp = Stamp { file: guests.stamps.join(output.strip_prefix(&guests.folder).unwrap_or(&output)) };
        let current = stamped(project).map_err(failed)?;
        if output.exists() && stamp.is(&current) {
            continue;
        }
        create(output.parent())?;
        let failed = |source| LanguageError::Build { language: name, name: project.name.clone(), source };
        language.build(&place, &project.folder, &output).map_err(failed)?;
        write(&stamp.file, &current)?;
        built += 1;
    }
    println!("guests: {} of {name}, {built} of them built anew, in {}", projects.len(), guests.folder.display());
    Ok(())
}

fn place<'a>(workspace: &'a Workspace, language: &dyn Language) -> Place<'a> {
    Place { workspace, tools: workspace.target.join("tools").join(language.name()) }
}

/// Whether this is a machine on which nothing may be skipped.
fn is_ci() -> bool {
    env::var_os("CI").is_some_and(|value| value == "true" || value == "1")
}

/// An error with its causes in a line.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

fn create(folder: Option<&Path>) -> Result<(), LanguageError> {
    let Some(folder) = folder else { return Ok(()) };
    fs::create_dir_all(folder).map_err(|source| LanguageError::File { path: folder.to_owned(), source })
}

/// Writes a small file, and the folder that it stands in.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), LanguageError> {
    create(path.parent())?;
    fs::write(path, text).map_err(|source| LanguageError::File { path: path.to_owned(), source })
}

fn remove(path: &Path) -> Result<(), LanguageError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(LanguageError::File { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::OnceCell;

    use super::*;

    #[test]
    fn the_projects_of_a_language_are_the_folders_with_its_marker() {
        let root = tempfile::tempdir().unwrap();
        for file in [
            "plugins/b/go.mod",
            "plugins/a/go.mod",
            "plugins/c/Cargo.toml",
            "tests/conformance/go/go.mod",
            "tests/fixtures/x/go.mod",
        ] {
            write(&root.path().join(file), "").unwrap();
        }
        let workspace = Workspace {
            root: root.path().into(),
            target: root.path().into(),
            packages: Vec::new(),
            programs: OnceCell::new(),
        };
        let found = projects(&workspace, "go.mod");
        let named: Vec<_> = found.iter().map(|project| (project.name.as_str(), project.kind)).collect();
        assert_eq!(named, [("a", Kind::Plugin), ("b", Kind::Plugin), ("go", Kind::Conformance), ("x", Kind::Fixture)]);
    }
}
