//! Whether something must be made again: by what it is made of, not by times.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Folders that hold what was built or installed.
const LEFT_OUT: &[&str] = &["node_modules", "target", "__pycache__"];

/// What something was made of when it was made last.
pub(crate) struct Stamp {
    pub(crate) file: PathBuf,
}

impl Stamp {
    /// Whether it was made of just this.
    pub(crate) fn is(&self, current: &str) -> bool {
        fs::read_to_string(&self.file).is_ok_and(|last| last == current)
    }
}

/// A digest of files and of all that is in folders: names and contents. What begins with a dot, what was built or installed
/// and components are left out.
pub(crate) fn of<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Result<String, (PathBuf, io::Error)> {
    let mut hash = Sha256::new();
    for path in paths {
        add(&mut hash, path, path)?;
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn add(hash: &mut Sha256, root: &Path, path: &Path) -> Result<(), (PathBuf, io::Error)> {
    let failed = |error| (path.to_owned(), error);
    if path.is_dir() {
        let entries: io::Result<Vec<_>> = fs::read_dir(path).map_err(failed)?.collect();
        let mut inner: Vec<PathBuf> = entries.map_err(failed)?.iter().map(fs::DirEntry::path).collect();
        inner.sort();
        return inner.iter().filter(|path| counts(path)).try_for_each(|path| add(hash, root, path));
    }
    let bytes = fs::read(path).map_err(failed)?;
    let name = path.strip_prefix(root).unwrap_or(path).as_os_str().as_encoded_bytes();
    for part in [name, &bytes] {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    Ok(())
}

fn counts(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    !(name.starts_with('.') || name.ends_with(".wasm") || LEFT_OUT.contains(&name.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_changes_with_names_and_contents_and_not_with_what_was_built() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_path_buf();
        let write = |file: &str, text: &str| {
            fs::create_dir_all(path.join(file).parent().unwrap()).unwrap();
            fs::write(path.join(file), text).unwrap();
            of([&path]).unwrap()
        };
        let first = write("src/a.js", "1");
        assert_eq!(write("node_modules/b.js", "x"), first);
        assert_eq!(write("out.wasm", "x"), first);
        let second = write("src/a.js", "2");
        assert_ne!(second, first);
        let third = write("src/b.js", "");
        assert_ne!(third, second);
        fs::rename(path.join("src/b.js"), path.join("src/c.js")).unwrap();
        assert_ne!(of([&path]).unwrap(), third);
        assert_eq!(of([&path.join("gone")]).unwrap_err().0, path.join("gone"));
    }
}
