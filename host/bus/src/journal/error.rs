//! Why a journal did not do its work.

use std::sync::Arc;

/// Why a write was refused or a read failed. Cheap to clone: one failed commit refuses many events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The bound on its size is reached and nothing may be retired.
    #[error("the journal is full ({bytes} of {bytes_max} bytes): a cursor holds it back, or raise `journal.bytes_max`")]
    Full {
        /// Bytes it has.
        bytes: u64,
        /// Bytes it may have.
        bytes_max: u64,
    },
    /// The disk is full. Once there is room again, so is the journal.
    #[error("no room left on the disk of the journal")]
    DiskFull,
    /// It is closed.
    #[error("the journal is closed")]
    Closed,
    /// The system failed it.
    #[error("cannot {doing} the journal: {cause}")]
    Failed {
        /// `write`, `read`, `sync`, …
        doing: &'static str,
        /// What the system or the storage library says.
        cause: Arc<str>,
    },
    /// What was read is not what was written.
    #[error("the journal is damaged at event {seq}: {what}; stop the host and run `plugbus journal verify`")]
    Damaged {
        /// The event's number.
        seq: u64,
        /// What does not check out.
        what: Arc<str>,
    },
}
