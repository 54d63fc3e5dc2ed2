//! The npm clients: `npm ci` by the lock file.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::process;

use super::parts::{PartError, Place};

/// For all packages together.
const NPM_LIMIT: Duration = Duration::from_secs(300);
/// What decides what is installed.
const LOCKS: [&str; 3] = ["package.json", "package-lock.json", ".npmrc"];

/// Installs them. Node looks for packages beside the files that import them: a link leads from there to where they are.
pub(super) fn install(place: &Place) -> Result<(), PartError> {
    let folder = place.install("node", &LOCKS, |folder| {
        for name in LOCKS {
            let to = folder.join(name);
            fs::copy(place.sources.join(name), &to).map_err(|source| PartError::Io { path: to, source })?;
        }
        process::run_within(Command::new("npm").args(["ci", "--loglevel=error"]).current_dir(folder), NPM_LIMIT)?;
        Ok(())
    })?;
    link(&folder.join("node_modules"), &place.sources.join("node_modules"))
}

/// Makes a link that leads there, and replaces one that leads elsewhere.
fn link(to: &Path, path: &Path) -> Result<(), PartError> {
    if fs::read_link(path).is_ok_and(|found| found == to) {
        return Ok(());
    }
    let failed = |source| PartError::Io { path: path.to_owned(), source };
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    symlink(to, path).map_err(failed)
}
