//! The database as pages, each where it lies last: in the write-ahead log or in the database's own file. For checks before
//! SQLite sees the files, and to say where damage is.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::error::Damage;
use crate::files::Files;
use crate::wal::{FRAME_HEADER_BYTES, Wal};

/// What a database says of itself in its first 100 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) page_bytes: u32,
    /// Pages it has; none where an older SQLite wrote it last.
    pub(crate) pages: Option<u32>,
    pub(crate) user_version: i32,
    pub(crate) application_id: i32,
}

pub(crate) const HEADER_BYTES: usize = 100;

impl Header {
    /// Reads a header; none where it is not one of SQLite's.
    pub(crate) fn parse(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let word = |at: usize| bytes.get(at..)?.first_chunk::<4>().map(|word| u32::from_be_bytes(*word));
        let [high, low] = *bytes.get(16..)?.first_chunk::<2>()?;
        let page_bytes = match u16::from_be_bytes([high, low]) {
            1 => 65_536,
            bytes => u32::from(bytes),
        };
        let fits = bytes.starts_with(b"SQLite format 3\0") && page_bytes.is_power_of_two() && page_bytes >= 512;
        let pages = word(28)?;
        fits.then_some(Self {
            page_bytes,
            pages: (word(24)? == word(92)? && pages > 0).then_some(pages),
            user_version: word(60)?.cast_signed(),
            application_id: word(68)?.cast_signed(),
        })
    }
}

/// A database with its log.
#[derive(Debug)]
pub(crate) struct Pages {
    files: Files,
    page_bytes: u64,
    pub(crate) count: u32,
    database_bytes: u64,
    /// Where in the log the pages begin that lie there.
    in_log: HashMap<u32, u64>,
}

impl Pages {
    /// The pages of a database whose header and log were read.
    pub(crate) fn new(files: &Files, header: Header, database_bytes: u64, wal: &Wal) -> Self {
        let page_bytes = u64::from(header.page_bytes);
        let in_file = u32::try_from(database_bytes / page_bytes).unwrap_or(u32::MAX);
        let count = if wal.committed > 0 { wal.pages } else { header.pages.unwrap_or(in_file) };
        let in_log = wal.latest.iter().map(|(page, frame)| (*page, wal.offset(*frame) + FRAME_HEADER_BYTES)).collect();
        Self { files: files.clone(), page_bytes, count, database_bytes, in_log }
    }

    /// The file in which a page lies last, and where it begins there.
    pub(crate) fn place(&self, page: u32) -> (PathBuf, u64) {
        match self.in_log.get(&page) {
            Some(offset) => (self.files.wal(), *offset),
            None => (self.files.database(), u64::from(page.saturating_sub(1)) * self.page_bytes),
        }
    }

    /// Damage in a page.
    pub(crate) fn damage(&self, page: u32, what: String) -> Damage {
        let (path, offset) = self.place(page);
        Damage { path, offset, what }
    }

    /// The first page that lies nowhere: the file was cut off.
    pub(crate) fn missing(&self) -> Option<Damage> {
        let whole = u32::try_from(self.database_bytes / self.page_bytes).unwrap_or(u32::MAX);
        let missing = (whole + 1..=self.count).find(|page| !self.in_log.contains_key(page))?;
        let what = format!("it ends within page {missing} of {}", self.count);
        Some(Damage { path: self.files.database(), offset: self.database_bytes, what })
    }

    fn read(&self, page: u32) -> io::Result<Vec<u8>> {
        let (path, offset) = self.place(page);
        let mut file = File::open(&path)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = vec![0; usize::try_from(self.page_bytes).unwrap_or_default()];
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// The page in which a row lies, by its place in the order of its table's key. None where the way there is damaged.
    pub(crate) fn of_row(&self, root: u32, place: u64) -> Option<u32> {
        let mut walk = Walk { pages: self, rows_before: place, steps_left: u64::from(self.count) * 2 };
        walk.descend(root, 0)
    }
}

/// Most levels in a tree of SQLite's.
const DEPTH_MAX: u32 = 20;

/// Goes through a tree in the order of its keys.
struct Walk<'a> {
    pages: &'a Pages,
    rows_before: u64,
    /// What is left before it must be going in circles.
    steps_left: u64,
}

