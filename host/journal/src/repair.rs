//! Makes a sound journal out of a damaged one. What it removes stays in a folder beside the journal.
//!
//! The files are copied aside first, and only the copies are read. From them a new journal is made: every row that checks
//! out is taken over as it is. Where an event is lost between others, one stands in for it that says so (topic
//! [`LOST_TOPIC`]), so that numbers have no gaps and every cursor keeps its place. A cursor that lost its place begins with
//! the first event again: better twice than never. Only when the new journal is on the disk does it take the place of the
//! old one; a repair that is interrupted before or while it does is done again from the copies.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use plugbus_bus::Name;
use serde::Serialize;

use crate::error::{OpenError, io_error};
use crate::files::Files;
use crate::lock::Lock;
use crate::open::{build, sync_file};
use crate::verify::{Report, report};

mod compose;
mod events;
mod salvage;

/// The topic of the events that stand in for lost ones. Only who asks for `plugbus.>` sees them.
pub const LOST_TOPIC: &str = "plugbus.journal.lost";

/// What a repair did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Repair {
    /// How the journal was before. Where it was sound, nothing was done.
    pub before: Report,
    /// How it is now.
    pub after: Report,
    /// Where the damaged files are; none where nothing was done.
    pub aside: Option<PathBuf>,
    /// What could not be saved.
    pub losses: Losses,
}

/// What could not be saved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Losses {
    /// Events, as ranges of numbers, both ends included.
    pub events: Vec<(u64, u64)>,
    /// Rows that did not check out, by table; of a table that could not be read to its end there may be more.
    pub rows: Vec<(&'static str, u64)>,
    /// Cursors that begin with the first event again.
    pub rewound: Vec<Name>,
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(aside) = &self.aside else { return f.write_str("sound: nothing to repair") };
        for (first, last) in &self.losses.events {
            writeln!(f, "lost: events {first} to {last}")?;
        }
        for (table, rows) in self.losses.rows.iter().filter(|(table, _)| *table != "events") {
            writeln!(f, "lost: {rows} rows of `{table}`")?;
        }
        for cursor in &self.losses.rewound {
            writeln!(f, "`{cursor}` begins with the first event again")?;
        }
        writeln!(f, "the damaged files are in {}", aside.display())?;
        write!(f, "{}", self.after)
    }
}

/// Repairs the journal in a folder. Nobody may have it open. Needs about twice its size in room.
///
/// # Errors
/// Where it cannot be looked at or not be written; what was there is still there then.
pub fn repair(dir: &Path) -> Result<Repair, OpenError> {
    let files = Files::new(dir);
    let lock = Lock::take_over(&files)?;
    let (aside, before) = match unfinished(&files)? {
        Some(aside) => {
            let before = report(&Files::new(&aside), &lock)?;
            (aside, before)
        }
        None => {
            let before = report(&files, &lock)?;
            if before.is_sound() {
                let after = before.clone();
                return Ok(Repair { before, after, aside: None, losses: Losses::default() });
            }
            (put_aside(&files)?, before)
        }
    };
    let work = compose::compose(&Files::new(&aside), &lock)?;
    let mut losses = Losses::default();
    build(&files, |conn| salvage::salvage(&work, conn, &mut losses))?;
    fs::remove_file(&work).map_err(io_error("remove", &work))?;
    change_over(&files)?;
    let after = report(&files, &lock)?;
    Ok(Repair { before, after, aside: Some(aside), losses })
}

/// The folder of the copies that an interrupted repair made.
fn unfinished(files: &Files) -> Result<Option<PathBuf>, OpenError> {
    let marker = files.repairing();
    match fs::read_to_string(&marker) {
        Ok(name) => Ok(Some(files.dir.join(name.trim()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error("read", &marker)(error)),
    }
}

/// Copies the files aside; once that is done, writes down where.
fn put_aside(files: &Files) -> Result<PathBuf, OpenError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let name =
        (0..).map(|again| format!("damaged-{now}{}", if again == 0 { String::new() } else { format!("-{again}") }));
    let mut made = None;
    for name in name.take(100) {
        let aside = files.dir.join(&name);
        match fs::create_dir(&aside) {
            Ok(()) => {
                made = Some((aside, name));
                break;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io_error("make the folder", &aside)(error)),
        }
    }
    let Some((aside, name)) = made else {
        return Err(io_error("make a folder in", &files.dir)(io::ErrorKind::AlreadyExists.into()));
    };
    let copies = Files::new(&aside);
    for (from, to) in [(files.database(), copies.database()), (files.wal(), copies.wal())] {
        match fs::copy(&from, &to) {
            Ok(_) => sync_file(&to)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_error("copy", &from)(error)),
        }
    }
    sync_file(&aside)?;
    let marker = files.repairing();
    fs::write(&marker, name).map_err(io_error("write", &marker))?;
    sync_file(&marker)?;
    sync_file(&files.dir)?;
    Ok(aside)
}

/// Puts the new journal in the place of the old one. The log of the old one must not be taken for its own.
fn change_over(files: &Files) -> Result<(), OpenError> {
    for path in [files.wal(), files.dir.join("journal.db-shm")] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error("remove", &path)(error)),
            _ => {}
        }
    }
    let database = files.database();
    fs::rename(files.unborn(), &database).map_err(io_error("name", &database))?;
    sync_file(&files.dir)?;
    let marker = files.repairing();
    fs::remove_file(&marker).map_err(io_error("remove", &marker))?;
    sync_file(&files.dir)
}
