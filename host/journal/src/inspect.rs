//! Looks at the files before SQLite does, which would take damage in the write-ahead log for its end and go on without what
//! lies behind it.

use std::fs::File;
use std::io::Read;

use crate::config::SyncMode;
use crate::error::{Damage, OpenError, io_error};
use crate::files::Files;
use crate::pages::{HEADER_BYTES, Header, Pages, bytes_of};
use crate::schema;
use crate::wal::{Boot, Verdict, Wal, judge};

/// What was found.
#[derive(Debug)]
pub(crate) struct Inspected {
    pub(crate) wal: Wal,
    pub(crate) verdict: Verdict,
    pub(crate) pages: Pages,
}

impl Inspected {
    /// What is wrong with the files, as far as it can be told from outside.
    pub(crate) fn damage(&self, files: &Files) -> Option<Damage> {
        match self.verdict {
            Verdict::Whole | Verdict::Torn { .. } => self.pages.missing(),
            Verdict::Damaged { frame: Some(frame) } => {
                let what = format!("frame {frame} of the log does not check out, and good ones follow it");
                Some(Damage { path: files.wal(), offset: self.wal.offset(frame), what })
            }
            Verdict::Damaged { frame: None } => {
                let what = "the header of the log does not check out, and good frames follow it".into();
                Some(Damage { path: files.wal(), offset: 0, what })
            }
        }
    }
}

/// Looks at the files of a journal. What is wrong with their content is in the result; an error means that they cannot be
/// looked at.
pub(crate) fn inspect(files: &Files, boot: Boot, sync: SyncMode) -> Result<Inspected, OpenError> {
    let (database, log) = (files.database(), files.wal());
    let Some(database_bytes) = bytes_of(&database).map_err(io_error("look at", &database))? else {
        let no_log = bytes_of(&log).map_err(io_error("look at", &log))?.is_none_or(|bytes| bytes == 0);
        if no_log {
            return Err(io_error("find", &database)(std::io::ErrorKind::NotFound.into()));
        }
        let what = "the database beside it is gone".into();
        return Err(OpenError::Damaged(Damage { path: log, offset: 0, what }));
    };
    let header = header(files, database_bytes)?;
    let wal = Wal::read(&log).map_err(io_error("read", &log))?;
    let verdict = judge(&wal, boot, sync);
    let pages = Pages::new(files, header, database_bytes, &wal);
    Ok(Inspected { wal, verdict, pages })
}

fn header(files: &Files, database_bytes: u64) -> Result<Header, OpenError> {
    let path = files.database();
    let mut bytes = [0; HEADER_BYTES];
    if database_bytes < bytes.len() as u64 {
        let what = format!("it has {database_bytes} bytes, less than the header of a database");
        return Err(OpenError::Damaged(Damage { path, offset: database_bytes, what }));
    }
    File::open(&path).and_then(|mut file| file.read_exact(&mut bytes)).map_err(io_error("read", &path))?;
    let Some(header) = Header::parse(&bytes) else {
        return Err(OpenError::NotAJournal { path, what: "it does not begin as a SQLite database does".into() });
    };
    if header.application_id != schema::APPLICATION_ID {
        let what = format!("its application id is {:#010x}", header.application_id);
        return Err(OpenError::NotAJournal { path, what });
    }
    if header.user_version != schema::VERSION {
        return Err(OpenError::Format { path, found: header.user_version, known: schema::VERSION });
    }
    Ok(header)
}
