//! One database out of a damaged one and its log: each page as it was last written, damaged or not. What is in it is
//! checked row by row later.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use rusqlite::{Connection, OpenFlags};

use crate::error::{OpenError, io_error, storage_error};
use crate::files::Files;
use crate::lock::Lock;
use crate::pages::{HEADER_BYTES, Header, bytes_of};
use crate::schema::{self, PAGE_BYTES};
use crate::wal::{FRAME_HEADER_BYTES, Verdict, Wal, judge};

/// Makes the database, beside the copies it is made of. Its first page, which holds the schema, is that of a new journal:
/// the schema is always the same.
pub(super) fn compose(copies: &Files, lock: &Lock) -> Result<PathBuf, OpenError> {
    let (database, log) = (copies.database(), copies.wal());
    let work = copies.dir.join("work.db");
    check_kind(copies)?;
    fs::copy(&database, &work).map_err(io_error("copy", &database))?;
    let wal = Wal::read(&log).map_err(io_error("read", &log))?;
    let pages =
        put_pages(copies, &wal, judge(&wal, lock.boot(), lock.sync()), &work).map_err(io_error("write", &work))?;
    let first = first_page(copies, pages)?;
    let put = OpenOptions::new().write(true).open(&work).and_then(|mut file| file.write_all(&first));
    put.map_err(io_error("write", &work))?;
    Ok(work)
}

/// Refuses what was never a journal, or is one of another format.
fn check_kind(copies: &Files) -> Result<(), OpenError> {
    let path = copies.database();
    let mut bytes = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(HEADER_BYTES as u64).read_to_end(&mut bytes));
    read.map_err(io_error("read", &path))?;
    let application_id = bytes.get(68..72).is_some_and(|id| id == schema::APPLICATION_ID.to_be_bytes());
    match bytes.first_chunk().and_then(Header::parse) {
        Some(header) if application_id && header.user_version != schema::VERSION => {
            Err(OpenError::Format { path, found: header.user_version, known: schema::VERSION })
        }
        None if !application_id => {
            Err(OpenError::NotAJournal { path, what: "nothing in its header says that it was one".into() })
        }
        _ => Ok(()),
    }
}

/// Puts the pages of the log into the database. Says how many pages it has then.
fn put_pages(copies: &Files, wal: &Wal, verdict: Verdict, work: &PathBuf) -> io::Result<u32> {
    // The pages with which the tables begin must be there, or SQLite reads none of them.
    let in_file = bytes_of(work)?.unwrap_or(0).div_ceil(PAGE_BYTES.into()).max(schema::PAGES_MIN);
    let mut pages = if wal.committed > 0 { wal.pages } else { u32::try_from(in_file).unwrap_or(u32::MAX) };
    let mut latest = wal.latest.clone();
    if matches!(verdict, Verdict::Damaged { .. }) {
        latest.extend(&wal.behind.latest);
        pages = wal.behind.pages;
    }
    let mut file = OpenOptions::new().write(true).open(work)?;
    file.set_len(u64::from(pages) * u64::from(PAGE_BYTES))?;
    if latest.is_empty() || wal.page_bytes != PAGE_BYTES {
        return Ok(pages);
    }
    let mut log = File::open(copies.wal())?;
    let mut bytes = vec![0; PAGE_BYTES as usize];
    for (page, frame) in latest.into_iter().filter(|(page, _)| (1..=pages).contains(page)) {
        log.seek(SeekFrom::Start(wal.offset(frame) + FRAME_HEADER_BYTES))?;
        log.read_exact(&mut bytes)?;
        file.seek(SeekFrom::Start(u64::from(page - 1) * u64::from(PAGE_BYTES)))?;
        file.write_all(&bytes)?;
    }
    Ok(pages)
}

/// The first page of a new journal, with another number of pages and nothing free.
fn first_page(copies: &Files, pages: u32) -> Result<Vec<u8>, OpenError> {
    let path = copies.dir.join("first.db");
    let failed = |error| storage_error("make", &path)(error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let conn = Connection::open_with_flags(&path, flags).map_err(failed)?;
    schema::create(&conn).map_err(failed)?;
    conn.close().map_err(|(_, error)| failed(error))?;
    let mut bytes = fs::read(&path).map_err(io_error("read", &path))?;
    fs::remove_file(&path).map_err(io_error("remove", &path))?;
    bytes.truncate(PAGE_BYTES as usize);
    for (at, word) in [(28, pages), (32, 0), (36, 0)] {
        if let Some(place) = bytes.get_mut(at..at + 4) {
            place.copy_from_slice(&word.to_be_bytes());
        }
    }
    Ok(bytes)
}
