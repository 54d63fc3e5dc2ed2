//! Why a journal cannot be opened.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::ConfigError;

/// Why a journal cannot be opened, verified or repaired.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A setting is outside its bounds.
    #[error("the journal's settings are not allowed")]
    Config(#[from] ConfigError),
    /// The system refuses a file.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// SQLite refuses the database.
    #[error("cannot {doing} {}", path.display())]
    Storage {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// Another process has it open.
    #[error("{} is in use by {}", dir.display(), Holder(*pid))]
    Locked {
        /// The journal's folder.
        dir: PathBuf,
        /// The process, where it has written its number down.
        pid: Option<u32>,
    },
    /// The file is something else.
    #[error("{} is no journal: {what}", path.display())]
    NotAJournal {
        /// Which file.
        path: PathBuf,
        /// How it can be told.
        what: String,
    },
    /// Another version of plugbus wrote it.
    #[error("{} has format {found}, and this plugbus knows format {known}: use the version that wrote it", path.display())]
    Format {
        /// Which file.
        path: PathBuf,
        /// Its format.
        found: i32,
        /// The one known here.
        known: i32,
    },
    /// A repair did not get to its end.
    #[error("the repair of the journal in {} was interrupted: run `plugbus journal repair` again", dir.display())]
    HalfRepaired {
        /// The journal's folder.
        dir: PathBuf,
    },
    /// What is there is not what was written.
    #[error("{0}; nothing was changed: `plugbus journal verify` shows all of it, `plugbus journal repair` cuts it out")]
    Damaged(Damage),
}

/// A place in a file where something does not check out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Damage {
    /// Which file.
    pub path: PathBuf,
    /// Where in it, in bytes: the page or frame in which the damage is.
    pub offset: u64,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is damaged at byte {}: {}", self.path.display(), self.offset, self.what)
    }
}

struct Holder(Option<u32>);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pid) => write!(f, "process {pid}: stop it first, or give this one another data folder"),
            None => f.write_str("another process: stop it first, or give this one another data folder"),
        }
    }
}

/// Names the file that the system refuses.
pub(crate) fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Io { doing, path: path.to_owned(), source }
}

/// Names the database that SQLite refuses.
pub(crate) fn storage_error(doing: &'static str, path: &Path) -> impl FnOnce(rusqlite::Error) -> OpenError {
    move |source| OpenError::Storage { doing, path: path.to_owned(), source }
}
