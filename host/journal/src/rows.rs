//! Reads rows back, each with its check.

use std::sync::Arc;

use bytes::Bytes;
use plugbus_bus::journal::StateEntry;
use plugbus_bus::{AttemptRecord, DeadLetter, DeadReason, Name};
use rusqlite::{Connection, Row};

use crate::schema::{self, Head};
use crate::{codec, history};

/// Why a row is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadRow(pub(crate) String);

/// A row, if it is what was written.
pub(crate) type Checked<T> = Result<T, BadRow>;

impl<E: std::error::Error> From<E> for BadRow {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Goes over the rows of a query, with their places in it from 0. Says how many there were.
pub(crate) fn each<T>(
    conn: &Connection,
    sql: &str,
    parse: fn(&Row<'_>) -> Checked<T>,
    mut with: impl FnMut(u64, Checked<T>),
) -> rusqlite::Result<u64> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut place = 0;
    while let Some(row) = rows.next()? {
        with(place, parse(row));
        place += 1;
    }
    Ok(place)
}

fn hold(found: i64, expected: i64) -> Checked<()> {
    if found == expected { Ok(()) } else { Err(BadRow("its checksum does not hold".into())) }
}

pub(crate) const HEAD: &str = "SELECT first, accepted_ns, cursor, crc FROM head ORDER BY id";

pub(crate) fn head(row: &Row<'_>) -> Checked<Head> {
    let numbers = [row.get(0)?, row.get(1)?].map(i64::cast_unsigned);
    let [first, accepted_ns] = numbers;
    let head = Head { first, accepted_ns, cursor: row.get(2)? };
    hold(row.get(3)?, head.check())?;
    Ok(head)
}

pub(crate) const EVENTS: &str = "SELECT seq, record FROM events ORDER BY seq";

/// The number of an event, and the time of its acceptance if its record checks out.
pub(crate) fn event(row: &Row<'_>) -> Checked<(u64, Checked<u64>)> {
    let seq = row.get::<_, i64>(0)?.cast_unsigned();
    let accepted =
        row.get_ref(1)?.as_blob().map_err(BadRow::from).and_then(|record| Ok(codec::accepted_ns(seq, record)?));
    Ok((seq, accepted.map_err(|BadRow(what)| BadRow(format!("event {seq}: {what}")))))
}

pub(crate) const CURSORS: &str = "SELECT id, name, floor, absent_ns, crc FROM cursors ORDER BY id";

/// A row of `cursors`.
#[derive(Debug)]
pub(crate) struct CursorRow {
    pub(crate) id: i64,
    pub(crate) name: Name,
    pub(crate) floor: u64,
    pub(crate) absent_ns: Option<u64>,
}

pub(crate) fn cursor(row: &Row<'_>) -> Checked<CursorRow> {
    let (id, floor, absent_ns): (i64, i64, Option<i64>) = (row.get(0)?, row.get(2)?, row.get(3)?);
    let name = row.get_ref(1)?.as_str()?;
    hold(row.get(4)?, schema::cursor_check(id, name, floor, absent_ns))?;
    let name = Name::parse(name)?;
    Ok(CursorRow { id, name, floor: floor.cast_unsigned(), absent_ns: absent_ns.map(i64::cast_unsigned) })
}

pub(crate) const SETTLED: &str = "SELECT cursor, seq, crc FROM settled ORDER BY cursor, seq";

pub(crate) fn settled(row: &Row<'_>) -> Checked<(i64, u64)> {
    let (cursor, seq): (i64, i64) = (row.get(0)?, row.get(1)?);
    hold(row.get(2)?, schema::settled_check(cursor, seq))?;
    Ok((cursor, seq.cast_unsigned()))
}

pub(crate) const RETRIES: &str = "SELECT cursor, seq, attempt, due_ns, history, crc FROM retries ORDER BY cursor, seq";

/// A row of `retries`.
#[derive(Debug)]
pub(crate) struct RetryRow {
    pub(crate) cursor: i64,
    pub(crate) seq: u64,
    pub(crate) attempt: u32,
    pub(crate) due_ns: u64,
    pub(crate) history: Vec<AttemptRecord>,
}

pub(crate) fn retry(row: &Row<'_>) -> Checked<RetryRow> {
    let numbers @ [cursor, seq, attempt, due_ns] = [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?];
    let json = row.get_ref(4)?.as_str()?;
    hold(row.get(5)?, schema::retry_check(numbers, json))?;
    let (seq, due_ns) = (seq.cast_unsigned(), due_ns.cast_unsigned());
    Ok(RetryRow { cursor, seq, attempt: u32::try_from(attempt)?, due_ns, history: history::read(json)? })
}

pub(crate) const STATE: &str = "SELECT cursor, bucket, key, value, crc FROM state ORDER BY cursor, bucket, key";

pub(crate) fn state(row: &Row<'_>) -> Checked<StateEntry> {
    let (cursor, crc): (i64, i64) = (row.get(0)?, row.get(4)?);
    let (bucket, key) = (row.get_ref(1)?.as_str()?, row.get_ref(2)?.as_str()?);
    let value = row.get_ref(3)?.as_blob()?;
    hold(crc, schema::state_check(cursor, bucket, key, value))
        .map_err(|BadRow(what)| BadRow(format!("key `{}`: {what}", key.escape_debug())))?;
    Ok(StateEntry { bucket: bucket.into(), key: key.into(), value: Bytes::copy_from_slice(value) })
}

pub(crate) const DEAD: &str =
    "SELECT id, time_ns, seq, subscription, reason, text, attempts, record, crc FROM dead ORDER BY id";

pub(crate) fn dead(row: &Row<'_>) -> Checked<DeadLetter> {
    let numbers: [i64; 3] = [row.get(0)?, row.get(1)?, row.get(2)?];
    let subscription = row.get_ref(3)?.as_str_or_null()?;
    let texts @ [reason, text, attempts] =
        [row.get_ref(4)?.as_str()?, row.get_ref(5)?.as_str()?, row.get_ref(6)?.as_str()?];
    hold(row.get(8)?, schema::dead_check(numbers, subscription, texts))?;
    let [id, time_ns, seq] = numbers.map(i64::cast_unsigned);
    let record = codec::read(seq, row.get_ref(7)?.as_blob()?)?;
    Ok(DeadLetter {
        id,
        event: Arc::new(record.to_event(seq)),
        subscription: subscription.map(Name::parse).transpose()?,
        reason: DeadReason::recorded(reason, text),
        attempts: history::read(attempts)?,
        time_ns,
    })
}
