//! Reads a plugin's files as one consistent state, never in the middle of a write.
//!
//! First [`settled`]: two looks at the files, some time apart, see the same stamps. Then [`read`]: the files that are opened
//! have these stamps, still have them when they have been read, and so do their names. Anything else is "not settled", and
//! the caller comes again. So a slow copy, a rename-over or a relinked folder in between is at worst a later reload.
//!
//! Bounded: sizes are checked before anything is read, a pipe put in a file's place is not waited for, and [`settled`] gives
//! up after a number of looks, so that a file that never stops changing holds nothing up.

#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::manifest::MANIFEST_BYTES_MAX;
use crate::name::PluginName;
use crate::scan::{Files, Unusable, special, stamp_files};
use crate::stamp::Stamp;

/// Looks at changing files before [`settled`] gives up for this time.
const LOOKS_MAX: usize = 20;

/// What one state of a plugin's files holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Capture {
    /// The state.
    pub(crate) files: Files,
    /// The identity of the contents.
    pub(crate) identity: Identity,
    /// The component.
    pub(crate) wasm: Bytes,
    /// The hash of the component alone.
    pub(crate) wasm_sha256: Identity,
    /// The manifest, where there is one.
    pub(crate) manifest: Option<Vec<u8>>,
}

/// SHA-256 of contents: of a component together with its manifest, unless it says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity([u8; 32]);

/// Why a plugin's files could not be read. Coming again helps only when somebody changes them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// One of them is no regular file, or may not be looked at.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// Too large to be read.
    #[error("`{}` has {bytes} bytes; at most {limit_bytes} are allowed", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes found.
        bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// The system refused.
    #[error("cannot read `{}`; make it readable for the user that the host runs as", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's word.
        #[source]
        source: io::Error,
    },
    /// The task that reads files was lost.
    #[error("reading the files was cut off; reload the plugin")]
    CutOff(#[source] tokio::task::JoinError),
}

/// What came of waiting for files to settle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    /// They are in this state.
    Files(Files),
    /// There is no component.
    Gone,
    /// They went on changing for as long as was waited (20 looks).
    Changing,
}

/// Waits until two looks, `settle` apart, see the same files.
///
/// # Errors
/// Where the files cannot be used.
pub(crate) async fn settled(dir: &Path, name: &PluginName, settle: Duration) -> Result<Settled, CaptureError> {
    let (dir, name) = (dir.to_owned(), name.clone());
    let look = move || {
        let (dir, name) = (dir.clone(), name.clone());
        let looked = tokio::task::spawn_blocking(move || stamp_files(&dir, &name));
        async { looked.await.map_err(CaptureError::CutOff) }
    };
    match same_twice(settle, look).await? {
        None => Ok(Settled::Changing),
        Some(seen) => Ok(seen?.map_or(Settled::Gone, Settled::Files)),
    }
}

/// What two looks in a row see alike; `None` if no two do.
async fn same_twice<T: PartialEq, E, F: Future<Output = Result<T, E>>>(
    settle: Duration,
    mut look: impl FnMut() -> F,
) -> Result<Option<T>, E> {
    let mut before = look().await?;
    for _ in 1..LOOKS_MAX {
        tokio::time::sleep(settle).await;
        let now = look().await?;
        if now == before {
            return Ok(Some(now));
        }
        before = now;
    }
    Ok(None)
}

/// Reads the files, if they are and stay in the given state; `None` where they are not.
///
/// # Errors
/// Where a file is too large or cannot be read.
pub(crate) async fn read(
    dir: &Path,
    name: &PluginName,
    files: Files,
    wasm_bytes_max: u64,
) -> Result<Option<Capture>, CaptureError> {
    let (dir, name) = (dir.to_owned(), name.clone());
    let read = tokio::task::spawn_blocking(move || read_blocking(&dir, &name, files, wasm_bytes_max));
    read.await.map_err(CaptureError::CutOff)?
}

fn read_blocking(
    dir: &Path,
    name: &PluginName,
    files: Files,
    wasm_bytes_max: u64,
) -> Result<Option<Capture>, CaptureError> {
    let Some(wasm) = read_file(&dir.join(format!("{name}.wasm")), files.wasm, wasm_bytes_max)? else {
        return Ok(None);
    };
    let manifest = match files.manifest {
        None => None,
        Some(stamp) => match read_file(&dir.join(format!("{name}.toml")), stamp, MANIFEST_BYTES_MAX as u64)? {
            None => return Ok(None),
            read => read,
        },
    };
    if stamp_files(dir, name)? != Some(files) {
        return Ok(None);
    }
    let (identity, wasm_sha256) = identities(&wasm, manifest.as_deref());
    Ok(Some(Capture { files, identity, wasm: wasm.into(), wasm_sha256, manifest }))
}

/// The contents of the file, if it is and stays in the state of the stamp.
fn read_file(path: &Path, stamp: Stamp, limit_bytes: u64) -> Result<Option<Vec<u8>>, CaptureError> {
    let failed = |source| CaptureError::Read { path: path.to_owned(), source };
    let bytes = stamp.size_bytes();
    if bytes > limit_bytes {
        return Err(CaptureError::TooLarge { path: path.to_owned(), bytes, limit_bytes });
    }
    // Without O_NONBLOCK a pipe that has taken the file's place would be waited for.
    let mut file = match OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let same = |metadata: &fs::Metadata| special(metadata).is_none() && Stamp::of(metadata) == stamp;
    if !same(&file.metadata().map_err(failed)?) {
        return Ok(None);
    }
    let mut contents = Vec::with_capacity(usize::try_from(bytes).unwrap_or_default());
    // One byte more than there should be: a file that has grown is not settled, and is not read to its end.
    (&mut file).take(bytes + 1).read_to_end(&mut contents).map_err(failed)?;
    let whole = contents.len() as u64 == bytes && same(&file.metadata().map_err(failed)?);
    Ok(whole.then_some(contents))
}

/// The identity of both files together, and of the component alone.
fn identities(wasm: &[u8], manifest: Option<&[u8]>) -> (Identity, Identity) {
    let component = Sha256::digest(wasm);
    let mut both = Sha256::new_with_prefix(component);
    if let Some(manifest) = manifest {
        // The hash goes in, not the text, so that no two pairs look the same. An empty manifest is one, too.
        both.update(Sha256::digest(manifest));
    }
    (Identity(both.finalize().into()), Identity(component.into()))
}

#[cfg(test)]
impl Identity {
    /// An identity that stands for any.
    pub(crate) fn of_nothing() -> Self {
        Self([0; 32])
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({self})")
    }
}

impl serde::Serialize for Identity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
