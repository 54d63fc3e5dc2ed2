//! Takes over from a damaged database what checks out, row by row.

use std::collections::HashSet;
use std::path::Path;

use plugbus_bus::Name;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, Row, params_from_iter};

use super::Losses;
use super::events::{Kept, salvage_events};
use crate::error::{OpenError, storage_error};
use crate::files;
use crate::rows::{self, BadRow, Checked};
use crate::schema::{self, Head, PUT_HEAD};

/// Takes everything over from the database at a path.
pub(super) fn salvage(from: &Path, into: &Connection, losses: &mut Losses) -> Result<(), OpenError> {
    let conn = files::open(from, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(storage_error("open", from))?;
    // A page with one bad cell may have good ones: every row has a check of its own.
    conn.pragma_update(None, "cell_size_check", false).map_err(storage_error("open", from))?;
    let path = into.path().unwrap_or_default();
    let failed = |error| storage_error("write", Path::new(path))(error);
    into.execute_batch("BEGIN").map_err(failed)?;
    Salvage { from: &conn, into, losses }.all().map_err(failed)?;
    into.execute_batch("COMMIT").map_err(failed)
}

/// Errors are those of the new journal; those of the old one are losses.
struct Salvage<'a> {
    from: &'a Connection,
    into: &'a Connection,
    losses: &'a mut Losses,
}

impl Salvage<'_> {
    fn all(mut self) -> rusqlite::Result<()> {
        let mut head = None;
        self.read("head", rows::HEAD, |row| {
            let row = rows::head(row);
            head = row.as_ref().ok().copied().or(head);
            Ok(row.map(drop))
        })?;
        let kept = salvage_events(self.from, self.into, head, &mut self.losses.events)?;
        let ids = self.cursors(kept)?;
        let next = ids.iter().max().map_or(1, |id| id + 1).max(head.map_or(1, |head| head.cursor));
        self.into
            .execute(PUT_HEAD, Head { first: kept.first, accepted_ns: kept.accepted_ns, cursor: next }.params())?;
        let within = move |seq: u64| (kept.first..=kept.last).contains(&seq);
        self.copy("settled", rows::SETTLED, "cursor, seq, crc", |row| Ok(within(rows::settled(row)?.1)))?;
        let columns = "cursor, seq, attempt, due_ns, history, crc";
        self.copy("retries", rows::RETRIES, columns, |row| Ok(within(rows::retry(row)?.seq)))?;
        self.copy("state", rows::STATE, "cursor, bucket, key, value, crc", |row| rows::state(row).map(|_| true))?;
        let columns = "id, time_ns, seq, subscription, reason, text, attempts, record, crc";
        self.copy("dead", rows::DEAD, columns, |row| rows::dead(row).map(|_| true))
    }

    /// Every cursor whose name can be read; gives their numbers. Where its place cannot be trusted, it begins with the first
    /// event again. None stands behind the last event that is left: the numbers after it are given again.
    fn cursors(&mut self, kept: Kept) -> rusqlite::Result<Vec<i64>> {
        let behind = kept.first.saturating_sub(1);
        let (mut names, mut ids, mut rewound) = (HashSet::new(), Vec::new(), Vec::new());
        let into = self.into;
        self.read("cursors", rows::CURSORS, |row| {
            let checked = rows::cursor(row);
            let Some((id, name)) = key_of_cursor(row) else { return Ok(Err(BadRow("no name".into()))) };
            // Seen before, or made into the name of another by the damage.
            if !names.insert(name.clone()) {
                return Ok(checked.map(drop));
            }
            let floor = checked.as_ref().map_or(behind, |row| row.floor.clamp(behind, kept.last.max(behind)));
            let absent_ns = checked.as_ref().ok().and_then(|row| row.absent_ns).map(u64::cast_signed);
            let crc = schema::cursor_check(id, name.as_str(), floor.cast_signed(), absent_ns);
            into.execute(
                "INSERT OR REPLACE INTO cursors (id, name, floor, absent_ns, crc) VALUES (?, ?, ?, ?, ?)",
                rusqlite::params![id, name.as_str(), floor.cast_signed(), absent_ns, crc],
            )?;
            ids.push(id);
            if checked.is_err() {
                rewound.push(name);
            }
            Ok(checked.map(drop))
        })?;
        self.losses.rewound = rewound;
        Ok(ids)
    }

    /// Takes the rows of a table over as they are, if they check out and are wanted.
    fn copy(
        &mut self,
        table: &'static str,
        sql: &str,
        columns: &str,
        wanted: impl Fn(&Row<'_>) -> Checked<bool>,
    ) -> rusqlite::Result<()> {
        let width = columns.split(',').count();
        let places = vec!["?"; width].join(", ");
        let mut insert = self.into.prepare(&format!("INSERT OR REPLACE INTO {table} ({columns}) VALUES ({places})"))?;
        self.read(table, sql, |row| {
            let values = match wanted(row) {
                Ok(true) => (0..width).map(|column| row.get::<_, Value>(column)).collect::<Result<Vec<_>, _>>(),
                Ok(false) => return Ok(Ok(())),
                Err(bad) => return Ok(Err(bad)),
            };
            match values {
                Ok(values) => insert.execute(params_from_iter(values)).map(|_| Ok(())),
                Err(error) => Ok(Err(error.into())),
            }
        })
    }

    /// Reads a table from its beginning and, where that breaks off, from its end too: a row may come twice then.
    fn read(
        &mut self,
        table: &'static str,
        sql: &str,
        mut take: impl FnMut(&Row<'_>) -> rusqlite::Result<Checked<()>>,
    ) -> rusqlite::Result<()> {
        let mut bad = 0;
        let whole = go(self.from, sql, &mut |row| {
            bad += u64::from(take(row)?.is_err());
            Ok(())
        })?;
        if !whole {
            // What lies between is lost, how much nobody knows: at least one row.
            bad = bad.max(1);
            go(self.from, &backwards(sql), &mut |row| take(row).map(drop))?;
        }
        if bad > 0 {
            self.losses.rows.push((table, bad));
        }
        Ok(())
    }
}

/// Goes over the rows of a query in a damaged database. Says whether it came to their end.
fn go(from: &Connection, sql: &str, take: &mut dyn FnMut(&Row<'_>) -> rusqlite::Result<()>) -> rusqlite::Result<bool> {
    let Ok(mut statement) = from.prepare(sql) else { return Ok(false) };
    let Ok(mut rows) = statement.query([]) else { return Ok(false) };
    loop {
        match rows.next() {
            Ok(Some(row)) => take(row)?,
            Ok(None) => return Ok(true),
            Err(_) => return Ok(false),
        }
    }
}

/// The query with its order turned round.
fn backwards(sql: &str) -> String {
    match sql.split_once(" ORDER BY ") {
        Some((query, keys)) => {
            let keys: Vec<_> = keys.split(", ").map(|key| format!("{key} DESC")).collect();
            format!("{query} ORDER BY {}", keys.join(", "))
        }
        None => sql.to_owned(),
    }
}

fn key_of_cursor(row: &Row<'_>) -> Option<(i64, Name)> {
    Some((row.get(0).ok()?, Name::parse(row.get_ref(1).ok()?.as_str().ok()?).ok()?))
}
