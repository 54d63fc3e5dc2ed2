//! A project: a folder with a `plugbus.build.toml` that says what is built, and how.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use plugbus::loader::PluginName;
use serde::Deserialize;

use crate::language::Language;

/// The file that makes a folder a project.
pub const BUILD_FILE: &str = "plugbus.build.toml";

/// Most bytes of the file.
const BYTES_MAX: u64 = 64 << 10;

/// A plugin's project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its folder.
    pub dir: PathBuf,
    /// The plugin's name, which is that of its component and its manifest.
    pub name: String,
    /// What it is written in.
    pub language: Language,
    /// A command of the project's own that builds it, instead of the language's: program and arguments, run in the folder.
    pub command: Option<Vec<String>>,
    /// What that command leaves behind; relative to the folder.
    pub output: Option<PathBuf>,
}

/// Why a folder is no project.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// There is no such file.
    #[error(
        "{} is no plugin's project: it has no {BUILD_FILE}; `plugbus new NAME` makes one, or write it: name = \"…\" and language = \"…\"",
        dir.display()
    )]
    None {
        /// The folder.
        dir: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is wrong.
    #[error("{}: {problem}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the place.
        problem: String,
    },
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    language: Language,
    command: Option<Vec<String>>,
    output: Option<PathBuf>,
}

impl Project {
    /// Reads a project.
    ///
    /// # Errors
    /// [`ProjectError`] with the file and what is wrong in it.
    pub fn read(dir: &Path) -> Result<Self, ProjectError> {
        // Builds run in the project's folder, where a relative path would mean another one.
        let dir = &absolute(dir);
        let path = dir.join(BUILD_FILE);
        let text = match read_bounded(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ProjectError::None { dir: dir.to_owned() });
            }
            Err(source) => return Err(ProjectError::Read { path, source }),
        };
        Self::parse(dir, &text).map_err(|problem| ProjectError::Wrong { path, problem })
    }

    /// Understands the text of [`BUILD_FILE`]. Pure.
    fn parse(dir: &Path, text: &str) -> Result<Self, String> {
        let Written { name, language, command, output } =
            toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        PluginName::parse(&name).map_err(|error| format!("`name`: {error}"))?;
        match (&command, &output) {
            (Some(command), _) if command.is_empty() => {
                return Err("`command` is empty; give program and arguments".into());
            }
            (None, Some(_)) => return Err("`output` is what `command` leaves behind; there is no `command`".into()),
            (Some(_), None) => return Err("`output` is missing: where does `command` leave the component?".into()),
            _ => {}
        }
        Ok(Self { dir: dir.to_owned(), name, language, command, output })
    }

    /// The component, once it is built.
    #[must_use]
    pub fn wasm(&self) -> PathBuf {
        self.dir.join(format!("{}.wasm", self.name))
    }

    /// The manifest; it need not be there.
    #[must_use]
    pub fn manifest(&self) -> PathBuf {
        self.dir.join(format!("{}.toml", self.name))
    }

    /// Where the tools go that a build installs. Shared by all projects that name the same folder in `PLUGBUS_TOOLS`.
    #[must_use]
    pub fn tools(&self) -> PathBuf {
        std::env::var_os("PLUGBUS_TOOLS").map_or_else(|| self.own().join("tools"), |path| absolute(Path::new(&path)))
    }

    /// What belongs to no source: tools and the live host's files.
    pub(crate) fn own(&self) -> PathBuf {
        self.dir.join(".plugbus")
    }
}

/// The same place from everywhere. Where the system has no current folder, the path as it is.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let bytes = fs::metadata(path)?.len();
    if bytes > BYTES_MAX {
        let message = format!("it has {bytes} bytes; at most {BYTES_MAX} are read");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    fs::read_to_string(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_named_in_its_file_and_mistakes_in_it_are_named_too() {
        let parse = |text: &str| Project::parse(Path::new("p"), text);
        let project = parse("name = \"my-relay\"\nlanguage = \"rust\"\n").unwrap();
        assert_eq!((project.wasm(), project.manifest()), ("p/my-relay.wasm".into(), "p/my-relay.toml".into()));
        let table = [
            ("language = \"rust\"", "missing field `name`"),
            ("name = \"My Relay\"\nlanguage = \"rust\"", "`name`"),
            ("name = \"a\"\nlanguage = \"cobol\"", "unknown variant `cobol`"),
            ("name = \"a\"\nlanguage = \"rust\"\nnmae = 1", "unknown field `nmae`"),
            ("name = \"a\"\nlanguage = \"c\"\ncommand = []\noutput = \"x\"", "`command` is empty"),
            ("name = \"a\"\nlanguage = \"c\"\ncommand = [\"make\"]", "`output` is missing"),
            ("name = \"a\"\nlanguage = \"c\"\noutput = \"x\"", "there is no `command`"),
        ];
        for (text, expected) in table {
            let problem = parse(text).unwrap_err();
            assert!(problem.contains(expected), "{text}: {problem}");
        }
    }
}
