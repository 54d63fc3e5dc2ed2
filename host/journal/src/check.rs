//! Checks the whole content of a journal when it is opened: the structure of the database by SQLite's own means and every
//! row by its checksum, side by side, each over a connection of its own.

use std::thread;

use plugbus_bus::journal::Recovered;
use rusqlite::Connection;

use crate::config::JournalConfig;
use crate::error::{Damage, OpenError, storage_error};
use crate::files::Files;
use crate::ledger::Ledger;
use crate::load::{LoadError, Suspect, load};
use crate::pages::Pages;

/// Problems of the structure that are listed before SQLite gives up.
const PROBLEMS_MAX: u32 = 20;

/// Names a database that SQLite refuses: as damaged where its first page, the one with the schema, makes no sense to it.
pub(crate) fn refused(doing: &'static str, files: &Files, pages: &Pages) -> impl Fn(rusqlite::Error) -> OpenError {
    move |error| {
        if is_corrupt(&error) {
            OpenError::Damaged(pages.damage(1, error.to_string()))
        } else {
            storage_error(doing, &files.database())(error)
        }
    }
}

/// Loads a journal, if all that is in it checks out.
pub(crate) fn load_checked(
    files: &Files,
    conn: &Connection,
    pages: &Pages,
    config: &JournalConfig,
) -> Result<(Ledger, Recovered), OpenError> {
    let second = files.reader().map_err(refused("open", files, pages))?;
    let (structure, loaded) = thread::scope(|scope| {
        let structure = scope.spawn(move || structure(&second));
        let loaded = load(conn, config);
        // It does not panic; if it did, the rows were still read.
        (structure.join().unwrap_or_else(|_| Ok(Vec::new())), loaded)
    });
    let broken = structure.map_err(refused("check", files, pages))?;
    match (loaded, broken.first()) {
        (Err(LoadError::Suspect(suspect @ Suspect { place: Some(_), .. })), _) => {
            Err(OpenError::Damaged(locate(conn, pages, &suspect)))
        }
        (_, Some(problem)) => Err(OpenError::Damaged(structure_damage(pages, problem))),
        (Err(LoadError::Suspect(suspect)), None) => Err(OpenError::Damaged(locate(conn, pages, &suspect))),
        (Err(LoadError::Storage(error)), None) => Err(refused("read", files, pages)(error)),
        (Ok(loaded), None) => Ok(loaded),
    }
}

/// What SQLite finds wrong with its structures; nothing where they are whole.
pub(crate) fn structure(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let checked = conn.prepare(&format!("PRAGMA quick_check({PROBLEMS_MAX})")).and_then(|mut statement| {
        statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()
    });
    match checked {
        Ok(rows) if rows == ["ok"] => Ok(Vec::new()),
        Ok(rows) => Ok(rows
            .iter()
            .flat_map(|row| row.lines())
            .filter(|line| !line.starts_with("***"))
            .map(str::to_owned)
            .collect()),
        Err(error) if is_corrupt(&error) => Ok(vec![error.to_string()]),
        Err(error) => Err(error),
    }
}

fn is_corrupt(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

/// A table that SQLite cannot read to its end.
pub(crate) fn table_damaged(table: &'static str, error: &rusqlite::Error) -> Suspect {
    Suspect { table, place: None, what: error.to_string() }
}

/// Where a problem of the structure is: SQLite names the page, as a rule.
pub(crate) fn structure_damage(pages: &Pages, problem: &str) -> Damage {
    pages.damage(page_named(problem).unwrap_or(1), problem.to_owned())
}

fn page_named(problem: &str) -> Option<u32> {
    let (_, behind) = problem.split_once("page ").or_else(|| problem.split_once("Page "))?;
    behind.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Where a row lies that does not check out: its page, or that with which its table begins.
pub(crate) fn locate(conn: &Connection, pages: &Pages, suspect: &Suspect) -> Damage {
    let root = conn.query_row("SELECT rootpage FROM sqlite_schema WHERE name = ?", [suspect.table], |row| row.get(0));
    let root: u32 = root.unwrap_or(1);
    let page = suspect.place.and_then(|place| pages.of_row(root, place)).unwrap_or(root);
    let what = match suspect.place {
        Some(place) => format!("row {} of `{}`: {}", place + 1, suspect.table, suspect.what),
        None => format!("table `{}`: {}", suspect.table, suspect.what),
    };
    pages.damage(page, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_read_out_of_what_sqlite_says() {
        for (problem, page) in [
            ("Tree 3 page 57 cell 2: Rowid 9 out of order", Some(57)),
            ("Page 12: never used", Some(12)),
            ("database disk image is malformed", None),
            ("page x", None),
        ] {
            assert_eq!(page_named(problem), page, "{problem}");
        }
    }
}
