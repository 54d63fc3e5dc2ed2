//! The thread that reads what is committed, over a connection of its own, so that a subscription that catches up from disk
//! does not stand in the writer's way.
//!
//! What bounds it: [`REQUESTS_MAX`] requests may wait; who asks then waits. Each reads no more than it is asked for. When a
//! read fails, who asked gets the error, and the file is opened anew for the next one.

use std::sync::Arc;

use plugbus_bus::Name;
use plugbus_bus::journal::{Batch, JournalError, StateEntry};
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::{mpsc, oneshot};

use crate::codec;
use crate::files::Files;
use crate::rows;
use crate::shared::Shared;
use crate::trouble::{Kind, Trouble};

/// Requests that may wait.
pub(crate) const REQUESTS_MAX: usize = 64;

/// The answer to a request.
pub(crate) type Answer<T> = oneshot::Sender<Result<T, JournalError>>;

/// What the reader is asked.
#[derive(Debug)]
pub(crate) enum Request {
    /// See [`Journal::read`](plugbus_bus::journal::Journal::read).
    Read { from: u64, events_max: usize, bytes_max: usize, answer: Answer<Batch> },
    /// See [`Journal::seq_at`](plugbus_bus::journal::Journal::seq_at).
    SeqAt { time_ns: u64, answer: Answer<u64> },
    /// See [`Journal::state`](plugbus_bus::journal::Journal::state).
    State { cursor: Name, answer: Answer<Vec<StateEntry>> },
}

/// The reader.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) files: Files,
    pub(crate) shared: Arc<Shared>,
    pub(crate) inbox: mpsc::Receiver<Request>,
}

impl Reader {
    /// Runs until the journal is dropped.
    pub(crate) fn run(mut self) {
        while let Some(request) = self.inbox.blocking_recv() {
            match request {
                Request::Read { from, events_max, bytes_max, answer } => {
                    self.answer(answer, |conn| read(conn, from, events_max, bytes_max));
                }
                Request::SeqAt { time_ns, answer } => {
                    self.answer(answer, |conn| in_snapshot(conn, |conn| seq_at(conn, time_ns)))
                }
                Request::State { cursor, answer } => self.answer(answer, |conn| state(conn, &cursor)),
            }
        }
    }

    fn answer<T>(&self, answer: Answer<T>, read: impl FnOnce(&Connection) -> Result<T, Trouble>) {
        if answer.is_closed() {
            return;
        }
        let mut slot = self.shared.reader();
        let result = self.connected(&mut slot).and_then(read);
        if result.as_ref().is_err_and(|trouble| trouble.kind == Kind::Io) {
            *slot = None;
        }
        drop(slot);
        // Nobody waits any more where this fails.
        let _ = answer.send(result.map_err(|trouble| trouble.error));
    }

    fn connected<'a>(&self, slot: &'a mut Option<Connection>) -> Result<&'a Connection, Trouble> {
        if self.shared.is_closing() {
            return Err(Trouble { kind: Kind::Broken, error: JournalError::Closed });
        }
        match slot {
            Some(conn) => Ok(conn),
            None => Ok(slot.insert(self.files.reader().map_err(failed)?)),
        }
    }
}

fn failed(error: rusqlite::Error) -> Trouble {
    Trouble::new("read", &error)
}

/// Runs several queries on one state of the journal.
fn in_snapshot<T>(conn: &Connection, run: impl FnOnce(&Connection) -> Result<T, Trouble>) -> Result<T, Trouble> {
    let transaction = conn.unchecked_transaction().map_err(failed)?;
    let value = run(&transaction)?;
    transaction.finish().map_err(failed)?;
    Ok(value)
}

/// The numbers of the first and last event that are kept.
pub(crate) fn span(conn: &Connection) -> rusqlite::Result<(u64, u64)> {
    let first: i64 = conn.prepare_cached("SELECT first FROM head")?.query_row([], |row| row.get(0))?;
    let last: Option<i64> = conn.prepare_cached("SELECT max(seq) FROM events")?.query_row([], |row| row.get(0))?;
    Ok((first.cast_unsigned(), last.unwrap_or(first - 1).cast_unsigned()))
}

fn read(conn: &Connection, from: u64, events_max: usize, bytes_max: usize) -> Result<Batch, Trouble> {
    in_snapshot(conn, |conn| {
        let (first, last) = span(conn).map_err(failed)?;
        let mut batch = Batch { events: Vec::new(), first, last };
        let mut expected = from.max(first);
        let mut statement = conn
            .prepare_cached("SELECT seq, record FROM events WHERE seq >= ? ORDER BY seq LIMIT ?")
            .map_err(failed)?;
        let limit = i64::try_from(events_max).unwrap_or(i64::MAX);
        let from = i64::try_from(from).unwrap_or(i64::MAX);
        let mut rows = statement.query([from, limit]).map_err(failed)?;
        let mut bytes = 0;
        while bytes < bytes_max.max(1)
            && let Some(row) = rows.next().map_err(failed)?
        {
            let seq = row.get::<_, i64>(0).map_err(failed)?.cast_unsigned();
            if seq != expected {
                return Err(Trouble::damaged(expected, format!("it is missing before event {seq}")));
            }
            let record = row.get_ref(1).and_then(|value| Ok(value.as_blob()?)).map_err(failed)?;
            let record = codec::read(seq, record).map_err(|error| Trouble::damaged(seq, error.to_string()))?;
            let event = record.to_event(seq);
            bytes += event.size_bytes();
            batch.events.push(Arc::new(event));
            expected += 1;
        }
        Ok(batch)
    })
}

/// The number of the first event accepted at a time or later. Times of acceptance never fall, so that halving finds it.
pub(crate) fn seq_at(conn: &Connection, time_ns: u64) -> Result<u64, Trouble> {
    let (first, last) = span(conn).map_err(failed)?;
    let (mut low, mut high) = (first, last.saturating_add(1));
    while low < high {
        let middle = low + (high - low) / 2;
        if accepted_ns(conn, middle)? < time_ns {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// When an event that is kept was accepted.
pub(crate) fn accepted_ns(conn: &Connection, seq: u64) -> Result<u64, Trouble> {
    let mut statement = conn.prepare_cached("SELECT record FROM events WHERE seq = ?").map_err(failed)?;
    let accepted = statement.query_row([seq.cast_signed()], |row| {
        let record = row.get_ref(0)?.as_blob()?;
        Ok(codec::accepted_ns(seq, record))
    });
    match accepted.optional().map_err(failed)? {
        Some(Ok(accepted)) => Ok(accepted),
        Some(Err(error)) => Err(Trouble::damaged(seq, error.to_string())),
        None => Err(Trouble::damaged(seq, "it is missing")),
    }
}

fn state(conn: &Connection, cursor: &Name) -> Result<Vec<StateEntry>, Trouble> {
    let mut statement = conn
        .prepare_cached(
            "SELECT cursor, bucket, key, value, crc FROM state
             WHERE cursor = (SELECT id FROM cursors WHERE name = ?) ORDER BY bucket, key",
        )
        .map_err(failed)?;
    let mut rows = statement.query([cursor.as_str()]).map_err(failed)?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        entries.push(rows::state(row).map_err(|bad| Trouble::damaged(0, format!("state of `{cursor}`: {}", bad.0)))?);
    }
    Ok(entries)
}
