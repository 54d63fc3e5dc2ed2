//! What the parts have in common: where they are, and when one has to be installed again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::process::ProcessError;
use crate::workspace::Workspace;

/// Why a part cannot be had.
#[derive(Debug, Error)]
pub(crate) enum PartError {
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error("cannot use {path}")]
    Io { path: PathBuf, source: io::Error },
    #[error("/usr/bin/chromium is not there, and only root can install it: apt-get install chromium")]
    NotRoot,
    #[error("Debian's package chromium is installed, and /usr/bin/chromium is not there")]
    NoChromium,
}

/// Where things are.
pub(super) struct Place {
    /// The tests and their lock files.
    pub(super) sources: PathBuf,
    /// What is installed.
    pub(super) tools: PathBuf,
}

impl Place {
    pub(super) fn new(workspace: &Workspace) -> Self {
        Self { sources: workspace.root.join(super::FOLDER), tools: workspace.target.join("tools/clients") }
    }

    /// Installs into a folder of that name, unless the last installation that came to its end had the same lock files.
    pub(super) fn install(
        &self,
        name: &str,
        locks: &[&str],
        install: impl FnOnce(&Path) -> Result<(), PartError>,
    ) -> Result<PathBuf, PartError> {
        let (folder, stamp) = (self.tools.join(name), self.tools.join(format!("{name}.stamp")));
        let wanted = self.stamp(locks)?;
        if folder.is_dir() && fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
            return Ok(folder);
        }
        println!("clients: installing {name} into {}", folder.display());
        remove(&stamp)?;
        fs::create_dir_all(&folder).map_err(|source| PartError::Io { path: folder.clone(), source })?;
        install(&folder)?;
        fs::write(&stamp, wanted).map_err(|source| PartError::Io { path: stamp, source })?;
        Ok(folder)
    }

    /// The lock files in one text.
    fn stamp(&self, locks: &[&str]) -> Result<String, PartError> {
        let read = |name: &&str| {
            let path = self.sources.join(name);
            fs::read_to_string(&path).map_err(|source| PartError::Io { path, source })
        };
        locks.iter().map(read).collect()
    }
}

/// Removes a file that may not be there.
fn remove(path: &Path) -> Result<(), PartError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(PartError::Io { path: path.to_owned(), source }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_installed_once_for_each_change_of_its_locks_and_again_after_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place { sources: folder.path().join("s"), tools: folder.path().join("t") };
        fs::create_dir_all(&place.sources).unwrap();
        fs::write(place.sources.join("lock"), "1").unwrap();
        let mut times = 0;
        let mut install = |fails: bool| {
            let installed = place.install("part", &["lock"], |_| {
                times += 1;
                if fails { Err(PartError::NotRoot) } else { Ok(()) }
            });
            (installed.is_ok(), times)
        };
        assert_eq!(install(true), (false, 1));
        assert_eq!(install(false), (true, 2));
        assert_eq!(install(false), (true, 2));
        fs::write(place.sources.join("lock"), "2").unwrap();
        assert_eq!(install(true), (false, 3));
        assert_eq!(install(false), (true, 4));
    }
}
