//! The compile cache on disk: wasmtime's own, with a digest kept beside it for each entry.
//!
//! Wasmtime trusts what it finds there. An entry in which one bit has changed is machine code that runs, and that is the end
//! of the host: at each start, as long as the entry is there. So the digests of entries are kept in a folder of their own,
//! and before the engine sees the cache, all that does not match is removed: what was damaged, what nobody vouched for
//! (the host was killed in between), and what was half written. That last one would also keep wasmtime from writing the
//! entry ever again.
//!
//! What bounds it: opening reads the cache once, which wasmtime keeps under 512 MiB. Another host that uses the same folder
//! at the same time loses at worst an entry that it has just written, and nothing else.
//!
//! ```text
//! <folder>/code/modules/<compiler>/<hash>     wasmtime's entry, and <hash>.stats, <hash>.wip-…
//! <folder>/digests/<compiler>/<hash>          SHA-256 of the entry
//! ```

use std::ffi::OsStr;
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

#[cfg(unix)]
mod owner;

/// The folder of a compile cache.
#[derive(Debug)]
pub(crate) struct CacheFolder {
    entries: PathBuf,
    digests: PathBuf,
}

impl CacheFolder {
    /// Makes the folder if it is not there, and removes what cannot be trusted. Blocks on the disk.
    ///
    /// # Errors
    /// Where the folder cannot be used, or what cannot be trusted cannot be removed.
    pub(crate) fn open(folder: &Path) -> io::Result<(Self, wasmtime::Cache)> {
        make(folder)?;
        let folder = fs::canonicalize(folder)?;
        #[cfg(unix)]
        owner::check(&folder)?;
        let code = folder.join("code");
        let opened = Self { entries: code.join("modules"), digests: folder.join("digests") };
        make(&opened.entries)?;
        make(&opened.digests)?;
        opened.remove_untrusted()?;
        let mut config = wasmtime::CacheConfig::new();
        config.with_directory(code);
        // Entries are never written anew in another compression: they would not match their digests any more.
        config.with_optimized_compression_usage_counter_threshold(u64::MAX);
        let cache = wasmtime::Cache::new(config).map_err(|error| io::Error::other(format!("{error:#}")))?;
        Ok((opened, cache))
    }

    /// Vouches for the entries that have been written since. An entry that it does not come to is removed at the next start.
    pub(crate) fn vouch_for_new(&self) {
        if let Err(error) = self.write_digests() {
            tracing::debug!(folder = %self.digests.display(), error = %error, "the compile cache will not be used in full");
        }
    }

    fn write_digests(&self) -> io::Result<()> {
        for compiler in names(&self.entries)? {
            let (entries, digests) = (self.entries.join(&compiler), self.digests.join(&compiler));
            make(&digests)?;
            for name in names(&entries)?.iter().filter(|name| is_entry(name)) {
                let kept = digests.join(name);
                if !kept.exists() {
                    // Written elsewhere and renamed, so that no half of it is ever seen. Two writers write the same.
                    let part = digests.join(format!("{}.part", name.display()));
                    fs::write(&part, digest(&entries.join(name))?)?;
                    fs::rename(part, kept)?;
                }
            }
        }
        Ok(())
    }

    fn remove_untrusted(&self) -> io::Result<()> {
        for compiler in names(&self.entries)? {
            let (entries, digests) = (self.entries.join(&compiler), self.digests.join(&compiler));
            for name in names(&entries)? {
                let path = entries.join(&name);
                let is_trusted = match path.extension() {
                    None => {
                        fs::read(digests.join(&name)).is_ok_and(|kept| digest(&path).is_ok_and(|now| now[..] == kept))
                    }
                    Some(extension) => extension == "stats",
                };
                if !is_trusted {
                    remove(&path)?;
                }
            }
        }
        // Wasmtime clears away old entries by itself; their digests go here.
        for compiler in names(&self.digests)? {
            for name in names(&self.digests.join(&compiler))? {
                if !self.entries.join(&compiler).join(&name).exists() {
                    remove(&self.digests.join(&compiler).join(&name))?;
                }
            }
        }
        Ok(())
    }
}

/// What a folder holds; nothing where there is no folder.
fn names(folder: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.file_name())).collect(),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Whether a file is an entry, and not about one.
fn is_entry(name: &OsStr) -> bool {
    Path::new(name).extension().is_none()
}

fn digest(path: &Path) -> io::Result<[u8; 32]> {
    Ok(Sha256::digest(fs::read(path)?).into())
}

/// Removes a file; one that another host has removed already is no error.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes a folder that only its owner can look into, if it is not there.
fn make(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
