//! The spool: events of hooks that no daemon took in time, in one file of the data folder.
//!
//! Who writes is `plugbus hook`, many processes at once, each within milliseconds and without a runtime ([`Spool::append`]).
//! Who reads is the daemon: at its start before it serves clients, again and again while it runs, and before each event that
//! a hook sends ([`Request::Hook`](crate::socket::protocol::Request::Hook)), so that the events of one session stay in order.
//!
//! - **Whole lines.** Each event is one line with a checksum, written by one `write` under a lock (`flock`, which the kernel lets
//!   go of when a process ends). What a killed writer left half-written is recognised, and the next line begins behind it.
//! - **Bounded** in bytes and in number. When it is full, what is there stays and the new event is refused: the oldest events
//!   say how it all began, and nothing could be taken from the front of the file within a hook's time.
//! - **Nothing lost, nothing doubled.** The file is emptied only when every line in it was accepted by the bus (or put aside, for
//!   what is no event). Should the daemon die before, the lines come again under the same ids, and the journal knows them:
//!   its window for repetitions, or for what is older, a look at the events themselves. Without a journal an event comes twice
//!   that a daemon took without saying so in time.
//! - Not synced: it survives killed processes, and not a machine that dies within the next seconds.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde_json::value::RawValue;

use crate::config::{self, Config};

mod aside;
mod line;
mod read;
mod seen;
mod take;

pub use line::{LineError, Sent, SpooledLine, parse_line};
#[cfg(test)]
pub(crate) use take::SpoolStats;
pub(crate) use take::{Looking, TakeError, Taker};

/// Name of the file in the data folder.
const FILE: &str = "spool";

/// Where hooks leave events, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spool {
    path: PathBuf,
    bytes_max: u64,
    events_max: u64,
}

/// Why an event was not spooled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpoolError {
    /// There is no room.
    #[error(
        "the spool {} is full ({bytes} bytes, {events} events): start the daemon, or raise `{key}`",
        path.display()
    )]
    Full {
        /// The spool.
        path: PathBuf,
        /// Bytes in it.
        bytes: u64,
        /// Events in it.
        events: u64,
        /// The bound that was met.
        key: &'static str,
    },
    /// The system refused.
    #[error("cannot {what} the spool {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The spool.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl Spool {
    /// The spool of a data folder.
    #[must_use]
    pub fn new(data_dir: &Path, bounds: &config::Spool) -> Self {
        Self { path: data_dir.join(FILE), bytes_max: bounds.bytes_max, events_max: bounds.events_max }
    }

    /// The spool of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self::new(&config.data_dir, &config.spool)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds an event at the end. Waits for other writers without a bound of its own; each holds the lock for one write.
    /// Makes the data folder where it is missing. Never follows a symbolic link in the place of the file.
    ///
    /// # Errors
    /// [`SpoolError`]; then nothing of the event is in the file.
    pub fn append(&self, event: &RawValue, sent: Sent, time_ms: u64) -> Result<(), SpoolError> {
        let file = self.open()?;
        file.lock().map_err(self.failed("lock"))?;
        let bytes = file.metadata().map_err(self.failed("look at"))?.len();
        let end = self.end(&file, bytes)?;
        let mut text = Vec::with_capacity(event.get().len() + 64);
        if end.is_torn {
            text.push(b'\n');
        }
        line::seal(&mut text, event.get(), sent, time_ms, end.events + 1);
        let full = |key| SpoolError::Full { path: self.path.clone(), bytes, events: end.events, key };
        if end.events >= self.events_max {
            return Err(full("spool.events_max"));
        }
        if bytes.saturating_add(size(text.len())) > self.bytes_max {
            return Err(full("spool.bytes_max"));
        }
        self.write(&file, &text, bytes)
    }

    /// One `write`. What the system took only a part of (the disk is full) is taken back.
    fn write(&self, mut file: &File, text: &[u8], bytes: u64) -> Result<(), SpoolError> {
        let taken = file.write(text);
        let error = match taken {
            Ok(taken) if taken == text.len() => return Ok(()),
            Ok(_) => io::Error::new(io::ErrorKind::StorageFull, "no room for the whole event"),
            Err(error) => error,
        };
        // Should this fail too, the next writer and the reader see a torn line, and go on behind it.
        drop(file.set_len(bytes));
        Err(self.failed("write to")(error))
    }

    fn open(&self) -> Result<File, SpoolError> {
        let mut options = OpenOptions::new();
        // Not blocking: somebody's FIFO in its place must not keep a hook.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        options.read(true).append(true).create(true).mode(0o600).custom_flags(flags.bits().cast_signed());
        match options.open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = self.path.parent().unwrap_or(Path::new("."));
                DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(folder)
                    .map_err(self.failed("make a folder for"))?;
                options.open(&self.path).map_err(self.failed("open"))
            }
            other => other.map_err(self.failed("open")),
        }
    }

    /// What stands at the end of the file: the number in its last line says how many there are. Where that line is torn,
    /// lines are counted.
    fn end(&self, file: &File, bytes: u64) -> Result<End, SpoolError> {
        if bytes == 0 {
            return Ok(End { events: 0, is_torn: false });
        }
        let mut tail = [0; line::TAIL_BYTES];
        let from = bytes.saturating_sub(size(tail.len()));
        let read = file.read_at(&mut tail, from).map_err(self.failed("read"))?;
        let tail = tail.get(..read).unwrap_or_default();
        match line::number_at_end(tail) {
            Some(events) => Ok(End { events, is_torn: false }),
            None => {
                let events = read::count_lines(file, bytes).map_err(self.failed("read"))?;
                Ok(End { events, is_torn: !tail.ends_with(b"\n") })
            }
        }
    }

    fn failed(&self, what: &'static str) -> impl FnOnce(io::Error) -> SpoolError + use<> {
        let path = self.path.clone();
        move |source| SpoolError::Io { what, path, source }
    }
}

/// What the last bytes of the file say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End {
    events: u64,
    is_torn: bool,
}

fn size(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
