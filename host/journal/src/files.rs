//! The files of a journal, and how they are opened.
//!
//! `journal.db` is a SQLite database, `journal.db-wal` its write-ahead log, `journal.db-shm` an index of that which means
//! nothing once the process is gone, `journal.lock` says who has the journal open.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::config::SyncMode;

/// Where everything is.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) dir: PathBuf,
}

impl Files {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.dir.join("journal.db")
    }

    pub(crate) fn wal(&self) -> PathBuf {
        self.dir.join("journal.db-wal")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.dir.join("journal.lock")
    }

    /// A database that is not ready yet. One that is found is what a crash left of it.
    pub(crate) fn unborn(&self) -> PathBuf {
        self.dir.join("journal.db.new")
    }

    /// Says that a repair is on its way, and from which folder.
    pub(crate) fn repairing(&self) -> PathBuf {
        self.dir.join("journal.repairing")
    }

    /// Opens the database to write. There is one such connection.
    pub(crate) fn writer(&self, sync: SyncMode) -> rusqlite::Result<Connection> {
        let conn = open(&self.database(), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        // The writer decides itself when the log is written back, so that a failure of that is not lost.
        conn.pragma_update(None, "wal_autocheckpoint", 0)?;
        conn.pragma_update(None, "synchronous", if sync == SyncMode::Os { "NORMAL" } else { "FULL" })?;
        // Where fsync leaves the data in the disk's own cache (macOS), this does not.
        conn.pragma_update(None, "fullfsync", sync != SyncMode::Os)?;
        conn.pragma_update(None, "checkpoint_fullfsync", sync != SyncMode::Os)?;
        conn.pragma_update(None, "cache_size", -16_384)?;
        Ok(conn)
    }

    /// Opens the database to read.
    pub(crate) fn reader(&self) -> rusqlite::Result<Connection> {
        let conn = open(&self.database(), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        conn.pragma_update(None, "query_only", true)?;
        Ok(conn)
    }
}

/// Opens a database that is there.
pub(crate) fn open(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(Duration::from_secs(5))?;
    conn.set_prepared_statement_cache_capacity(64);
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    conn.pragma_update(None, "cell_size_check", true)?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(conn)
}
