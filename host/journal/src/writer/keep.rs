//! What the writer does between commits: write the log back, retire what is old or too much.

use std::time::Instant;

use plugbus_bus::Name;
use plugbus_bus::journal::JournalError;
use rusqlite::Connection;

use super::commit::transaction;
use super::log::{Mode, checkpoint};
use super::{Health, IDLE, Writer};
use crate::apply::Apply;
use crate::clock::now_ns;
use crate::reader::{accepted_ns, seq_at};
use crate::retention::{Facts, plan};
use crate::schema::PUT_HEAD;
use crate::trouble::{Kind, Trouble};

impl Writer {
    /// Keeps the journal within its bounds.
    pub(super) fn keep_house(&mut self) {
        if matches!(self.state.health, Health::Sound)
            && let Err(trouble) = self.write_back().and_then(|()| self.retire())
        {
            self.fail(&trouble);
        }
    }

    fn write_back(&mut self) -> Result<(), Trouble> {
        let (Some(conn), Some(mode)) = (&self.conn, self.state.log.due()) else { return Ok(()) };
        match checkpoint(conn, mode) {
            Ok(()) => {
                self.state.log.was_written_back(mode);
                self.shared.stats().checkpoints += 1;
                Ok(())
            }
            Err(error) => {
                let trouble = Trouble::new("write back the log of", &error);
                if trouble.kind != Kind::Full {
                    return Err(trouble);
                }
                // What is in the log is as safe as in the database, and as long as it has room events are taken.
                tracing::debug!("no room to write the log of the journal back");
                self.state.log.put_off();
                Ok(())
            }
        }
    }

    /// Writes something of no meaning, to see whether that is possible.
    pub(super) fn probe(&mut self) -> Result<(), Trouble> {
        let Some(conn) = &self.conn else { return Ok(()) };
        let head = self.ledger.head;
        let put = || conn.execute(PUT_HEAD, head.params()).map_err(|error| Trouble::new("write to", &error));
        transaction(conn, put)?;
        self.state.log.acknowledge(&self.files.wal());
        Ok(())
    }

    fn retire(&mut self) -> Result<(), Trouble> {
        let Some(conn) = &self.conn else { return Ok(()) };
        let (bytes, file_bytes) = sizes(conn).map_err(|error| Trouble::new("measure", &error))?;
        let span = self.ledger.span();
        let facts = Facts {
            span,
            bytes,
            bytes_max: self.config.bytes_max,
            floor: self.ledger.cursors().map(|(_, meta)| meta.floor).min(),
            expired: self.expired(conn, span)?,
            on_full: self.config.on_full,
        };
        let plan = plan(&facts);
        self.state.more = plan.more;
        if !plan.more && self.age_is_due() {
            self.state.age_looked_at = Some(Instant::now());
        }
        self.note_full(plan.full, bytes);
        {
            let mut stats = self.shared.stats();
            (stats.bytes, stats.file_bytes) = (bytes, file_bytes);
        }
        plan.retire_to.map_or(Ok(()), |to| self.retire_to(to))
    }

    /// Whether it is time to look at the age of events: at most once a second, or while there is more to retire.
    fn age_is_due(&self) -> bool {
        self.state.age_looked_at.is_none_or(|at| at.elapsed() >= IDLE)
    }

    /// The last event that is over the age; 0 where none is or it is not time to look.
    fn expired(&self, conn: &Connection, (first, last): (u64, u64)) -> Result<u64, Trouble> {
        if last < first || !self.age_is_due() {
            return Ok(0);
        }
        let age_ns = u64::try_from(self.config.age_max.as_nanos()).unwrap_or(u64::MAX);
        let since = now_ns().saturating_sub(age_ns);
        if accepted_ns(conn, first)? >= since {
            return Ok(0);
        }
        Ok(seq_at(conn, since)?.saturating_sub(1))
    }

    fn note_full(&mut self, full: bool, bytes: u64) {
        if full == self.state.full.is_some() {
            return;
        }
        let error = JournalError::Full { bytes, bytes_max: self.config.bytes_max };
        let mut stats = self.shared.stats();
        if full {
            let (cursor, _) = self.ledger.cursors().min_by_key(|(_, meta)| meta.floor).unzip();
            let cursor = cursor.map_or("none", Name::as_str);
            tracing::error!(%error, cursor, "the journal is full; events are refused");
            stats.trouble = Some(error.to_string());
            self.state.full = Some(error);
        } else {
            tracing::info!("the journal has room again");
            stats.trouble = None;
            self.state.full = None;
        }
    }

