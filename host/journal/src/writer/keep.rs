//! What the writer does between commits.

use std::sync::atomic::Ordering;

use super::commit::checkpoint;
use super::{Health, Writer};
use crate::trouble::Trouble;

/// Pages in the write-ahead log from which on it is written back into the database: 8 MiB.
const WAL_PAGES: u32 = 2048;

impl Writer {
    /// Writes the log back where it has grown.
    pub(super) fn keep_house(&mut self) {
        if !matches!(self.state.health, Health::Sound) {
            return;
        }
        if let Err(trouble) = self.try_keep_house() {
            self.fail(&trouble);
        }
    }

    fn try_keep_house(&mut self) -> Result<(), Trouble> {
        let Some(conn) = &self.conn else { return Ok(()) };
        let pages = self.state.wal_pages.load(Ordering::Relaxed);
        if pages >= WAL_PAGES {
            // A reader that is always there keeps the log from starting over: then wait for it.
            let mode = if pages >= 4 * WAL_PAGES { "RESTART" } else { "PASSIVE" };
            checkpoint(conn, mode).map_err(|error| Trouble::new("write back", &error))?;
            self.state.wal_pages.store(0, Ordering::Relaxed);
            self.shared.stats().checkpoints += 1;
        }
        Ok(())
    }

    /// Opens the files anew after the system failed.
    pub(super) fn reopen(&mut self) -> Result<(), Trouble> {
        self.shared.reader().take();
        let mut conn = self.files.writer(self.config.sync).map_err(|error| Trouble::new("open", &error))?;
        self.state.watch(&mut conn).map_err(|error| Trouble::new("open", &error))?;
        self.conn = Some(conn);
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn limit_pages(&self, pages: u32) {
        if let Some(conn) = &self.conn {
            conn.pragma_update(None, "max_page_count", pages).unwrap();
        }
    }
}
