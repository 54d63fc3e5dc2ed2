//! Reads a plugin's files as one consistent state, never in the middle of a write.
//!
//! First [`settled`]: two looks at the files, some time apart, see the same stamps. Then [`read`]: the files that are opened
//! have these stamps, still have them when they have been read, and so do their names. Anything else is "not settled", and
//! the caller comes again. So a slow copy, a rename-over or a relinked folder in between is at worst a later reload.
//!
//! Bounded: sizes are checked before anything is read, a pipe put in a file's place is not waited for, and [`settled`] gives
//! up after a number of looks, so that a file that never stops changing holds nothing up.

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
pub struct Capture {
    /// The state.
    pub files: Files,
    /// The identity of the contents.
    pub identity: Identity,
    /// The component.
    pub wasm: Bytes,
    /// The hash of the component alone.
    pub wasm_sha256: Identity,
    /// The manifest, where there is one.
    pub manifest: Option<Vec<u8>>,
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
pub enum Settled {
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
pub async fn settled(dir: &Path, name: &PluginName, settle: Duration) -> Result<Settled, CaptureError> {
    let look = async || {
        let (dir, name) = (dir.to_owned(), name.clone());
        tokio::task::spawn_blocking(move || stamp_files(&dir, &name)).await.map_err(CaptureError::CutOff)
    };
    let mut before = look().await?;
    for _ in 1..LOOKS_MAX {
        tokio::time::sleep(settle).await;
        let now = look().await?;
        if now == before {
            return Ok(now?.map_or(Settled::Gone, Settled::Files));
        }
        before = now;
    }
    Ok(Settled::Changing)
}

/// Reads the files, if they are and stay in the given state; `None` where they are not.
///
/// # Errors
/// Where a file is too large or cannot be read.
pub async fn read(
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    const SETTLE: Duration = Duration::from_millis(2);
    const MAX: u64 = 1000;

    fn name() -> PluginName {
        PluginName::parse("p").unwrap()
    }
    async fn files(dir: &Path) -> Files {
        match settled(dir, &name(), SETTLE).await.unwrap() {
            Settled::Files(files) => files,
            other => panic!("{other:?}"),
        }
    }
    async fn capture(dir: &Path) -> Option<Capture> {
        read(dir, &name(), files(dir).await, MAX).await.unwrap()
    }

    #[tokio::test]
    async fn identity_follows_contents_not_stamps() {
        let dir = tempfile::tempdir().unwrap();
        let (wasm, toml) = (dir.path().join("p.wasm"), dir.path().join("p.toml"));
        fs::write(&wasm, "one").unwrap();
        let first = capture(dir.path()).await.unwrap();
        assert_eq!((&first.wasm[..], &first.manifest), (&b"one"[..], &None));
        fs::write(&wasm, "one").unwrap();
        let touched = capture(dir.path()).await.unwrap();
        assert_ne!(touched.files, first.files);
        assert_eq!(touched.identity, first.identity);
        fs::write(&toml, "").unwrap();
        let with_manifest = capture(dir.path()).await.unwrap();
        assert_ne!(with_manifest.identity, first.identity);
        assert_eq!(with_manifest.wasm_sha256, first.wasm_sha256);
        fs::write(&wasm, "two").unwrap();
        assert_ne!(capture(dir.path()).await.unwrap().identity, with_manifest.identity);
        assert_eq!(first.wasm_sha256.to_string(), "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed");
    }

    #[tokio::test]
    async fn a_missing_component_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("p.toml"), "").unwrap();
        assert_eq!(settled(dir.path(), &name(), SETTLE).await.unwrap(), Settled::Gone);
    }

    #[tokio::test]
    async fn what_changed_since_it_was_settled_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let wasm = dir.path().join("p.wasm");
        fs::write(&wasm, "one").unwrap();
        let settled_files = files(dir.path()).await;
        fs::write(dir.path().join("new"), "two").unwrap();
        fs::rename(dir.path().join("new"), &wasm).unwrap();
        assert_eq!(read(dir.path(), &name(), settled_files, MAX).await.unwrap(), None);
        let settled_files = files(dir.path()).await;
        fs::write(dir.path().join("p.toml"), "").unwrap();
        assert_eq!(read(dir.path(), &name(), settled_files, MAX).await.unwrap(), None, "a manifest has come");
        let settled_files = files(dir.path()).await;
        fs::remove_file(&wasm).unwrap();
        assert_eq!(read(dir.path(), &name(), settled_files, MAX).await.unwrap(), None, "the component has gone");
    }

    #[tokio::test]
    async fn a_pipe_in_the_place_of_the_file_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let wasm = dir.path().join("p.wasm");
        fs::write(&wasm, "one").unwrap();
        let settled_files = files(dir.path()).await;
        fs::remove_file(&wasm).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&wasm).status().unwrap().success());
        assert_eq!(read(dir.path(), &name(), settled_files, MAX).await.unwrap(), None);
        let error = settled(dir.path(), &name(), SETTLE).await.unwrap_err();
        assert!(error.to_string().contains("is a pipe"), "{error}");
    }

    #[tokio::test]
    async fn a_link_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("..data")).unwrap();
        fs::write(dir.path().join("..data/p.wasm"), "linked").unwrap();
        symlink("..data/p.wasm", dir.path().join("p.wasm")).unwrap();
        assert_eq!(&capture(dir.path()).await.unwrap().wasm[..], b"linked");
    }

    #[tokio::test]
    async fn a_file_over_its_bound_is_refused_before_it_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let wasm = fs::File::create(dir.path().join("p.wasm")).unwrap();
        wasm.set_len(1 << 40).unwrap();
        let settled_files = files(dir.path()).await;
        let error = read(dir.path(), &name(), settled_files, MAX).await.unwrap_err();
        assert!(error.to_string().contains("has 1099511627776 bytes; at most 1000 are allowed"), "{error}");
    }

    #[test]
    fn a_file_that_never_stops_changing_is_given_up_for_the_time() {
        let dir = tempfile::tempdir().unwrap();
        let wasm = dir.path().join("p.wasm");
        fs::write(&wasm, "").unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut size = 0;
                while !stop.load(Ordering::Relaxed) {
                    size += 1;
                    fs::write(&wasm, vec![0; size % 1000]).unwrap();
                }
            });
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let seen = runtime.block_on(settled(dir.path(), &name(), Duration::from_millis(10)));
            stop.store(true, Ordering::Relaxed);
            assert_eq!(seen.unwrap(), Settled::Changing);
        });
    }
}
