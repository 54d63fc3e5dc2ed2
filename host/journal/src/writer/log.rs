//! What the writer knows of the write-ahead log: how long it is, and where in it the last acknowledged transaction ends.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::{Connection, ffi};

use crate::trouble::Trouble;
use crate::wal::{self, Wal};

/// Pages in the log from which on it is written back into the database: 8 MiB.
const PAGES: u32 = 2048;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// As SQLite says after each transaction that wrote something.
    pages: Arc<AtomicU32>,
    /// Frames up to the end of the last acknowledged transaction.
    acknowledged: u32,
    /// What marks the generation in which that is; none where it is not known or nothing is in the log.
    salts: Option<[u32; 2]>,
    /// Whether the log was written back since, so that the next transaction may begin another generation.
    may_begin_anew: bool,
    /// Frames that were in the log when it was last written back, or was to be.
    written_back: u32,
}

/// How a log is written back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As far as nobody reads it.
    Passive,
    /// All of it: a reader that is always there keeps the log from beginning anew, so wait for it.
    Restart,
    /// All of it, and the file becomes empty.
    Truncate,
}

impl Log {
    /// Lets a connection say how long the log is.
    pub(crate) fn watch(&self, conn: &mut Connection) -> rusqlite::Result<()> {
        let pages = self.pages.clone();
        conn.wal_hook(Some(move |_: &mut _, count: i32| {
            pages.store(u32::try_from(count).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))
    }

    /// A transaction was acknowledged.
    pub(super) fn acknowledge(&mut self, path: &Path) {
        self.acknowledged = self.pages.load(Ordering::Relaxed);
        if self.acknowledged < self.written_back {
            self.written_back = 0;
        }
        if self.may_begin_anew || self.salts.is_none() {
            self.salts = salts(path);
            self.may_begin_anew = false;
        }
    }

    /// Whether the log is to be written back, and how.
    pub(super) fn due(&self) -> Option<Mode> {
        let new = self.acknowledged.saturating_sub(self.written_back);
        let mode = if self.acknowledged >= 4 * PAGES { Mode::Restart } else { Mode::Passive };
        (new >= PAGES).then_some(mode)
    }

    /// It could not be written back: not again before it has grown as much once more.
    pub(super) fn put_off(&mut self) {
        self.written_back = self.acknowledged;
    }

    /// The log was written back: the next transaction may begin it anew.
    pub(super) fn was_written_back(&mut self, mode: Mode) {
        self.written_back = self.acknowledged;
        self.may_begin_anew = true;
        if mode == Mode::Truncate {
            self.pages.store(0, Ordering::Relaxed);
            (self.acknowledged, self.written_back, self.salts) = (0, 0, None);
        }
    }

    /// Cuts off what a failed transaction left in the log, as it lies on the disk now: nobody must ever take that for
    /// acknowledged.
    pub(super) fn cut(&self, path: &Path) -> Result<(), Trouble> {
        const DOING: &str = "cut the log of";
        let wal = Wal::read(path).map_err(|error| Trouble::io(DOING, &error))?;
        // Of another generation is what the failed transaction began anew, after everything before was written back.
        let kept = match self.salts {
            Some(salts) if wal.header_holds && salts != wal.salts => 0,
            _ => u64::from(self.acknowledged),
        };
        if wal.good < kept {
            return Err(Trouble::damaged(0, "acknowledged transactions are gone from its log after a failed sync"));
        }
        let bytes = if kept == 0 { 0 } else { wal.offset(kept) };
        if wal.bytes > bytes {
            let cut = File::options().write(true).open(path).and_then(|file| {
                file.set_len(bytes)?;
                file.sync_all()
            });
            cut.map_err(|error| Trouble::io(DOING, &error))?;
        }
        Ok(())
    }
}

fn salts(path: &Path) -> Option<[u32; 2]> {
    let mut header = Vec::new();
    File::open(path).ok()?.take(wal::HEADER_BYTES).read_to_end(&mut header).ok()?;
    wal::salts(&header)
}

/// Writes the write-ahead log back into the database.
///
/// # Errors
/// Where that fails, or not all of it could be written back and all of it must.
pub(crate) fn checkpoint(conn: &Connection, mode: Mode) -> rusqlite::Result<()> {
    let sql = match mode {
        Mode::Passive => "PRAGMA wal_checkpoint(PASSIVE)",
        Mode::Restart => "PRAGMA wal_checkpoint(RESTART)",
        Mode::Truncate => "PRAGMA wal_checkpoint(TRUNCATE)",
    };
    let busy = conn.query_row(sql, [], |row| row.get::<_, i64>(0))? != 0;
    if busy && mode == Mode::Truncate {
        return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None));
    }
    Ok(())
}
