//! The folder of the compile cache. It holds machine code that the host runs, so it must be the host's own: a folder that
//! somebody else owns, or may write into, is refused rather than trusted.

use std::io::{Error, ErrorKind, Result};
use std::path::Path;

use crate::sandbox::SandboxError;

/// Makes the folder where it is not there yet, and opens it.
pub(crate) fn open(folder: &Path) -> std::result::Result<wasmtime::Cache, SandboxError> {
    make(folder).map_err(|source| SandboxError::Cache { path: folder.into(), source })
}

fn make(folder: &Path) -> Result<wasmtime::Cache> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    let folder = std::fs::canonicalize(folder)?;
    #[cfg(unix)]
    check_owner(&folder)?;
    let mut cache = wasmtime::CacheConfig::new();
    cache.with_directory(folder);
    wasmtime::Cache::new(cache).map_err(|error| Error::other(format!("{error:#}")))
}

#[cfg(unix)]
fn check_owner(folder: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let refuse = |problem: &str| Err(Error::new(ErrorKind::PermissionDenied, problem));
    let found = std::fs::metadata(folder)?;
    if found.mode() & 0o022 != 0 {
        return refuse("others may write into it, and the host runs what lies there; take that away (`chmod go-w`)");
    }
    // Whoever this process is, a file that it makes is its own.
    let probe = folder.join(format!(".probe-{}", std::process::id()));
    let own = std::fs::File::create(&probe).and_then(|file| file.metadata());
    let removed = std::fs::remove_file(&probe);
    if own?.uid() != found.uid() {
        return refuse("it belongs to somebody else, and the host runs what lies there");
    }
    match removed {
        // Another host with the same number, in a container of its own, took it for its own.
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
