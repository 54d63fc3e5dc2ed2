//! One transaction: begin, carry out, commit, tell; or put everything back as it was.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plugbus_bus::journal::{AppendOutcome, Appended, JournalError, Queued, Write};
use rusqlite::Connection;

use super::Writer;
use crate::apply::{Apply, Fate};
use crate::clock::now_ns;
use crate::ledger::Ledger;
use crate::shared::{appends_mut, into_appends, refused};
use crate::stats::JournalStats;
use crate::trouble::{Kind, Trouble};

/// A transaction that failed, with what was to be in it.
pub(super) type Failed = (Vec<Queued>, Trouble);

impl Writer {
    /// Writes a batch in one transaction, and tells the bus. Where that fails, the batch is handed back as it came.
    pub(super) fn commit(&mut self, mut batch: Vec<Queued>) -> Result<(), Failed> {
        if batch.is_empty() {
            return Ok(());
        }
        let Some(conn) = &self.conn else {
            let error = JournalError::Closed;
            return Err((batch, Trouble { kind: Kind::Io, error }));
        };
        let full = self.state.full.as_ref();
        let done = transact(conn, &mut self.ledger, full, &mut batch);
        #[cfg(test)]
        let done = self.sync_injected(done);
        match done {
            Ok((fates, time)) => {
                self.ledger.commit();
                self.state.log.acknowledge(&self.files.wal());
                self.tell(batch, fates, time);
                Ok(())
            }
            Err(trouble) => {
                self.ledger.roll_back();
                batch
                    .iter_mut()
                    .flat_map(|queued| appends_mut(&mut queued.write))
                    .for_each(|append| append.event.seq = 0);
                self.shared.stats().failed_commits += 1;
                Err((batch, trouble))
            }
        }
    }

    fn tell(&self, batch: Vec<Queued>, fates: Vec<Fate>, time: Duration) {
        let writes: Vec<Write> = batch
            .into_iter()
            .map(|queued| {
                self.shared.depth.leave();
                queued.write
            })
            .collect();
        let mut stats = self.shared.stats();
        stats.commits += 1;
        stats.writes += u64::try_from(writes.len()).unwrap_or(u64::MAX);
        stats.commit_times.add(time);
        (stats.first, stats.last) = self.ledger.span();
        let appends = writes.into_iter().flat_map(into_appends);
        let appended = appends.zip(fates).map(|(append, fate)| outcome(append, fate, &mut stats)).collect();
        drop(stats);
        self.shared.tell(appended);
    }
}

fn outcome(append: plugbus_bus::journal::Append, fate: Fate, stats: &mut JournalStats) -> Appended {
    match fate {
        Fate::New => {
            stats.appended += 1;
            Appended { ticket: append.ticket, outcome: AppendOutcome::New(Arc::new(append.event)) }
        }
        Fate::Duplicate => {
            stats.duplicates += 1;
            Appended { ticket: append.ticket, outcome: AppendOutcome::Duplicate(Arc::new(append.event)) }
        }
        Fate::Refused(error) => {
            stats.refused += 1;
            refused(append, &error)
        }
    }
}

/// Makes the transaction. How long the commit itself took tells how fast the disk syncs.
fn transact(
    conn: &Connection,
    ledger: &mut Ledger,
    full: Option<&JournalError>,
    batch: &mut [Queued],
) -> Result<(Vec<Fate>, Duration), Trouble> {
    transaction(conn, || {
        let mut apply = Apply::new(conn, ledger, full, now_ns());
        batch.iter_mut().try_for_each(|queued| apply.write(&mut queued.write))?;
        apply.finish()
    })
}

/// Runs something in a transaction of its own.
pub(super) fn transaction<T>(
    conn: &Connection,
    run: impl FnOnce() -> Result<T, Trouble>,
) -> Result<(T, Duration), Trouble> {
    let execute = |doing, sql: &str| {
        let done = conn.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
        done.map_err(|error| Trouble::new(doing, &error))
    };
    execute("write to", "BEGIN IMMEDIATE")?;
    let done = run().and_then(|value| {
        let begun = Instant::now();
        execute("sync", "COMMIT")?;
        Ok((value, begun.elapsed()))
    });
    // SQLite has rolled back already after some errors.
    if done.is_err()
        && !conn.is_autocommit()
        && let Err(error) = conn.execute_batch("ROLLBACK")
    {
        tracing::warn!(%error, "a failed transaction could not be rolled back");
        return Err(Trouble::new("write to", &error));
    }
    done
}
