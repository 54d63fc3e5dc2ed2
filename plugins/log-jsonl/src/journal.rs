//! A file of lines, every one of them whole.
//!
//! What stops in the middle of a line (a crash, a full disk) leaves a part of one behind. The file is mended each time it
//! is opened, and opened again after every error, so the next line always begins at the start of one. It is opened for the
//! first event, not before: until then an older generation of the plugin may still be writing to it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use plugbus_sdk::prelude::*;
use serde::de::IgnoredAny;

/// Most bytes at the end of a file that are searched for the start of its last line. A line of this plugin is shorter: the
/// data of an event has at most 1 MiB, which base64 or escapes make at most 6.
const TAIL_BYTES_MAX: u64 = 8 << 20;
/// Bytes read at a time when a file is mended.
const BLOCK_BYTES: u64 = 8 << 10;

/// When a file is put aside, and how many such files are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rotation {
    pub(crate) bytes: u64,
    pub(crate) keep_files: u32,
}

/// Appends lines to a file.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    rotation: Rotation,
    sync: bool,
    open: Option<Open>,
}

/// The file, and how long it is.
#[derive(Debug)]
struct Open {
    file: File,
    bytes: u64,
}

/// What could not be done, to which file. The cause is I/O, so through `?` the event is retried.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} `{}`", path.display())]
pub(crate) struct JournalError {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl Journal {
    pub(crate) fn new(path: PathBuf, rotation: Rotation, sync: bool) -> Self {
        Self { path, rotation, sync, open: None }
    }

    /// Appends a line, which ends with a line break. When this returns the operating system has it, and with `sync` the disk.
    pub(crate) fn append(&mut self, line: &str) -> Result<(), JournalError> {
        // Whatever fails, the file is opened and mended anew for the next line.
        let mut open = match self.open.take() {
            Some(open) if self.is_still(&open) => open,
            _ => self.open_mended()?,
        };
        let line_bytes = line.len() as u64;
        if open.bytes > 0 && open.bytes.saturating_add(line_bytes) > self.rotation.bytes {
            drop(open);
            self.rotate()?;
            open = self.open_mended()?;
        }
        let sync = self.sync;
        let written = open.file.write_all(line.as_bytes()).and_then(|()| open.file.flush());
        written
            .and_then(|()| if sync { open.file.sync_data() } else { Ok(()) })
            .map_err(|source| self.error("write to", &self.path, source))?;
        open.bytes = open.bytes.saturating_add(line_bytes);
        self.open = Some(open);
        Ok(())
    }

    /// Whether the open file is the one at the path, as long as it was left. It is not where somebody moved or removed it:
    /// then lines would go where nobody reads them.
    fn is_still(&self, open: &Open) -> bool {
        fs::metadata(&self.path).is_ok_and(|found| found.len() == open.bytes)
    }

    fn open_mended(&self) -> Result<Open, JournalError> {
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&self.path);
        let mut file = opened.map_err(|source| self.error("open", &self.path, source))?;
        let bytes = mend(&mut file).map_err(|source| self.error("mend", &self.path, source))?;
        Ok(Open { file, bytes })
    }

    /// Puts the file aside as `<name>.1`, `.1` as `.2`, and so on; the oldest goes.
    fn rotate(&self) -> Result<(), JournalError> {
        if self.rotation.keep_files == 0 {
            return fs::remove_file(&self.path).map_err(|source| self.error("remove", &self.path, source));
        }
        for number in (0..self.rotation.keep_files).rev() {
            let (from, to) = (self.aside(number), self.aside(number + 1));
            match fs::rename(&from, &to) {
                Ok(()) => {}
                // There are fewer files than may be kept.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(self.error("rename", &from, source)),
            }
        }
        log::info!("rotated {}", self.path.display());
        Ok(())
    }

    /// The name of a file put aside; 0 is the file itself.
    fn aside(&self, number: u32) -> PathBuf {
        if number == 0 {
            return self.path.clone();
        }
        let mut name = OsString::from(&self.path);
        name.push(format!(".{number}"));
        name.into()
    }

    fn error(&self, doing: &'static str, path: &Path, source: io::Error) -> JournalError {
        JournalError { doing, path: path.to_owned(), source }
    }
}

/// Makes the file end with a whole line, goes to its end, and returns its length.
///
/// A last line without its line break gets one where it is whole JSON, and is cut off where it is not: its event was never
/// acked, so it comes again.
fn mend(file: &mut File) -> io::Result<u64> {
    let bytes = file.seek(SeekFrom::End(0))?;
    let tail = last_line(file, bytes)?;
    let Some(tail) = tail else {
        // No line of this plugin is so long: the file is somebody else's, so nothing of it is cut off.
        log::warn!("the file ends with a line over {TAIL_BYTES_MAX} bytes; it is ended where it stands");
        return end_line(file, bytes);
    };
    if tail.is_empty() {
        file.seek(SeekFrom::Start(bytes))?;
        return Ok(bytes);
    }
    if serde_json::from_slice::<IgnoredAny>(&tail).is_ok() {
        return end_line(file, bytes);
    }
    let whole = bytes.saturating_sub(tail.len() as u64);
    log::warn!("cut off {} bytes of a line that was never finished", tail.len());
    file.set_len(whole)?;
    file.seek(SeekFrom::Start(whole))
}

fn end_line(file: &mut File, bytes: u64) -> io::Result<u64> {
    file.seek(SeekFrom::Start(bytes))?;
    file.write_all(b"\n")?;
    Ok(bytes + 1)
}

/// The bytes after the last line break, or `None` where there are more than [`TAIL_BYTES_MAX`].
fn last_line(file: &mut File, bytes: u64) -> io::Result<Option<Vec<u8>>> {
    let mut tail = Vec::new();
    let mut start = bytes;
    while start > 0 {
        if tail.len() as u64 >= TAIL_BYTES_MAX {
            return Ok(None);
        }
        let length = start.min(BLOCK_BYTES);
        start -= length;
        file.seek(SeekFrom::Start(start))?;
        let mut block = Vec::new();
        Read::take(&mut *file, length).read_to_end(&mut block)?;
        let line_break = block.iter().rposition(|&byte| byte == b'\n');
        let block = block.split_off(line_break.map_or(0, |position| position + 1));
        // Blocks come last first, each turned round; one turn at the end puts all in order without moving them each time.
        tail.extend(block.into_iter().rev());
        if line_break.is_some() {
            break;
        }
    }
    tail.reverse();
    Ok(Some(tail))
}
