//! What stood in the spool and is no event: kept for a look, out of the way.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::size;

/// What the name of the file ends with.
const SUFFIX: &str = ".aside";
/// Bytes of one file; the one before is kept beside it, older ones go.
pub(super) const BYTES_MAX: u64 = 4 << 20;

/// The file beside a spool.
pub(super) fn path(spool: &Path) -> PathBuf {
    with_suffix(spool, SUFFIX)
}

/// Puts a line aside, as it stood there.
pub(super) fn put(spool: &Path, line: &[u8]) -> io::Result<()> {
    let path = path(spool);
    let bytes = match fs::metadata(&path) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    if bytes > 0 && bytes.saturating_add(size(line.len())) > BYTES_MAX {
        fs::rename(&path, with_suffix(&path, ".old"))?;
    }
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
    file.write_all(&[line, b"\n"].concat())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
