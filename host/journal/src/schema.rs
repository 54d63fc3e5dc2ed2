//! The tables, and the checks that their rows carry.
//!
//! SQLite notices most damage to its own structures and none to what it stores: every row has a CRC-32C of its own over
//! all of its columns. `settled`, `retries` and `state` name their cursor by its number, which is never used again.

use rusqlite::Connection;

use crate::codec::row_check;

/// Marks the file as ours (`PRAGMA application_id`): "plgb".
pub(crate) const APPLICATION_ID: i32 = i32::from_be_bytes(*b"plgb");

/// The version of the tables (`PRAGMA user_version`).
pub(crate) const VERSION: i32 = 1;

/// Bytes in a page of the database.
pub(crate) const PAGE_BYTES: u32 = 4096;

/// Pages in an empty journal: the schema, and one for each table.
pub(crate) const PAGES_MIN: u64 = 8;

const TABLES: &str = "
    CREATE TABLE head (
        id INTEGER PRIMARY KEY, first INTEGER NOT NULL, accepted_ns INTEGER NOT NULL, cursor INTEGER NOT NULL,
        crc INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE events (seq INTEGER PRIMARY KEY, record BLOB NOT NULL) STRICT;
    CREATE TABLE cursors (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, floor INTEGER NOT NULL, absent_ns INTEGER, crc INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE settled (
        cursor INTEGER NOT NULL, seq INTEGER NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (cursor, seq)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE retries (
        cursor INTEGER NOT NULL, seq INTEGER NOT NULL, attempt INTEGER NOT NULL, due_ns INTEGER NOT NULL,
        history TEXT NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (cursor, seq)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE state (
        cursor INTEGER NOT NULL, bucket TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, crc INTEGER NOT NULL,
        PRIMARY KEY (cursor, bucket, key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE dead (
        id INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, subscription TEXT, reason TEXT NOT NULL, text TEXT NOT NULL,
        attempts TEXT NOT NULL, seq INTEGER NOT NULL, record BLOB NOT NULL, crc INTEGER NOT NULL
    ) STRICT;
";

/// Makes the tables in an empty database.
pub(crate) fn create(conn: &Connection) -> rusqlite::Result<()> {
    conn.pragma_update(None, "page_size", PAGE_BYTES)?;
    conn.execute_batch("BEGIN")?;
    conn.execute_batch(TABLES)?;
    conn.execute(PUT_HEAD, Head::default().params())?;
    conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    conn.pragma_update(None, "user_version", VERSION)?;
    conn.execute_batch("COMMIT")
}

pub(crate) const PUT_HEAD: &str =
    "INSERT OR REPLACE INTO head (id, first, accepted_ns, cursor, crc) VALUES (1, ?, ?, ?, ?)";

/// The one row of `head`: what the other tables cannot say once their rows are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// The first number that is kept; the next to be given, where none is.
    pub(crate) first: u64,
    /// Time of acceptance of the last event that was retired.
    pub(crate) accepted_ns: u64,
    /// The next number for a cursor.
    pub(crate) cursor: i64,
}

impl Default for Head {
    fn default() -> Self {
        Self { first: 1, accepted_ns: 0, cursor: 1 }
    }
}

impl Head {
    pub(crate) fn params(self) -> [i64; 4] {
        [self.first.cast_signed(), self.accepted_ns.cast_signed(), self.cursor, self.check()]
    }

    pub(crate) fn check(self) -> i64 {
        integers(b'h', [self.first.cast_signed(), self.accepted_ns.cast_signed(), self.cursor])
    }
}

/// The check of a row of `settled`.
pub(crate) fn settled_check(cursor: i64, seq: i64) -> i64 {
    integers(b's', [cursor, seq])
}

/// The check of a row of `cursors`.
pub(crate) fn cursor_check(id: i64, name: &str, floor: i64, absent_ns: Option<i64>) -> i64 {
    let absent = absent_ns.map_or([0; 9], tagged);
    row_check(b'c', [&id.to_le_bytes()[..], name.as_bytes(), &floor.to_le_bytes(), &absent]).into()
}

/// The check of a row of `retries`.
pub(crate) fn retry_check(numbers: [i64; 4], history: &str) -> i64 {
    let [cursor, seq, attempt, due_ns] = numbers.map(i64::to_le_bytes);
    row_check(b'r', [&cursor[..], &seq, &attempt, &due_ns, history.as_bytes()]).into()
}

/// The check of a row of `state`.
pub(crate) fn state_check(cursor: i64, bucket: &str, key: &str, value: &[u8]) -> i64 {
    row_check(b'k', [&cursor.to_le_bytes()[..], bucket.as_bytes(), key.as_bytes(), value]).into()
}

/// The check of a row of `dead`, whose record has its own.
pub(crate) fn dead_check(numbers: [i64; 3], subscription: Option<&str>, texts: [&str; 3]) -> i64 {
    let [id, time_ns, seq] = numbers.map(i64::to_le_bytes);
    let [reason, text, attempts] = texts.map(str::as_bytes);
    let some = [u8::from(subscription.is_some())];
    let subscription = subscription.unwrap_or_default().as_bytes();
    row_check(b'd', [&id[..], &time_ns, &seq, &some, subscription, reason, text, attempts]).into()
}

fn integers<const N: usize>(tag: u8, columns: [i64; N]) -> i64 {
    let columns = columns.map(i64::to_le_bytes);
    row_check(tag, columns.iter().map(|column| &column[..])).into()
}

fn tagged(number: i64) -> [u8; 9] {
    let mut bytes = [1; 9];
    bytes.iter_mut().skip(1).zip(number.to_le_bytes()).for_each(|(to, from)| *to = from);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_journal_has_a_page_for_each_table() {
        let conn = Connection::open_in_memory().unwrap();
        create(&conn).unwrap();
        let pages: i64 = conn.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        assert_eq!(pages.cast_unsigned(), PAGES_MIN);
    }
}
