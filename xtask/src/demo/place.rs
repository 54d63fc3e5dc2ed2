//! The folder that a demo lives in: plugins, what they may write to, the daemon's data and its log.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::DemoError;

/// A folder of its own for each demo. Removed at the end, unless it is kept.
pub(super) struct Place {
    folder: TempDir,
}

impl Place {
    pub(super) fn new() -> Result<Self, DemoError> {
        let folder = tempfile::Builder::new().prefix("plugbus-demo-").tempdir();
        let place = Self { folder: folder.map_err(|error| DemoError::io("make a folder to work in", error))? };
        for folder in [place.plugins(), place.log(), place.staging()] {
            fs::create_dir(&folder).map_err(|error| DemoError::io(format!("make {}", folder.display()), error))?;
        }
        Ok(place)
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The plugins folder that the daemon watches.
    pub(super) fn plugins(&self) -> PathBuf {
        self.path().join("plugins.d")
    }

    /// The folder that log-jsonl is granted: its sample manifest says `../log`.
    pub(super) fn log(&self) -> PathBuf {
        self.path().join("log")
    }

    fn staging(&self) -> PathBuf {
        self.path().join("staging")
    }

    /// Puts a plugin into the folder, or another build of one: beside it first and then by a rename, as a package manager
    /// does it.
    pub(super) fn put(&self, name: &str, manifest: Option<&str>, component: &[u8]) -> Result<(), DemoError> {
        if let Some(manifest) = manifest {
            self.place(&format!("{name}.toml"), manifest.as_bytes())?;
        }
        self.place(&format!("{name}.wasm"), component)
    }

    fn place(&self, file: &str, bytes: &[u8]) -> Result<(), DemoError> {
        let (staged, place) = (self.staging().join(file), self.plugins().join(file));
        let placed = fs::write(&staged, bytes).and_then(|()| fs::rename(&staged, &place));
        placed.map_err(|error| DemoError::io(format!("put {} in place", place.display()), error))
    }

    /// Takes a plugin out of the folder.
    pub(super) fn remove(&self, name: &str) -> Result<(), DemoError> {
        for kind in ["wasm", "toml"] {
            let path = self.plugins().join(format!("{name}.{kind}"));
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(DemoError::io(format!("remove {}", path.display()), error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Leaves the folder behind, for a look at what went wrong.
    pub(super) fn keep(self) -> PathBuf {
        self.folder.keep()
    }
}

/// Reads a file of ours.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, DemoError> {
    fs::read(path).map_err(|error| DemoError::io(format!("read {}", path.display()), error))
}

/// Reads a text of ours.
pub(super) fn read_text(path: &Path) -> Result<String, DemoError> {
    fs::read_to_string(path).map_err(|error| DemoError::io(format!("read {}", path.display()), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_put_replaced_and_removed() {
        let place = Place::new().unwrap();
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
