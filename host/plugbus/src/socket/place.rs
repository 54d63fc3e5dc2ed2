//! Where the socket stands in the file system: taking the path, and leaving it.
//!
//! - **One owner.** A lock on `<path>.lock` is held until the host has stopped, which is after the socket has gone: plugins
//!   that still finish their events must not meet those of the next host on the same files. The kernel lets go of it when
//!   the process ends, however it ends, so `kill -9` leaves nothing that stops the next start. The lock file itself stays:
//!   to remove it would let two hosts lock two different files. It is never written to, only locked.
//! - **Never open to others.** The umask is process-global and not a library's to touch, so the socket is bound inside a
//!   private folder (mode 0700) beside its path, given mode 0600 there, and then renamed into place. The rename also
//!   replaces a stale socket in one step.
//! - **Removed only if still ours**: same device and inode as when it was made.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// Most bytes in the path of a Unix socket: `sun_path` has 108, one of them for the final zero.
pub const PATH_BYTES_MAX: usize = 107;

/// Why the socket could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// The path does not fit into a socket address.
    #[error(
        "socket path {} has {bytes} bytes; the system allows {PATH_BYTES_MAX}: choose a shorter one, in $XDG_RUNTIME_DIR for example",
        path.display()
    )]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length, or that of the temporary name beside it where that one is longer.
        bytes: usize,
    },
    /// The path names no file in a folder.
    #[error("socket path {} names no file: give it a file name", path.display())]
    NoFileName {
        /// The path.
        path: PathBuf,
    },
    /// Another process serves it.
    #[error(
        "a plugbus daemon already serves {}{}: stop it first or choose another socket",
        path.display(),
        pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
    )]
    Live {
        /// The path.
        path: PathBuf,
        /// The process, where the system says.
        pid: Option<i32>,
    },
    /// Another process holds the lock and does not answer.
    #[error("another process holds {} but does not answer on the socket; it may be starting or stopping: try again", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// Something else is in the way.
    #[error("{} exists and is not a socket: move it away or choose another path", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// A path that is ours, for as long as this lives.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    /// Device and inode of the socket.
    identity: (u64, u64),
    /// Held, never read.
    _lock: File,
}

