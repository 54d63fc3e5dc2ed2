//! Whose the folder of the compile cache is. It holds machine code that the host runs, so it must be the host's own: a folder
//! that somebody else owns, or may write into, is refused rather than trusted.

use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Refuses a folder that is not this user's alone.
pub(super) fn check(folder: &Path) -> Result<()> {
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
