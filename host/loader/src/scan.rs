//! One look at the plugins folder: which plugins there are, and the stamps of their files. Reads no file.
//!
//! The scan is the truth that notifications only hint at. It follows symbolic links, so a link that is pointed elsewhere
//! shows as another file. What it looks at is bounded by [`ENTRIES_MAX`]; a folder with more is not scanned at all, and what
//! runs goes on running.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, FileType, Metadata};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::name::{PluginName, PluginNameError};
use crate::stamp::{FileId, Stamp};

/// Most entries of the folder that are looked at.
pub(crate) const ENTRIES_MAX: usize = 10_000;

/// What one look at the folder found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listing {
    /// Which folder it was.
    pub(crate) folder: FileId,
    /// Each `.wasm` file by its stem (cut to 100 characters where it is no name).
    pub(crate) entries: BTreeMap<String, Entry>,
    /// Manifests without a component beside them.
    pub(crate) orphans: Vec<String>,
}

/// One `.wasm` file of the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A plugin in the state that the stamps stand for.
    Plugin {
        /// Its name.
        name: PluginName,
        /// Its files.
        files: Files,
    },
    /// Something that cannot be a plugin.
    Unusable(Unusable),
}

/// The stamps of a plugin's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Files {
    /// `<name>.wasm`.
    pub(crate) wasm: Stamp,
    /// `<name>.toml`, where there is one.
    pub(crate) manifest: Option<Stamp>,
}

/// Why an entry of the folder cannot be a plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// The stem is no name.
    #[error(transparent)]
    Name(#[from] PluginNameError),
    /// A folder, pipe, socket or device.
    #[error("`{file}` is a {kind}, not a file; a plugin is a regular file or a link to one")]
    Special {
        /// The name of the file.
        file: String,
        /// What it is.
        kind: &'static str,
    },
    /// A symbolic link that leads nowhere, or a file that may not be looked at.
    #[error("`{file}` cannot be looked at: {cause}")]
    Unreadable {
        /// The name of the file.
        file: String,
        /// The system's word.
        cause: String,
    },
    /// Too many plugins in the folder.
    #[error("there are more than {limit} plugins in the folder; remove some, or raise `plugins_max`")]
    TooMany {
        /// The limit.
        limit: usize,
    },
}

/// Why the folder could not be scanned. What runs goes on running.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// The folder is missing, is no folder or may not be read.
    #[error("cannot read the plugins folder `{}`; create it or make it readable", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's word.
        #[source]
        source: io::Error,
    },
    /// More entries than are looked at.
    #[error("the plugins folder `{}` has more than {limit} entries; keep other files elsewhere", path.display())]
    TooManyEntries {
        /// The folder.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
}

/// Looks at the folder. Blocks on the file system; never opens a file, so a pipe cannot hold it up.
///
/// Names that begin with a dot are passed over: `rsync` and ConfigMaps use them for what is not ready or not meant.
///
/// # Errors
/// [`ScanError`] where the folder as a whole cannot be scanned.
pub(crate) fn scan(dir: &Path) -> Result<Listing, ScanError> {
    scan_at_most(dir, ENTRIES_MAX)
}

fn scan_at_most(dir: &Path, limit: usize) -> Result<Listing, ScanError> {
    let failed = |source| ScanError::Folder { path: dir.to_owned(), source };
    let folder = FileId::of(&fs::metadata(dir).map_err(failed)?);
    let mut listing = Listing { folder, entries: BTreeMap::new(), orphans: Vec::new() };
    let mut manifests = Vec::new();
    for (number, entry) in fs::read_dir(dir).map_err(failed)?.enumerate() {
        if number >= limit {
            return Err(ScanError::TooManyEntries { path: dir.to_owned(), limit });
        }
        let file = PathBuf::from(entry.map_err(failed)?.file_name());
        if file.as_os_str().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        match file.extension().and_then(OsStr::to_str) {
            Some("wasm") => {
                // A file that has gone since the folder was listed is not there: no error.
                if let Some(entry) = look(dir, &file) {
                    listing.entries.insert(key(&file), entry);
                }
            }
            Some("toml") => manifests.push(key(&file)),
            _ => {}
        }
    }
    manifests.retain(|key| !listing.entries.contains_key(key));
    listing.orphans = manifests;
    Ok(listing)
}

/// The stamps of one plugin's files; `None` where the component is not there.
///
/// # Errors
/// Where the component or the manifest is there but cannot be used.
pub(crate) fn stamp_files(dir: &Path, name: &PluginName) -> Result<Option<Files>, Unusable> {
    let Some(wasm) = stamp_file(dir, Path::new(&format!("{name}.wasm")))? else { return Ok(None) };
    let manifest = stamp_file(dir, Path::new(&format!("{name}.toml")))?;
    Ok(Some(Files { wasm, manifest }))
}