    fn retire_to(&mut self, to: u64) -> Result<(), Trouble> {
        let Some(conn) = &self.conn else { return Ok(()) };
        let (first, last) = self.ledger.span();
        let accepted_ns = if to == last { self.ledger.accepted_ns } else { accepted_ns(conn, to)? };
        let ledger = &mut self.ledger;
        let done = transaction(conn, || {
            let mut apply = Apply::new(conn, ledger, None, 0);
            let lost = apply.retire_events(to, accepted_ns)?;
            apply.finish().map(|_| lost)
        });
        match done {
            Ok((lost, _)) => {
                self.ledger.commit();
                self.state.log.acknowledge(&self.files.wal());
                self.note_retired(to + 1 - first, &lost);
                Ok(())
            }
            Err(trouble) => {
                self.ledger.roll_back();
                Err(trouble)
            }
        }
    }

    fn note_retired(&self, retired: u64, lost: &[(Name, u64)]) {
        let mut stats = self.shared.stats();
        stats.retired += retired;
        (stats.first, stats.last) = self.ledger.span();
        for (cursor, events) in lost {
            let place = stats.dropped.binary_search_by(|(name, _)| name.cmp(cursor));
            let place = place.unwrap_or_else(|place| {
                stats.dropped.insert(place, (cursor.clone(), 0));
                place
            });
            let Some((_, total)) = stats.dropped.get_mut(place) else { continue };
            let before = std::mem::replace(total, *total + events);
            // At 1, 2, 4, 8 …: a flood of lost events must not become a flood of log lines.
            if before.checked_ilog2() != total.checked_ilog2() {
                tracing::warn!(%cursor, lost = *total, "the journal was full: events went that this cursor had not settled");
            }
        }
        // Names of cursors that are gone are not kept for ever.
        stats.dropped.retain(|(name, _)| self.ledger.cursor(name).is_some());
    }

    /// Opens the files anew after the system failed. After a failed sync the kernel may take pages for written that are
    /// not, and hand them out until it needs the memory: what it holds of the files is thrown away first, so that what is
    /// read is what is on the disk. Then the failed transaction is cut off the log, everything acknowledged must be there,
    /// and all of the log is written back, so that nothing goes on from what a failed sync left.
    pub(super) fn reopen(&mut self) -> Result<(), Trouble> {
        const DOING: &str = "open";
        let shared = self.shared.clone();
        // Held until the end: nobody reads in the meantime.
        let mut reader = shared.reader();
        *reader = None;
        if self.config.sync != crate::config::SyncMode::Os {
            for path in [self.files.database(), self.files.wal()] {
                forget_cached(&path).map_err(|error| Trouble::io(DOING, &error))?;
            }
        }
        self.state.log.cut(&self.files.wal())?;
        let mut conn = self.files.writer(self.config.sync).map_err(|error| Trouble::new(DOING, &error))?;
        self.state.log.watch(&mut conn).map_err(|error| Trouble::new(DOING, &error))?;
        let span = crate::reader::span(&conn).map_err(|error| Trouble::new(DOING, &error))?;
        if span != self.ledger.span() {
            let what = format!("after a failed sync it has events {span:?}, not {:?}", self.ledger.span());
            return Err(Trouble::damaged(span.1, what));
        }
        checkpoint(&conn, Mode::Truncate).map_err(|error| Trouble::new("write back the log of", &error))?;
        self.state.log.was_written_back(Mode::Truncate);
        self.conn = Some(conn);
        Ok(())
    }
}

/// Bytes in use, and bytes of the database's file.
fn sizes(conn: &Connection) -> rusqlite::Result<(u64, u64)> {
    let number = |sql: &str| conn.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0));
    let (pages, free) = (number("PRAGMA page_count")?, number("PRAGMA freelist_count")?);
    let bytes = |pages: i64| u64::try_from(pages).unwrap_or(0) * u64::from(crate::schema::PAGE_BYTES);
    Ok((bytes(pages - free), bytes(pages)))
}

#[cfg(target_os = "linux")]
fn forget_cached(path: &std::path::Path) -> std::io::Result<()> {
    match std::fs::File::open(path) {
        Ok(file) => Ok(rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed)?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(not(target_os = "linux"))]
fn forget_cached(_: &std::path::Path) -> std::io::Result<()> {
    Ok(())
}
