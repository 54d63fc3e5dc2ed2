//! Keeps two processes off one journal.
//!
//! `journal.lock` is locked as long as the journal is open; the lock ends with the process, however that ends, so that a
//! file left behind stops nobody. The file says who holds it, for the message to others.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};

use crate::config::SyncMode;
use crate::error::{OpenError, io_error};
use crate::files::Files;
use crate::wal::Boot;

/// Held while the journal is open.
#[derive(Debug)]
pub(crate) struct Lock {
    /// Unlocked when closed.
    file: Option<File>,
    /// What the one before wrote down.
    previous: Holder,
}

/// Who holds or held a journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) pid: Option<u32>,
    /// In which run of the machine the journal was last written; none where that is not known.
    pub(crate) boot: Option<String>,
    /// In which mode.
    pub(crate) sync: Option<SyncMode>,
}

impl Holder {
    fn parse(text: &str) -> Self {
        let mut lines = text.lines().map(str::trim);
        let mut line = || lines.next().filter(|line| !line.is_empty());
        Self {
            pid: line().and_then(|pid| pid.parse().ok()),
            boot: line().map(str::to_owned),
            sync: line().and_then(|sync| sync.parse().ok()),
        }
    }

    fn text(&self) -> String {
        let pid = self.pid.map(|pid| pid.to_string()).unwrap_or_default();
        let (boot, sync) = (self.boot.as_deref().unwrap_or_default(), self.sync.map_or("", SyncMode::as_str));
        format!("{pid}\n{boot}\n{sync}\n")
    }
}

/// Which run of the machine this is; none where the system does not tell.
fn this_boot() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(boot.trim().to_owned()).filter(|boot| !boot.is_empty())
}

impl Lock {
    /// Takes the lock of the journal in a folder, to write it.
    pub(crate) fn take(files: &Files, sync: SyncMode) -> Result<Self, OpenError> {
        let (mut lock, mut file) = Self::acquire(files)?;
        let holder = Holder { pid: Some(std::process::id()), boot: this_boot(), sync: Some(sync) };
        lock.sign(files, &mut file, &holder);
        lock.file = Some(file);
        Ok(lock)
    }

    /// Takes it to look at the journal or to mend it: what is written down of the last one who wrote it stays.
    pub(crate) fn take_over(files: &Files) -> Result<Self, OpenError> {
        let (mut lock, mut file) = Self::acquire(files)?;
        let holder = Holder { pid: Some(std::process::id()), ..lock.previous.clone() };
        lock.sign(files, &mut file, &holder);
        lock.file = Some(file);
        Ok(lock)
    }

    fn acquire(files: &Files) -> Result<(Self, File), OpenError> {
        let path = files.lock();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(io_error("open", &path))?;
        let locked = file.try_lock();
        let mut text = String::new();
        // What cannot be read says nothing.
        let _ = (&mut file).take(256).read_to_string(&mut text);
        let previous = Holder::parse(&text);
        match locked {
            Ok(()) => Ok((Self { file: None, previous }, file)),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked { dir: files.dir.clone(), pid: previous.pid }),
            Err(TryLockError::Error(error)) => Err(io_error("lock", &path)(error)),
        }
    }

    /// What stands there is for people and for the check of the log; a full disk must not keep the journal shut.
    fn sign(&self, files: &Files, file: &mut File, holder: &Holder) {
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(holder.text().as_bytes())
        };
        if let Err(error) = write(file) {
            let path = files.lock();
            tracing::warn!(path = %path.display(), %error, "cannot write down who holds the journal");
        }
    }

    /// Whether the machine can have died since the journal was last written.
    pub(crate) fn boot(&self) -> Boot {
        let known = self.previous.boot.is_some();
        if known && self.previous.boot == this_boot() { Boot::Same } else { Boot::Other }
    }

    /// The mode in which the journal was last written.
    pub(crate) fn sync(&self) -> SyncMode {
        self.previous.sync.unwrap_or_default()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A process that is being forked has the file open too until it runs something else, and would hold the lock on.
        if let Some(Err(error)) = self.file.as_ref().map(File::unlock) {
            tracing::warn!(%error, "cannot unlock the journal");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_is_told_who_has_it_and_a_stale_file_stops_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::new(dir.path());
        std::fs::write(files.lock(), "4000000\nsome boot\nos\n").unwrap();
        let lock = Lock::take(&files, SyncMode::Group).unwrap();
        assert_eq!((lock.boot(), lock.sync()), (Boot::Other, SyncMode::Os));
        let error = Lock::take(&files, SyncMode::Group).unwrap_err().to_string();
        assert!(error.contains(&format!("is in use by process {}: stop it first", std::process::id())), "{error}");
        drop(lock);
        let lock = Lock::take(&files, SyncMode::Always).unwrap();
        assert_eq!(lock.sync(), SyncMode::Group);
        if this_boot().is_some() {
            assert_eq!(lock.boot(), Boot::Same);
        }
    }

    #[test]
    fn who_only_looks_leaves_what_is_known_of_the_last_writer() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::new(dir.path());
        std::fs::write(files.lock(), "4000000\nsome boot\nos\n").unwrap();
        drop(Lock::take_over(&files).unwrap());
        let lock = Lock::take(&files, SyncMode::Group).unwrap();
        let previous = Holder { pid: Some(std::process::id()), ..Holder::parse("1\nsome boot\nos") };
        assert_eq!(lock.previous, previous);
    }

    #[test]
    fn what_is_not_there_is_not_known() {
        for text in ["", "x\n", "\n\nsometimes"] {
            assert_eq!(Holder::parse(text), Holder::default(), "{text}");
        }
        assert_eq!(Holder::parse("7"), Holder { pid: Some(7), ..Holder::default() });
        let lock = Lock { file: None, previous: Holder::default() };
        assert_eq!((lock.boot(), lock.sync()), (Boot::Other, SyncMode::Group));
    }
}
