//! What SQLite says went wrong, sorted by what can be done about it.

use std::sync::Arc;

use plugbus_bus::journal::JournalError;
use rusqlite::ErrorCode;

/// A failure of the storage.
#[derive(Debug, Clone)]
pub(crate) struct Trouble {
    pub(crate) kind: Kind,
    pub(crate) error: JournalError,
}

/// What can be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No room: try again later.
    Full,
    /// The system failed: open the file anew, look at what is there, try again.
    Io,
    /// Nothing: what is in the file is not what was written, or we misuse it.
    Broken,
}

impl Trouble {
    /// Sorts an error that came while `doing` something with the journal.
    pub(crate) fn new(doing: &'static str, error: &rusqlite::Error) -> Self {
        let code = error.sqlite_error_code();
        let kind = match code {
            Some(ErrorCode::DiskFull) => Kind::Full,
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::OutOfMemory
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::FileLockingProtocolFailed,
            ) => Kind::Io,
            _ => Kind::Broken,
        };
        let error = match kind {
            Kind::Full => JournalError::DiskFull,
            Kind::Io | Kind::Broken => JournalError::Failed { doing, cause: describe(error) },
        };
        Self { kind, error }
    }

    /// A failure of the system outside SQLite.
    pub(crate) fn io(doing: &'static str, error: &std::io::Error) -> Self {
        Self { kind: Kind::Io, error: JournalError::Failed { doing, cause: error.to_string().into() } }
    }

    /// What is in the file is not what was written.
    pub(crate) fn damaged(seq: u64, what: impl Into<Arc<str>>) -> Self {
        Self { kind: Kind::Broken, error: JournalError::Damaged { seq, what: what.into() } }
    }
}

/// The words of SQLite with its extended code, which tells a failed sync from a failed write.
pub(crate) fn describe(error: &rusqlite::Error) -> Arc<str> {
    match error.sqlite_error() {
        Some(code) => format!("{error} (SQLite code {})", code.extended_code).into(),
        None => error.to_string().into(),
    }
}
