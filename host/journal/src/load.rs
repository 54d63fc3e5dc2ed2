//! Reads the whole journal when it is opened: checks every row, and makes the [`Ledger`] and what the bus wants to know.

use std::collections::HashMap;

use plugbus_bus::journal::{Cursor, Recovered, Retry};
use rusqlite::Connection;

use crate::config::JournalConfig;
use crate::ledger::{Ledger, Meta};
use crate::rows::{self, BadRow, Checked, CursorRow, each};
use crate::schema::Head;
use crate::seen::Seen;
use crate::{clock, codec};

/// A row that does not check out, or a table that SQLite cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Suspect {
    pub(crate) table: &'static str,
    /// The row's place in the order of its key, from 0; none where the table itself is damaged.
    pub(crate) place: Option<u64>,
    pub(crate) what: String,
}

/// Why a journal cannot be loaded.
#[derive(Debug)]
pub(crate) enum LoadError {
    Suspect(Suspect),
    Storage(rusqlite::Error),
}

impl From<rusqlite::Error> for LoadError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error)
    }
}

/// Loads everything; stops at the first row that does not check out.
pub(crate) fn load(conn: &Connection, config: &JournalConfig) -> Result<(Ledger, Recovered), LoadError> {
    let head = one_head(conn)?;
    let events = events(conn, head)?;
    let (metas, mut cursors) = cursors(conn)?;
    settled(conn, &metas, &mut cursors)?;
    retries(conn, &metas, &mut cursors)?;
    let dead = gather(conn, "dead", rows::DEAD, rows::dead)?;
    gather(conn, "state", rows::STATE, |row| rows::state(row).map(drop))?;
    let metas = metas.into_iter().zip(&cursors).map(|(row, cursor)| {
        let meta = Meta {
            id: row.id,
            floor: row.floor,
            absent_ns: row.absent_ns,
            has_settled: !cursor.settled.is_empty(),
            has_retries: !cursor.retries.is_empty(),
            fresh: Vec::new(),
            moved: false,
        };
        (row.name, meta)
    });
    let seen = seen(conn, config, head.first, events.next)?;
    let ledger = Ledger::new(head, events.next, events.accepted_ns, seen, metas.collect());
    Ok((ledger, Recovered { cursors, dead }))
}

fn one_head(conn: &Connection) -> Result<Head, LoadError> {
    let heads = gather(conn, "head", rows::HEAD, rows::head)?;
    match *heads {
        [head] => Ok(head),
        _ => Err(suspect("head", None, BadRow(format!("it has {} rows, not one", heads.len())))),
    }
}

struct Events {
    next: u64,
    accepted_ns: u64,
}

/// Checks every event: its record, that no number is missing, and that times of acceptance do not fall.
fn events(conn: &Connection, head: Head) -> Result<Events, LoadError> {
    let mut events = Events { next: head.first, accepted_ns: head.accepted_ns };
    let mut found = None;
    each(conn, rows::EVENTS, rows::event, |place, row| {
        let checked = row.and_then(|(seq, accepted_ns)| follows(&mut events, seq, accepted_ns?));
        if let Err(bad) = checked
            && found.is_none()
        {
            found = Some(suspect("events", Some(place), bad));
        }
    })
    .map_err(|error| table_error("events", error))?;
    found.map_or(Ok(events), Err)
}

fn follows(events: &mut Events, seq: u64, accepted_ns: u64) -> Checked<()> {
    if seq != events.next {
        return Err(BadRow(format!("event {} is missing: event {seq} follows", events.next)));
    }
    if accepted_ns < events.accepted_ns {
        return Err(BadRow(format!("event {seq} was accepted before the one before it")));
    }
    *events = Events { next: seq + 1, accepted_ns };
    Ok(())
}

fn cursors(conn: &Connection) -> Result<(Vec<CursorRow>, Vec<Cursor>), LoadError> {
    let rows = gather(conn, "cursors", rows::CURSORS, rows::cursor)?;
    let cursors = rows.iter().map(|row| Cursor {
        name: row.name.clone(),
        floor: row.floor,
        settled: Vec::new(),
        retries: Vec::new(),
        absent_since_ns: row.absent_ns,
    });
    let cursors = cursors.collect();
    Ok((rows, cursors))
}

fn settled(conn: &Connection, metas: &[CursorRow], cursors: &mut [Cursor]) -> Result<(), LoadError> {
    let places = places(metas);
    for (cursor, seq) in gather(conn, "settled", rows::SETTLED, rows::settled)? {
        if let Some(cursor) = places.get(&cursor).and_then(|place| cursors.get_mut(*place)) {
            cursor.settled.push(seq);
        }
    }
    Ok(())
}

fn retries(conn: &Connection, metas: &[CursorRow], cursors: &mut [Cursor]) -> Result<(), LoadError> {
    let places = places(metas);
    for row in gather(conn, "retries", rows::RETRIES, rows::retry)? {
        if let Some(cursor) = places.get(&row.cursor).and_then(|place| cursors.get_mut(*place)) {
            let (cursor_name, rows::RetryRow { seq, attempt, due_ns, history, .. }) = (cursor.name.clone(), row);
            cursor.retries.push(Retry { cursor: cursor_name, seq, attempt, due_ns, history });
        }
    }
    Ok(())
}

fn places(metas: &[CursorRow]) -> HashMap<i64, usize> {
    metas.iter().enumerate().map(|(place, row)| (row.id, place)).collect()
}

/// Remembers the last events, as far as they lie within the window.
fn seen(conn: &Connection, config: &JournalConfig, first: u64, next: u64) -> Result<Seen, LoadError> {
    let mut seen = Seen::new(config.dedupe_events_max, config.dedupe_age);
    let since = seen.since(clock::now_ns());
    let window = u64::try_from(config.dedupe_events_max).unwrap_or(u64::MAX);
    let from = next.saturating_sub(window).max(first);
    let mut statement = conn.prepare("SELECT seq, record FROM events WHERE seq >= ? ORDER BY seq")?;
    let mut rows = statement.query([from.cast_signed()])?;
    while let Some(row) = rows.next()? {
        let seq = row.get::<_, i64>(0)?.cast_unsigned();
        let record = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        let record = codec::read(seq, record)
            .map_err(|error| suspect("events", Some(seq - first), BadRow(format!("event {seq}: {error}"))))?;
        if record.accepted_ns >= since {
            let hash = seen.hash(record.id, record.source);
            seen.stage(hash, seq, record.accepted_ns);
        }
    }
    seen.commit();
    Ok(seen)
}

/// All rows of a table, or the first that does not check out.
fn gather<T>(
    conn: &Connection,
    table: &'static str,
    sql: &str,
    parse: fn(&rusqlite::Row<'_>) -> Checked<T>,
) -> Result<Vec<T>, LoadError> {
    let mut found = Ok(Vec::new());
    each(conn, sql, parse, |place, row| match (&mut found, row) {
        (Ok(rows), Ok(row)) => rows.push(row),
        (Ok(_), Err(bad)) => found = Err(suspect(table, Some(place), bad)),
        (Err(_), _) => {}
    })
    .map_err(|error| table_error(table, error))?;
    found
}

fn suspect(table: &'static str, place: Option<u64>, BadRow(what): BadRow) -> LoadError {
    LoadError::Suspect(Suspect { table, place, what })
}

fn table_error(table: &'static str, error: rusqlite::Error) -> LoadError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseCorrupt) => suspect(table, None, BadRow(error.to_string())),
        _ => LoadError::Storage(error),
    }
}