impl Walk<'_> {
    fn descend(&mut self, page: u32, depth: u32) -> Option<u32> {
        self.steps_left = self.steps_left.checked_sub(1)?;
        if page == 0 || page > self.pages.count || depth > DEPTH_MAX {
            return None;
        }
        let node = Node::parse(&self.pages.read(page).ok()?, page)?;
        for (child, place) in node.children.iter().zip(0..) {
            if let found @ Some(_) = self.descend(*child, depth + 1) {
                return found;
            }
            if place < node.rows && self.pass(1) {
                return Some(page);
            }
        }
        (node.children.is_empty() && self.pass(node.rows)).then_some(page)
    }

    /// Goes past some rows; says whether the one that is looked for was among them.
    fn pass(&mut self, rows: u64) -> bool {
        match self.rows_before.checked_sub(rows) {
            Some(left) => {
                self.rows_before = left;
                false
            }
            None => true,
        }
    }
}

/// A page of a tree.
struct Node {
    /// Rows in it: in the inner pages of an index one between two children.
    rows: u64,
    children: Vec<u32>,
}

impl Node {
    fn parse(bytes: &[u8], page: u32) -> Option<Self> {
        let begin = if page == 1 { HEADER_BYTES } else { 0 };
        let head = bytes.get(begin..)?;
        let kind = *head.first()?;
        let cells = u16::from_be_bytes(*head.get(3..)?.first_chunk()?);
        let inner = matches!(kind, 2 | 5);
        if !inner && !matches!(kind, 10 | 13) {
            return None;
        }
        let mut children = Vec::new();
        if inner {
            for cell in 0..usize::from(cells) {
                let pointer = u16::from_be_bytes(*head.get(12 + 2 * cell..)?.first_chunk()?);
                children.push(u32::from_be_bytes(*bytes.get(usize::from(pointer)..)?.first_chunk()?));
            }
            children.push(u32::from_be_bytes(*head.get(8..)?.first_chunk()?));
        }
        Some(Self { rows: if kind == 5 { 0 } else { cells.into() }, children })
    }
}

/// Bytes of a file, or none where there is no such file.
pub(crate) fn bytes_of(path: &Path) -> io::Result<Option<u64>> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    /// For each row of a table, the page that really holds it: where its text lies in the file.
    #[test]
    fn rows_are_found_where_they_lie() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::new(dir.path());
        let conn = Connection::open(files.database()).unwrap();
        conn.execute_batch(
            "PRAGMA page_size = 4096;
             CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT);
             CREATE TABLE w (x TEXT PRIMARY KEY) WITHOUT ROWID;
             BEGIN;",
        )
        .unwrap();
        for number in 0..3000 {
            conn.execute("INSERT INTO t (x) VALUES (?)", [format!("row <{number:05}> {}", "x".repeat(300))]).unwrap();
            conn.execute("INSERT INTO w VALUES (?)", [format!("key <{number:05}> {}", "y".repeat(300))]).unwrap();
        }
        conn.execute_batch("COMMIT").unwrap();
        let bytes = std::fs::read(files.database()).unwrap();
        let header = Header::parse(bytes.first_chunk().unwrap()).unwrap();
        let pages = Pages::new(&files, header, bytes.len() as u64, &Wal::default());
        assert_eq!(pages.missing(), None);
        for (table, word) in [("t", "row"), ("w", "key")] {
            let root: u32 =
                conn.query_row("SELECT rootpage FROM sqlite_schema WHERE name = ?", [table], |row| row.get(0)).unwrap();
            for number in [0, 1, 500, 1234, 2999] {
                let text = format!("{word} <{number:05}>");
                let page = pages.of_row(root, number).unwrap();
                let lies_in = pages.read(page).unwrap();
                assert!(lies_in.windows(text.len()).any(|window| window == text.as_bytes()), "{text}");
            }
            assert_eq!(pages.of_row(root, 3000), None);
        }
    }

    #[test]
    fn a_file_that_was_cut_off_lacks_a_page() {
        let header = Header { page_bytes: 512, pages: Some(4), user_version: 1, application_id: 1 };
        let files = Files::new(Path::new("d"));
        let missing = |bytes, wal: &Wal| Pages::new(&files, header, bytes, wal).missing().map(|damage| damage.what);
        assert_eq!(missing(2048, &Wal::default()), None);
        assert_eq!(missing(2047, &Wal::default()), Some("it ends within page 4 of 4".into()));
        let latest = [(4, 0)].into();
        let wal =
            Wal { header_holds: true, page_bytes: 512, good: 1, committed: 1, pages: 5, latest, ..Wal::default() };
        assert_eq!(missing(2000, &wal), Some("it ends within page 5 of 5".into()));
        assert_eq!(missing(2000, &Wal { pages: 4, ..wal }), None);
    }

    #[test]
    fn what_is_no_header_is_not_taken_for_one() {
        assert_eq!(Header::parse(&[0; 100]), None);
        let mut bytes = [0; 100];
        bytes[..16].copy_from_slice(b"SQLite format 3\0");
        assert_eq!(Header::parse(&bytes), None);
    }
}
