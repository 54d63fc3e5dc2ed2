//! The folder that a daemon lives in: plugins, what they may write to, the daemon's data and its log.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::LiveError;

/// A folder of its own for each run. Removed at the end, unless it is kept.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    /// Makes one, with an empty plugins folder and others beside it.
    pub(crate) fn new(task: &str, others: &[&str]) -> Result<Self, LiveError> {
        let folder = tempfile::Builder::new().prefix(&format!("plugbus-{task}-")).tempdir();
        let place = Self { folder: folder.map_err(|error| LiveError::io("make a folder to work in", error))? };
        let others = others.iter().map(|other| place.beside(other));
        for folder in others.chain([place.plugins(), place.staging()]) {
            fs::create_dir_all(&folder).map_err(|error| LiveError::io(format!("make {}", folder.display()), error))?;
        }
        Ok(place)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The plugins folder that the daemon watches.
    pub(crate) fn plugins(&self) -> PathBuf {
        self.beside("plugins.d")
    }

    /// Beside the plugins folder.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn staging(&self) -> PathBuf {
        self.beside("staging")
    }

    /// Puts a plugin into the folder, or another build of one: beside it first and then by a rename, as a package manager
    /// does it.
    pub(crate) fn put(&self, name: &str, manifest: Option<&str>, component: &[u8]) -> Result<(), LiveError> {
        if let Some(manifest) = manifest {
            self.put_manifest(name, manifest)?;
        }
        self.place(&format!("{name}.wasm"), component)
    }

    /// Puts a manifest into the folder, or another one in its place.
    pub(crate) fn put_manifest(&self, name: &str, manifest: &str) -> Result<(), LiveError> {
        self.place(&format!("{name}.toml"), manifest.as_bytes())
    }

    fn place(&self, file: &str, bytes: &[u8]) -> Result<(), LiveError> {
        let (staged, place) = (self.staging().join(file), self.plugins().join(file));
        let placed = fs::write(&staged, bytes).and_then(|()| fs::rename(&staged, &place));
        placed.map_err(|error| LiveError::io(format!("put {} in place", place.display()), error))
    }

    /// Takes a plugin out of the folder.
    pub(crate) fn remove(&self, name: &str) -> Result<(), LiveError> {
        for kind in ["wasm", "toml"] {
            let path = self.plugins().join(format!("{name}.{kind}"));
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(LiveError::io(format!("remove {}", path.display()), error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Leaves the folder behind, for a look at what went wrong.
    pub(crate) fn keep(self) -> PathBuf {
        self.folder.keep()
    }
}

/// Reads a file of ours.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, LiveError> {
    fs::read(path).map_err(|error| LiveError::io(format!("read {}", path.display()), error))
}

/// Reads a text of ours.
pub(crate) fn read_text(path: &Path) -> Result<String, LiveError> {
    fs::read_to_string(path).map_err(|error| LiveError::io(format!("read {}", path.display()), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_put_replaced_and_removed() {
        let place = Place::new("test", &["log"]).unwrap();
        assert!(place.beside("log").is_dir());
        let component = place.plugins().join("a.wasm");
        place.put("a", Some("filters = []"), b"one").unwrap();
        place.put("a", None, b"two").unwrap();
        assert_eq!(read(&component).unwrap(), b"two");
        place.remove("a").unwrap();
        place.remove("never-there").unwrap();
        assert_eq!(fs::read_dir(place.plugins()).unwrap().count(), 0);
        let error = read(&component).unwrap_err();
        assert!(error.to_string().contains("a.wasm"), "{error}");
    }
}
