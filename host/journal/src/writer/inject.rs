//! Faults from inside, for the tests.

use std::time::Duration;

use plugbus_bus::journal::JournalError;

use super::Writer;
use super::log::{Mode, checkpoint};
use crate::apply::Fate;
use crate::trouble::{Kind, Trouble};

/// What a test does to a writer.
#[derive(Debug)]
pub(crate) enum Inject {
    /// Lets the database have at most so many pages, as a full disk would.
    PagesMax(u32),
    /// The system fails, between two transactions.
    Fail,
    /// The next transaction is written, and its sync fails.
    FailSync,
    /// Writes the log back.
    WriteBack,
}

impl Writer {
    pub(super) fn inject(&mut self, inject: Inject) {
        let Some(conn) = &self.conn else { return };
        match inject {
            Inject::PagesMax(pages) => conn.pragma_update(None, "max_page_count", pages).unwrap(),
            Inject::Fail => self.fail(&failed_sync()),
            Inject::FailSync => self.state.fail_sync = true,
            Inject::WriteBack => {
                checkpoint(conn, Mode::Passive).unwrap();
                self.state.log.was_written_back(Mode::Passive);
            }
        }
    }

    pub(super) fn sync_injected(
        &mut self,
        done: Result<(Vec<Fate>, Duration), Trouble>,
    ) -> Result<(Vec<Fate>, Duration), Trouble> {
        if std::mem::take(&mut self.state.fail_sync) { Err(failed_sync()) } else { done }
    }
}

fn failed_sync() -> Trouble {
    Trouble { kind: Kind::Io, error: JournalError::Failed { doing: "sync", cause: "injected".into() } }
}
