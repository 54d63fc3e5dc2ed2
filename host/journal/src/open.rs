//! How a journal is opened: lock, make it where there is none, check, load.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use plugbus_bus::journal::Recovered;
use rusqlite::{Connection, OpenFlags};

use crate::check::{load_checked, refused};
use crate::config::JournalConfig;
use crate::error::{OpenError, io_error, storage_error};
use crate::files::{self, Files};
use crate::inspect::inspect;
use crate::ledger::Ledger;
use crate::lock::Lock;
use crate::pages::bytes_of;
use crate::schema;
use crate::shared::Shared;
use crate::wal::Verdict;
use crate::writer::{Mode, State, checkpoint};

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
    make_dir(&config.dir)?;
    let lock = Lock::take(&files, config.sync)?;
    refuse_half_repaired(&files)?;
    if is_new(&files)? {
        create(&files)?;
    }
    let inspected = inspect(&files, lock.boot(), lock.sync())?;
    if let Some(damage) = inspected.damage(&files) {
        return Err(OpenError::Damaged(damage));
    }
    if let Verdict::Torn { frames, bytes } = inspected.verdict {
        let (path, kept) = (files.wal(), inspected.wal.committed);
        tracing::warn!(path = %path.display(), bytes, frames, kept, "cut off a transaction that a crash left unfinished");
    }
    let refused = |doing| refused(doing, &files, &inspected.pages);
    let mut conn = files.writer(config.sync).map_err(refused("open"))?;
    let state = State::default();
    state.log.watch(&mut conn).map_err(refused("open"))?;
    let (ledger, recovered) = load_checked(&files, &conn, &inspected.pages, config)?;
    // The log begins anew, so that nothing of a torn tail can ever be taken for damage.
    checkpoint(&conn, Mode::Truncate).map_err(refused("write back the log of"))?;
    let shared = Arc::new(Shared::default());
    (shared.stats().first, shared.stats().last) = ledger.span();
    Ok(Opened { files, conn, ledger, recovered, lock, state, shared })
}

fn make_dir(dir: &Path) -> Result<(), OpenError> {
    if dir.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    // What passes through a bus is nobody else's business.
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(io_error("make the folder", dir))?;
    match dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => sync_file(parent),
        None => Ok(()),
    }
}

/// Whether there is no journal yet. A log without its database is none that may be made anew.
fn is_new(files: &Files) -> Result<bool, OpenError> {
    let (database, log) = (files.database(), files.wal());
    let has_database = bytes_of(&database).map_err(io_error("look for", &database))?.is_some();
    let has_log = bytes_of(&log).map_err(io_error("look for", &log))?.is_some_and(|bytes| bytes > 0);
    Ok(!has_database && !has_log)
}

/// A repair that was interrupted must be done again first: the database may be the damaged one, without its log.
pub(crate) fn refuse_half_repaired(files: &Files) -> Result<(), OpenError> {
    let marker = files.repairing();
    match marker.try_exists().map_err(io_error("look for", &marker))? {
        true => Err(OpenError::HalfRepaired { dir: files.dir.clone() }),
        false => Ok(()),
    }
}

/// Makes an empty journal.
fn create(files: &Files) -> Result<(), OpenError> {
    build(files, |_| Ok(()))?;
    let database = files.database();
    fs::rename(files.unborn(), &database).map_err(io_error("name", &database))?;
    sync_file(&files.dir)
}

/// Makes a journal under another name: it gets its own only once all of it is on the disk, so that there is never half of
/// one.
pub(crate) fn build(files: &Files, fill: impl FnOnce(&Connection) -> Result<(), OpenError>) -> Result<(), OpenError> {
    let unborn = files.unborn();
    for leftover in ["", "-journal", "-wal", "-shm"].map(|end| files.dir.join(format!("journal.db.new{end}"))) {
        if leftover.try_exists().map_err(io_error("look for", &leftover))? {
            fs::remove_file(&leftover).map_err(io_error("remove", &leftover))?;
        }
    }
    let failed = |error| storage_error("make", &unborn)(error);
    let conn =
        files::open(&unborn, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE).map_err(failed)?;
    // All of it is synced at the end; until then it is worth nothing.
    conn.pragma_update(None, "synchronous", "OFF").map_err(failed)?;
    schema::create(&conn).map_err(failed)?;
    fill(&conn)?;
    let mode: String = conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).map_err(failed)?;
    if mode != "wal" {
        let what = format!("its file system has no write-ahead log for SQLite (mode `{mode}`)");
        return Err(OpenError::NotAJournal { path: unborn, what });
    }
    conn.close().map_err(|(_, error)| failed(error))?;
    sync_file(&unborn)
}

/// Waits until a file or folder is on the disk.
pub(crate) fn sync_file(path: &Path) -> Result<(), OpenError> {
    fs::File::open(path).and_then(|file| file.sync_all()).map_err(io_error("sync", path))
}
