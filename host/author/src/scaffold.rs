//! `plugbus new`: a project that builds with one command.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use plugbus::loader::{PluginName, PluginNameError};

use crate::language::Language;
use crate::project::Project;
use crate::template::{self, Values};

/// A new project.
#[derive(Debug, Clone)]
pub struct Created {
    /// What it is.
    pub project: Project,
    /// The files that its author looks at, relative to it; those of the SDK are not listed.
    pub files: Vec<PathBuf>,
}

/// Why there is no new project.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The name is none for a plugin.
    #[error("the plugin's name")]
    Name(#[from] PluginNameError),
    /// There is something already.
    #[error("{} is there already and not empty; choose another folder", dir.display())]
    Exists {
        /// The folder.
        dir: PathBuf,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Writes a new project into `dir`, which must be empty or not there. What was written before an error is left for a look.
///
/// # Errors
/// [`CreateError`]; nothing that was there before is touched.
pub fn create(dir: &Path, name: &str, language: Language) -> Result<Created, CreateError> {
    PluginName::parse(name)?;
    let occupied = fs::read_dir(dir).is_ok_and(|mut files| files.next().is_some());
    if occupied || dir.is_file() {
        return Err(CreateError::Exists { dir: dir.to_owned() });
    }
    let files = template::files(Values { name, language });
    for file in &files {
        let path = dir.join(&file.path);
        let folder = path.parent().unwrap_or(dir);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, &file.content))
            .map_err(|source| CreateError::Write { path: path.clone(), source })?;
    }
    let project = Project { dir: dir.to_owned(), name: name.to_owned(), language, command: None, output: None };
    let own = files.into_iter().map(|file| file.path).filter(|path| !path.starts_with("third_party")).collect();
    Ok(Created { project, files: own })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_project_is_one_that_can_be_read_and_nothing_is_overwritten() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("my-relay");
        let created = create(&dir, "my-relay", Language::Rust).unwrap();
        assert_eq!(Project::read(&dir).unwrap(), created.project);
        assert!(created.files.contains(&"src/lib.rs".into()), "{:?}", created.files);
        assert_eq!(crate::samples(&dir).unwrap().len(), 2);
        assert!(matches!(create(&dir, "my-relay", Language::Rust), Err(CreateError::Exists { .. })));
        assert!(matches!(create(&place.path().join("x"), "My Relay", Language::Rust), Err(CreateError::Name(_))));
    }
}