impl Place {
    /// Takes the path and binds a socket there. Blocks for the few system calls that it makes.
    ///
    /// # Errors
    /// [`SocketError`] says what is in the way.
    pub(super) fn take(path: &Path) -> Result<(Self, UnixListener), SocketError> {
        let staging = check_path(path)?;
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed("create the folder", folder))?;
        let lock = lock(path)?;
        make_way(path)?;
        let (listener, identity) = bind_privately(path, &staging)?;
        Ok((Self { path: path.to_owned(), identity, _lock: lock }, listener))
    }

    /// Where the socket is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the socket if it is still the one that was made here. The path stays locked.
    pub(super) fn leave(&self) {
        if let Err(error) = self.remove() {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "the socket stays behind; the next start takes it over"
            );
        }
    }

    fn remove(&self) -> Result<(), SocketError> {
        match fs::symlink_metadata(&self.path) {
            Ok(found) if (found.dev(), found.ino()) == self.identity => {
                fs::remove_file(&self.path).map_err(failed("remove the socket", &self.path))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

/// The lock file's path.
fn lock_path(path: &Path) -> PathBuf {
    let mut text = path.as_os_str().to_owned();
    text.push(".lock");
    text.into()
}

/// Checks the path, and chooses the private folder beside it in which the socket is born. Pure.
fn check_path(path: &Path) -> Result<PathBuf, SocketError> {
    let Some(name) = path.file_name() else {
        return Err(SocketError::NoFileName { path: path.to_owned() });
    };
    // One name for each socket: whoever holds the lock may clear away what a killed host left.
    let hash = name
        .as_encoded_bytes()
        .iter()
        .fold(0xcbf2_9ce4_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    let staging = path.with_file_name(format!(".{hash:08x}"));
    let bytes = path.as_os_str().len().max(staging.as_os_str().len() + "/s".len());
    if bytes > PATH_BYTES_MAX {
        return Err(SocketError::PathTooLong { path: path.to_owned(), bytes });
    }
    Ok(staging)
}

fn lock(path: &Path) -> Result<File, SocketError> {
    let lock_path = lock_path(path);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&lock_path)
        .map_err(failed("open the lock file", &lock_path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => match answering(path) {
            Ok(Some(pid)) => Err(SocketError::Live { path: path.to_owned(), pid }),
            _ => Err(SocketError::Locked { path: lock_path }),
        },
        Err(TryLockError::Error(source)) => Err(failed("lock", &lock_path)(source)),
    }
}

/// Sees to it that what stands at the path may be replaced.
fn make_way(path: &Path) -> Result<(), SocketError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("look at", path)(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(SocketError::NotASocket { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    match answering(path) {
        Ok(Some(pid)) => Err(SocketError::Live { path: path.to_owned(), pid }),
        Ok(None) => Ok(()),
        Err(error) => Err(failed("connect to", path)(error)),
    }
}

/// Whether somebody accepts connections there, and who. Outer `None`: nobody.
fn answering(path: &Path) -> io::Result<Option<Option<i32>>> {
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(stream) => Ok(Some(peer_pid(stream))),
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The process that listens, as the kernel knows it. Needs a tokio runtime around it, as all of this crate does.
fn peer_pid(stream: std::os::unix::net::UnixStream) -> Option<i32> {
    stream.set_nonblocking(true).ok()?;
    tokio::net::UnixStream::from_std(stream).ok()?.peer_cred().ok()?.pid()
}

fn bind_privately(path: &Path, staging: &Path) -> Result<(UnixListener, (u64, u64)), SocketError> {
    let born = staging.join("s");
    clear(staging, &born)?;
    DirBuilder::new().mode(0o700).create(staging).map_err(failed("create the folder", staging))?;
    let made = bind_in(&born).and_then(|made| {
        fs::rename(&born, path).map_err(failed("move the socket into place at", path))?;
        Ok(made)
    });
    // Best effort: what stays behind is cleared away by the next start.
    clear(staging, &born).or_else(|error| if made.is_ok() { Err(error) } else { Ok(()) })?;
    made
}

fn bind_in(born: &Path) -> Result<(UnixListener, (u64, u64)), SocketError> {
    let listener = UnixListener::bind(born).map_err(failed("bind", born))?;
    fs::set_permissions(born, Permissions::from_mode(0o600)).map_err(failed("set the mode of", born))?;
    listener.set_nonblocking(true).map_err(failed("prepare", born))?;
    let found = fs::symlink_metadata(born).map_err(failed("look at", born))?;
    Ok((listener, (found.dev(), found.ino())))
}

/// Removes the private folder with what a host that was killed half-way left in it.
fn clear(staging: &Path, born: &Path) -> Result<(), SocketError> {
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    };
    gone(fs::remove_file(born)).map_err(failed("remove", born))?;
    gone(fs::remove_dir(staging)).map_err(failed("remove the folder", staging))
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SocketError + use<> {
    let path = path.to_owned();
    move |source| SocketError::Io { what, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_private_folder_of_a_start_that_was_killed_is_cleared_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let staging = check_path(&path).unwrap();
        fs::create_dir(&staging).unwrap();
        drop(UnixListener::bind(staging.join("s")).unwrap());
        let (place, _listener) = Place::take(&path).unwrap();
        assert!(!staging.exists());
        drop(place);
        assert!(!path.exists());
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["s.lock"]);
    }

    #[tokio::test]
    async fn only_one_takes_a_path_however_many_try() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let runtime = tokio::runtime::Handle::current();
        let taken: Vec<_> = std::thread::scope(|scope| {
            let attempts: Vec<_> = (0..16)
                .map(|_| {
                    scope.spawn(|| {
                        let _entered = runtime.enter();
                        Place::take(&path)
                    })
                })
                .collect();
            attempts.into_iter().map(|attempt| attempt.join().unwrap()).collect()
        });
        assert_eq!(taken.iter().filter(|result| result.is_ok()).count(), 1);
        for refused in taken.iter().filter_map(|result| result.as_ref().err()) {
            assert!(matches!(refused, SocketError::Live { .. } | SocketError::Locked { .. }), "{refused}");
        }
    }

    #[test]
    fn the_length_of_a_path_is_checked_before_anything_is_made() {
        for (path, fits) in [
            (format!("/{}", "x".repeat(106)), true),
            (format!("/{}", "x".repeat(107)), false),
            // The temporary name beside a short one is longer than the path itself.
            (format!("/{}/s", "x".repeat(94)), true),
            (format!("/{}/s", "x".repeat(95)), false),
        ] {
            assert_eq!(check_path(Path::new(&path)).is_ok(), fits, "{}", path.len());
        }
        assert!(matches!(check_path(Path::new("/")), Err(SocketError::NoFileName { .. })));
    }
}
