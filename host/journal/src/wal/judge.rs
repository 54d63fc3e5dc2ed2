//! What the state of a log means: pure.

use super::Wal;
use crate::config::SyncMode;

/// Whether the machine has run on since the journal was last open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Boot {
    /// It has: at most a process was killed, and the log is what that one wrote.
    Same,
    /// It may have died, with writes of the last transaction on the disk in any order.
    Other,
}

/// What the state of a log means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It ends with a whole transaction.
    Whole,
    /// Behind its last whole transaction lie pieces of one that was never acknowledged.
    Torn {
        /// Frames of it.
        frames: u64,
        /// Bytes from the end of the last whole transaction to the end of those pieces.
        bytes: u64,
    },
    /// Something that was acknowledged is not what was written.
    Damaged {
        /// The frame that does not check out; none where it is the header.
        frame: Option<u64>,
    },
}

/// Judges a log. A machine that dies can leave its last transaction in pieces, and in the mode `os`, which does not sync
/// them, any number of them; a killed process only ever leaves the beginning of one.
pub(crate) fn judge(wal: &Wal, boot: Boot, sync: SyncMode) -> Verdict {
    let behind = &wal.behind;
    if !wal.header_holds && behind.commits > 0 {
        return Verdict::Damaged { frame: None };
    }
    // The bad frame belongs to the last transaction if that is the only one that ends behind it.
    let last_only = behind.commits <= 1 && !behind.bad_commits;
    let excused = behind.commits == 0 || (boot == Boot::Other && (last_only || sync == SyncMode::Os));
    if !excused {
        return Verdict::Damaged { frame: Some(wal.good) };
    }
    let frames = wal.good - wal.committed + behind.frames;
    if !wal.header_holds || frames == 0 {
        // What is too short for a header, or has one of no meaning, has nothing in it that was acknowledged.
        return Verdict::Whole;
    }
    let end = wal.offset(wal.good + behind.frames).min(wal.bytes);
    Verdict::Torn { frames, bytes: end.saturating_sub(wal.offset(wal.committed)) }
}
