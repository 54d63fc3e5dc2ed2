//! Whether the source of a project has changed: one look at its files, by size and time of change.
//!
//! A scan, not notifications: it is the same on every file system and misses nothing that stays. Bounded by
//! [`FILES_MAX`]; folders of tools and builds are not looked into.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Most files that are looked at. A project with more is watched in part.
const FILES_MAX: usize = 20_000;
/// Folders that hold no source.
const NOT_SOURCE: &[&str] = &["target", "node_modules", "vendor", "third_party", "__pycache__", "dist", "build"];

/// What a look has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stamps(BTreeMap<PathBuf, (SystemTime, u64)>);

impl Stamps {
    /// Looks at the files of a folder but for those that are named. What cannot be read counts as not there: it is looked at again soon.
    pub(crate) fn of(dir: &Path, except: &[PathBuf]) -> Self {
        let mut found = BTreeMap::new();
        let mut folders = vec![dir.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let (path, name) = (entry.path(), entry.file_name());
                let name = name.to_string_lossy();
                let Ok(kind) = entry.file_type() else { continue };
                if kind.is_dir() && !name.starts_with('.') && !NOT_SOURCE.contains(&&*name) {
                    folders.push(path);
                } else if !kind.is_dir() && !except.contains(&path) && !name.starts_with('.') && !name.ends_with(".new")
                {
                    // Followed, if it is a link: what counts is the content.
                    let Ok(file) = fs::metadata(&path) else { continue };
                    found.insert(path, (file.modified().unwrap_or(SystemTime::UNIX_EPOCH), file.len()));
                }
                if found.len() >= FILES_MAX {
                    return Self(found);
                }
            }
        }
        Self(found)
    }

    /// The files in which the two differ.
    pub(crate) fn changes(&self, now: &Self) -> BTreeSet<PathBuf> {
        let changed = now.0.iter().filter(|(path, stamp)| self.0.get(*path) != Some(*stamp)).map(|(path, _)| path);
        let gone = self.0.keys().filter(|path| !now.0.contains_key(*path));
        changed.chain(gone).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_source_are_seen_and_those_of_builds_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        for folder in ["src/deep", "target", "node_modules/x", ".git"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        fs::write(at("src/deep/a.py"), "1").unwrap();
        let look = || Stamps::of(dir.path(), &[at("p.wasm")]);
        let before = look();
        for file in ["target/x", "node_modules/x/y", ".git/z", "p.wasm", "p.wasm.new", ".hidden"] {
            fs::write(at(file), "x").unwrap();
        }
        assert_eq!(before.changes(&look()), [].into());
        fs::write(at("src/deep/a.py"), "12").unwrap();
        let changed = look();
        assert_eq!(before.changes(&changed), [at("src/deep/a.py")].into());
        fs::remove_file(at("src/deep/a.py")).unwrap();
        assert_eq!(changed.changes(&look()), [at("src/deep/a.py")].into());
    }
}
