//! How a journal is opened: lock, make it where there is none, check, load.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use plugbus_bus::journal::Recovered;
use rusqlite::{Connection, OpenFlags};

use crate::config::JournalConfig;
use crate::error::{Damage, OpenError, io_error, storage_error};
use crate::files::{self, Files};
use crate::ledger::Ledger;
use crate::load::{LoadError, load};
use crate::lock::Lock;
use crate::schema;
use crate::shared::Shared;
use crate::writer::State;

/// A journal that is ready.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) files: Files,
    pub(crate) conn: Connection,
    pub(crate) ledger: Ledger,
    pub(crate) recovered: Recovered,
    pub(crate) lock: Lock,
    pub(crate) state: State,
    pub(crate) shared: Arc<Shared>,
}

/// Opens the journal that a configuration names.
pub(crate) fn open(config: &JournalConfig) -> Result<Opened, OpenError> {
    let files = Files::new(&config.dir);
    fs::create_dir_all(&config.dir).map_err(io_error("make the folder", &config.dir))?;
    let lock = Lock::take(&files.dir, &files.lock())?;
    let database = files.database();
    if !database.try_exists().map_err(io_error("look for", &database))? {
        create(&files)?;
    }
    let mut conn = files.writer(config.sync).map_err(storage_error("open", &database))?;
    let state = State::default();
    state.watch(&mut conn).map_err(storage_error("open", &database))?;
    let (ledger, recovered) = load(&conn, config).map_err(|error| load_error(&files, error))?;
    let shared = Arc::new(Shared::default());
    (shared.stats().first, shared.stats().last) = ledger.span();
    Ok(Opened { files, conn, ledger, recovered, lock, state, shared })
}

/// Makes an empty journal under another name, and gives it its own only once it is on the disk: there is never half of one.
fn create(files: &Files) -> Result<(), OpenError> {
    let (unborn, database) = (files.unborn(), files.database());
    for leftover in [unborn.clone(), unborn.with_extension("new-journal")] {
        if leftover.try_exists().map_err(io_error("look for", &leftover))? {
            fs::remove_file(&leftover).map_err(io_error("remove", &leftover))?;
        }
    }
    let conn = files::open(&unborn, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)
        .map_err(storage_error("make", &unborn))?;
    schema::create(&conn).map_err(storage_error("make", &unborn))?;
    let mode: String = conn
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(storage_error("make", &unborn))?;
    if mode != "wal" {
        let what = format!("its file system has no write-ahead log for SQLite (mode `{mode}`)");
        return Err(OpenError::NotAJournal { path: unborn, what });
    }
    conn.close().map_err(|(_, error)| storage_error("make", &unborn)(error))?;
    sync_file(&unborn)?;
    fs::rename(&unborn, &database).map_err(io_error("name", &database))?;
    sync_file(&files.dir)
}

/// Waits until a file or folder is on the disk.
pub(crate) fn sync_file(path: &Path) -> Result<(), OpenError> {
    fs::File::open(path).and_then(|file| file.sync_all()).map_err(io_error("sync", path))
}

fn load_error(files: &Files, error: LoadError) -> OpenError {
    let path = files.database();
    match error {
        LoadError::Suspect(suspect) => {
            OpenError::Damaged(Damage { path, offset: 0, what: format!("table `{}`: {}", suspect.table, suspect.what) })
        }
        LoadError::Storage(source) => storage_error("read", &path)(source),
    }
}
