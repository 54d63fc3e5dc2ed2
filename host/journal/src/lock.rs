//! Keeps two processes off one journal.
//!
//! `journal.lock` is locked as long as the journal is open; the lock ends with the process, however that ends, so that a
//! file left behind stops nobody. The file says who holds it, for the message to others.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::error::{OpenError, io_error};
use crate::wal::Boot;

/// Held while the journal is open.
#[derive(Debug)]
pub(crate) struct Lock {
    /// Unlocked when closed.
    _file: File,
    /// What the one before wrote down.
    previous: Option<Holder>,
}

/// Who holds or held a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) pid: u32,
    /// Which run of the machine it was; none where the system does not tell.
    pub(crate) boot: Option<String>,
}

impl Holder {
    fn this() -> Self {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
        Self { pid: std::process::id(), boot: boot.map(|boot| boot.trim().to_owned()).filter(|boot| !boot.is_empty()) }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let pid = lines.next()?.parse().ok()?;
        Some(Self { pid, boot: lines.next().map(str::to_owned).filter(|boot| !boot.is_empty()) })
    }

    fn text(&self) -> String {
        format!("{}\n{}\n", self.pid, self.boot.as_deref().unwrap_or_default())
    }

    /// Whether the machine has run on since this one held the journal, for all that is known.
    fn is_of_this_boot(&self) -> bool {
        self.boot.is_some() && self.boot == Self::this().boot
    }
}

impl Lock {
    /// Takes the lock of the journal in a folder.
    pub(crate) fn take(dir: &Path, path: &Path) -> Result<Self, OpenError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).map_err(io_error("open", path))?;
        let locked = file.try_lock();
        let previous = holder(&mut file);
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::Locked { dir: dir.to_owned(), pid: previous.map(|holder| holder.pid) });
            }
            Err(TryLockError::Error(error)) => return Err(io_error("lock", path)(error)),
        }
        // What stands there is for people and for the check of the log; a full disk must not keep the journal shut.
        if let Err(error) = sign(&mut file) {
            tracing::warn!(path = %path.display(), %error, "cannot write down who holds the journal");
        }
        Ok(Self { _file: file, previous })
    }
}

impl Lock {
    /// Whether the machine can have died since the journal was last open.
    pub(crate) fn boot(&self) -> Boot {
        if self.previous.as_ref().is_some_and(Holder::is_of_this_boot) { Boot::Same } else { Boot::Other }
    }
}

fn holder(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.take(256).read_to_string(&mut text).ok()?;
    Holder::parse(&text)
}

fn sign(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(Holder::this().text().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_is_told_who_has_it_and_a_stale_file_stops_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.lock");
        std::fs::write(&path, "4000000\nsome boot\n").unwrap();
        let lock = Lock::take(dir.path(), &path).unwrap();
        assert_eq!(lock.previous, Some(Holder { pid: 4_000_000, boot: Some("some boot".into()) }));
        let error = Lock::take(dir.path(), &path).unwrap_err().to_string();
        assert!(error.contains(&format!("is in use by process {}: stop it first", std::process::id())), "{error}");
        drop(lock);
        let lock = Lock::take(dir.path(), &path).unwrap();
        assert_eq!(lock.previous, Some(Holder::this()));
    }

    #[test]
    fn what_is_no_holder_is_not_taken_for_one() {
        assert_eq!(Holder::parse(""), None);
        assert_eq!(Holder::parse("x\n"), None);
        assert_eq!(Holder::parse("7"), Some(Holder { pid: 7, boot: None }));
        assert!(!Holder { pid: 7, boot: None }.is_of_this_boot());
        assert!(!Holder { pid: 7, boot: Some("other".into()) }.is_of_this_boot());
    }
}
