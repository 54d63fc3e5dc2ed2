//! Files of plugins that come and go over HTTP.
//!
//! A file is written beside its place under a name that the loader passes over, synced, and renamed: at every moment there is
//! the old one or the new one, whole. What was there stays as a second name until the loader has judged the new one; where that
//! is refused, it is put back.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use plugbus_gateway::{AdminError, Done, Upload};
use plugbus_loader::{Loader, PluginName};
use tempfile::TempPath;

use super::{Result, done, reloaded};
use crate::report::chain;

/// What names begin with that the loader passes over.
const BESIDE: &str = ".upload-";

/// Puts a file into the plugins folder and loads the plugin.
pub(super) async fn upload(loader: &Loader, name: &str, upload: Upload) -> Result<Done> {
    let name = parse(name)?;
    let (extension, bytes) = match upload {
        Upload::Component(bytes) => ("wasm", bytes),
        Upload::Manifest(bytes) => ("toml", bytes),
    };
    let path = place(loader, &name, extension);
    let placed = path.clone();
    let before = blocking(move || replace(&placed, &bytes)).await?;
    if extension == "toml" && !blocking(exists(place(loader, &name, "wasm"))).await? {
        return Ok(done(format!("the manifest of {name} is there; it takes effect when the component comes")));
    }
    let result = reloaded(name.as_str(), loader.reload(name.as_str()).await);
    if result.is_err() {
        blocking(move || put_back(&path, before)).await?;
        // Nothing in the folder is other than before: this only lets the loader see it.
        loader.rescan().await.map_err(|error| AdminError::Failed(chain(&error)))?;
    }
    result
}

/// Takes both files out of the plugins folder and unloads the plugin.
pub(super) async fn remove(loader: &Loader, name: &str) -> Result<Done> {
    let name = parse(name)?;
    let (component, manifest) = (place(loader, &name, "wasm"), place(loader, &name, "toml"));
    let removed = blocking(move || {
        // The component first: it must not be loaded without its manifest.
        let component = gone(&component)?;
        Ok(gone(&manifest)? || component)
    });
    if !removed.await? {
        return Err(AdminError::Missing(format!(
            "there is no plugin `{name}`; the plugins folder has no file of that name"
        )));
    }
    loader.rescan().await.map_err(|error| AdminError::Failed(chain(&error)))?;
    Ok(done(format!("{name} removed")))
}

fn parse(name: &str) -> Result<PluginName> {
    PluginName::parse(name).map_err(|error| AdminError::Refused(error.to_string()))
}

fn place(loader: &Loader, name: &PluginName, extension: &str) -> PathBuf {
    loader.config().dir.join(format!("{name}.{extension}"))
}

/// Replaces a file whole. What was there before, under a name that vanishes when it is dropped.
fn replace(path: &Path, bytes: &Bytes) -> io::Result<Option<TempPath>> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut new = tempfile::Builder::new().prefix(BESIDE).tempfile_in(folder)?;
    new.write_all(bytes)?;
    new.as_file().sync_all()?;
    let before = second_name(path, folder)?;
    new.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()?;
    Ok(before)
}

/// A second name for what is there, if anything is.
fn second_name(path: &Path, folder: &Path) -> io::Result<Option<TempPath>> {
    let free = tempfile::Builder::new().prefix(BESIDE).tempfile_in(folder)?.into_temp_path();
    let name = free.to_path_buf();
    free.close()?;
    match fs::hard_link(path, &name) {
        Ok(()) => TempPath::try_from_path(name).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn put_back(path: &Path, before: Option<TempPath>) -> io::Result<()> {
    match before {
        Some(before) => before.persist(path).map_err(|error| error.error),
        None => gone(path).map(drop),
    }
}

/// Removes a file; whether it was there.
fn gone(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn exists(path: PathBuf) -> impl FnOnce() -> io::Result<bool> {
    move || path.try_exists()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    let worked = tokio::task::spawn_blocking(work).await.map_err(|error| AdminError::Failed(chain(&error)))?;
    worked.map_err(|error| AdminError::Failed(format!("cannot change the plugins folder: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_whole_and_can_be_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wasm");
        assert!(replace(&path, &Bytes::from_static(b"one")).unwrap().is_none());
        let before = replace(&path, &Bytes::from_static(b"two")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        // The loader passes over names that begin with a dot.
        assert!(names(folder.path()).iter().all(|name| name == "a.wasm" || name.starts_with(BESIDE)));
        put_back(&path, before).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one");
        drop(replace(&path, &Bytes::from_static(b"three")).unwrap());
        assert_eq!(names(folder.path()), ["a.wasm"]);
        put_back(&path, None).unwrap();
        assert_eq!(names(folder.path()), [""; 0]);
    }
}