fn look(dir: &Path, file: &Path) -> Option<Entry> {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let name = match PluginName::parse(&stem) {
        Ok(name) => name,
        Err(error) => return Some(Entry::Unusable(error.into())),
    };
    match stamp_files(dir, &name) {
        Ok(files) => files.map(|files| Entry::Plugin { name, files }),
        Err(unusable) => Some(Entry::Unusable(unusable)),
    }
}

fn stamp_file(dir: &Path, file: &Path) -> Result<Option<Stamp>, Unusable> {
    let shown = || file.to_string_lossy().chars().take(100).collect();
    let path = dir.join(file);
    match fs::metadata(&path) {
        Ok(metadata) => match special(&metadata) {
            None => Ok(Some(Stamp::of(&metadata))),
            Some(kind) => Err(Unusable::Special { file: shown(), kind }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::symlink_metadata(&path) {
            Ok(_) => Err(Unusable::Unreadable { file: shown(), cause: "a symbolic link to nothing".into() }),
            Err(_) => Ok(None),
        },
        Err(error) => Err(Unusable::Unreadable { file: shown(), cause: error.to_string() }),
    }
}

/// What a file is, if it is not a regular one.
pub(crate) fn special(metadata: &Metadata) -> Option<&'static str> {
    let kind: FileType = metadata.file_type();
    match () {
        () if kind.is_file() => None,
        () if kind.is_dir() => Some("folder"),
        () if kind.is_fifo() => Some("pipe"),
        () if kind.is_socket() => Some("socket"),
        () => Some("device"),
    }
}

fn key(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn unusable(listing: &Listing, key: &str) -> String {
        match &listing.entries[key] {
            Entry::Unusable(why) => why.to_string(),
            Entry::Plugin { .. } => panic!("{key} is usable"),
        }
    }

    #[test]
    fn plugins_are_found_with_their_manifests_and_the_rest_is_named_or_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for file in ["a.wasm", "a.toml", "b.wasm", "c.toml", ".hidden.wasm", "d.wasm.part", "README", "Bad_Name.wasm"] {
            fs::write(path(file), file).unwrap();
        }
        fs::create_dir(path("folder.wasm")).unwrap();
        symlink(path("b.wasm"), path("link.wasm")).unwrap();
        symlink(path("nowhere"), path("dangling.wasm")).unwrap();
        let listing = scan(dir.path()).unwrap();
        let keys: Vec<_> = listing.entries.keys().map(String::as_str).collect();
        assert_eq!(keys, ["Bad_Name", "a", "b", "dangling", "folder", "link"]);
        assert_eq!(listing.orphans, ["c"]);
        let manifests =
            |key: &str| matches!(&listing.entries[key], Entry::Plugin { files, .. } if files.manifest.is_some());
        assert!(manifests("a") && !manifests("b") && !manifests("link"));
        assert!(unusable(&listing, "Bad_Name").contains("is not a plugin name"));
        assert!(unusable(&listing, "folder").contains("is a folder"));
        assert!(unusable(&listing, "dangling").contains("symbolic link to nothing"));
    }

    #[test]
    fn a_pipe_or_a_socket_is_named_and_holds_nothing_up() {
        let dir = tempfile::tempdir().unwrap();
        let made = std::process::Command::new("mkfifo").arg(dir.path().join("pipe.wasm")).status().unwrap();
        assert!(made.success());
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket.wasm")).unwrap();
        let listing = scan(dir.path()).unwrap();
        assert!(unusable(&listing, "pipe").contains("is a pipe"));
        assert!(unusable(&listing, "socket").contains("is a socket"));
    }

    #[test]
    fn a_rewritten_replaced_or_relinked_file_has_another_stamp() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let stamps = || scan(dir.path()).unwrap().entries["p"].clone();
        fs::write(path("one"), "1").unwrap();
        fs::write(path("two"), "1").unwrap();
        symlink(path("one"), path("p.wasm")).unwrap();
        let linked = stamps();
        assert_eq!(linked, stamps());
        fs::remove_file(path("p.wasm")).unwrap();
        symlink(path("two"), path("p.wasm")).unwrap();
        let relinked = stamps();
        assert_ne!(linked, relinked);
        fs::write(path("two"), "22").unwrap();
        assert_ne!(relinked, stamps());
        let before = stamps();
        fs::write(path("p.toml"), "").unwrap();
        assert_ne!(before, stamps());
    }

    #[test]
    fn a_missing_or_overfull_folder_is_an_error_that_says_so() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(scan(&dir.path().join("none")), Err(ScanError::Folder { .. })));
        for n in 0..4 {
            fs::write(dir.path().join(format!("{n}.wasm")), "").unwrap();
        }
        assert!(scan_at_most(dir.path(), 4).is_ok());
        assert!(matches!(scan_at_most(dir.path(), 3), Err(ScanError::TooManyEntries { limit: 3, .. })));
    }
}
