//! Looks at everything in a journal and says what is wrong, all of it. Changes nothing.

use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Row};
use serde::Serialize;

use crate::check::{locate, refused, structure, structure_damage, table_damaged};
use crate::error::{Damage, OpenError};
use crate::files::Files;
use crate::inspect::{Inspected, inspect};
use crate::load::Suspect;
use crate::lock::Lock;
use crate::open::refuse_half_repaired;
use crate::pages::Pages;
use crate::rows::{self, BadRow, Checked, each};
use crate::wal::Verdict;

/// Damages that are listed; more are counted.
pub const DAMAGES_MAX: usize = 100;

/// What is in a journal, and what is wrong with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The journal's folder.
    pub dir: PathBuf,
    /// Number of the first event.
    pub first: u64,
    /// Number of the last event.
    pub last: u64,
    /// Rows that check out, by table.
    pub rows: Vec<(&'static str, u64)>,
    /// Bytes of a transaction at the end of the write-ahead log that a crash left unfinished and that was never
    /// acknowledged. That is no damage: the next start cuts it off.
    pub torn_bytes: u64,
    /// What is wrong, at most [`DAMAGES_MAX`].
    pub damages: Vec<Damage>,
    /// What is wrong beside that.
    pub more_damages: u64,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damages.is_empty()
    }

    fn add(&mut self, damage: Damage) {
        if self.damages.len() < DAMAGES_MAX {
            self.damages.push(damage);
        } else {
            self.more_damages += 1;
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |table| self.rows.iter().find(|(name, _)| *name == table).map_or(0, |(_, count)| *count);
        writeln!(f, "{}: {} events ({} to {})", self.dir.display(), count("events"), self.first, self.last)?;
        let [cursors, dead, state] = ["cursors", "dead", "state"].map(count);
        writeln!(f, "{cursors} cursors, {dead} dead letters, {state} keys with a value")?;
        if self.torn_bytes > 0 {
            writeln!(f, "{} bytes of an unfinished transaction, which the next start cuts off", self.torn_bytes)?;
        }
        for damage in &self.damages {
            writeln!(f, "{damage}")?;
        }
        if self.more_damages > 0 {
            writeln!(f, "… and {} more", self.more_damages)?;
        }
        f.write_str(if self.is_sound() { "sound" } else { "damaged" })
    }
}

/// Checks the journal in a folder. Nobody may have it open. Takes about as long as to read it once.
///
/// # Errors
/// Where it cannot be looked at: [`OpenError::Locked`], [`OpenError::Format`], [`OpenError::NotAJournal`], errors of the
/// system. Damage is no error here but in the report.
pub fn verify(dir: &Path) -> Result<Report, OpenError> {
    let files = Files::new(dir);
    let lock = Lock::take_over(&files)?;
    refuse_half_repaired(&files)?;
    report(&files, &lock)
}

/// As [`verify`], under the lock.
pub(crate) fn report(files: &Files, lock: &Lock) -> Result<Report, OpenError> {
    let mut report = Report { dir: files.dir.clone(), ..Report::default() };
    let inspected = match inspect(files, lock.boot(), lock.sync()) {
        Ok(inspected) => inspected,
        Err(OpenError::Damaged(damage)) => {
            report.add(damage);
            return Ok(report);
        }
        Err(error) => return Err(error),
    };
    look_outside(files, &inspected, &mut report);
    match look_inside(files, &inspected.pages, &mut report) {
        Err(OpenError::Damaged(damage)) => report.add(damage),
        done => done?,
    }
    Ok(report)
}

fn look_outside(files: &Files, inspected: &Inspected, report: &mut Report) {
    if let Verdict::Torn { bytes, .. } = inspected.verdict {
        report.torn_bytes = bytes;
    }
    inspected.damage(files).into_iter().for_each(|damage| report.add(damage));
}

fn look_inside(files: &Files, pages: &Pages, report: &mut Report) -> Result<(), OpenError> {
    let conn = files.reader().map_err(refused("open", files, pages))?;
    for problem in structure(&conn).map_err(refused("check", files, pages))? {
        report.add(structure_damage(pages, &problem));
    }
    let mut look = Look { conn: &conn, pages, report };
    look.table("head", rows::HEAD, |row| rows::head(row).map(drop));
    look.events();
    look.table("cursors", rows::CURSORS, |row| rows::cursor(row).map(drop));
    look.table("settled", rows::SETTLED, |row| rows::settled(row).map(drop));
    look.table("retries", rows::RETRIES, |row| rows::retry(row).map(drop));
    look.table("state", rows::STATE, |row| rows::state(row).map(drop));
    look.table("dead", rows::DEAD, |row| rows::dead(row).map(drop));
    Ok(())
}

struct Look<'a> {
    conn: &'a Connection,
    pages: &'a Pages,
    report: &'a mut Report,
}

impl Look<'_> {
    fn table(&mut self, table: &'static str, sql: &str, parse: fn(&Row<'_>) -> Checked<()>) {
        self.rows(table, sql, parse, |()| Ok(()));
    }

    fn events(&mut self) {
        let head = self.conn.query_row("SELECT first FROM head", [], |row| row.get::<_, i64>(0));
        let mut next = head.ok().map(i64::cast_unsigned);
        let mut span = None;
        self.rows("events", rows::EVENTS, rows::event, |(seq, accepted_ns)| {
            let expected = next.replace(seq + 1).unwrap_or(seq);
            span = Some((span.map_or(seq, |(first, _)| first), seq));
            accepted_ns?;
            if seq == expected {
                Ok(())
            } else {
                Err(BadRow(format!("event {expected} is missing: event {seq} follows")))
            }
        });
        let empty = next.map_or((1, 0), |next| (next, next.saturating_sub(1)));
        (self.report.first, self.report.last) = span.unwrap_or(empty);
    }

    fn rows<T>(
        &mut self,
        table: &'static str,
        sql: &str,
        parse: fn(&Row<'_>) -> Checked<T>,
        mut follows: impl FnMut(T) -> Checked<()>,
    ) {
        let mut good = 0;
        let mut suspects = Vec::new();
        let done = each(self.conn, sql, parse, |place, row| match row.and_then(&mut follows) {
            Ok(()) => good += 1,
            Err(BadRow(what)) => suspects.push(Suspect { table, place: Some(place), what }),
        });
        suspects.extend(done.err().map(|error| table_damaged(table, &error)));
        self.report.rows.push((table, good));
        for suspect in suspects {
            // To find a page takes time, and beyond the list nobody reads where it is.
            if self.report.damages.len() < DAMAGES_MAX {
                self.report.add(locate(self.conn, self.pages, &suspect));
            } else {
                self.report.more_damages += 1;
            }
        }
    }
}
