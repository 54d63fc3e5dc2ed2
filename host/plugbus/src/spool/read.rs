//! Reading the spool piece by piece, with bounded memory.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

use super::size;

/// Bytes that are read at a time.
const PIECE_BYTES: usize = 64 << 10;

/// A line as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Raw {
    /// Without its newline.
    Line(Vec<u8>),
    /// Longer than any line may be: its first bytes.
    TooLong(Vec<u8>),
}

/// Some lines, and where the next begins.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Lines {
    /// Each with the place behind it.
    pub(super) lines: Vec<(Raw, u64)>,
    /// Bytes behind the last whole line: one that is being written, or was torn.
    pub(super) rest: Option<Raw>,
}

/// Reads whole lines from a place on, until there are so many of them or so many bytes.
pub(super) fn lines(file: &File, from: u64, count_max: usize, line_max: usize) -> io::Result<Lines> {
    let mut found = Lines::default();
    let mut line = Vec::new();
    let (mut at, mut bytes, mut piece) = (from, 0_usize, vec![0; PIECE_BYTES]);
    loop {
        let read = match file.read_at(&mut piece, at) {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let new = piece.get(..read).unwrap_or_default();
        if new.is_empty() {
            found.rest = (!line.is_empty()).then(|| bounded(line, line_max));
            return Ok(found);
        }
        for part in new.split_inclusive(|byte| *byte == b'\n') {
            at += size(part.len());
            // One byte over the bound is enough to know that it is over.
            let room = (line_max + 1).saturating_sub(line.len());
            let text = part.strip_suffix(b"\n").unwrap_or(part);
            line.extend_from_slice(text.get(..room).unwrap_or(text));
            if part.ends_with(b"\n") {
                bytes += line.len();
                found.lines.push((bounded(std::mem::take(&mut line), line_max), at));
                if found.lines.len() >= count_max || bytes >= line_max {
                    return Ok(found);
                }
            }
        }
    }
}

fn bounded(mut line: Vec<u8>, line_max: usize) -> Raw {
    if line.len() <= line_max {
        return Raw::Line(line);
    }
    line.truncate(line_max);
    Raw::TooLong(line)
}

/// How many lines there are up to a place.
pub(super) fn count_lines(file: &File, to: u64) -> io::Result<u64> {
    let (mut at, mut count, mut piece) = (0, 0, vec![0; PIECE_BYTES]);
    while at < to {
        let read = file.read_at(&mut piece, at)?;
        let new = piece.get(..read).unwrap_or_default();
        if new.is_empty() {
            break;
        }
        count += size(new.iter().filter(|byte| **byte == b'\n').count());
        at += size(read);
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(text: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        file
    }

    fn line(text: &str) -> Raw {
        Raw::Line(text.into())
    }

    #[test]
    fn whole_lines_are_found_with_their_places_and_the_rest_beside() {
        let file = file(b"one\n\ntwo\nthr");
        let all = lines(&file, 0, 9, 100).unwrap();
        assert_eq!(all.lines, [(line("one"), 4), (line(""), 5), (line("two"), 9)]);
        assert_eq!(all.rest, Some(line("thr")));
        assert_eq!(lines(&file, 5, 9, 100).unwrap().lines, [(line("two"), 9)]);
        let some = lines(&file, 0, 1, 100).unwrap();
        assert_eq!((some.lines, some.rest), (vec![(line("one"), 4)], None));
        assert_eq!(count_lines(&file, 12).unwrap(), 3);
    }

    #[test]
    fn a_line_over_the_bound_is_cut_and_the_next_one_found() {
        let long = "x".repeat(3 * PIECE_BYTES);
        let file = file(format!("{long}\nnext\n").as_bytes());
        let first = lines(&file, 0, 9, 10).unwrap();
        assert_eq!(first.lines, [(Raw::TooLong(b"xxxxxxxxxx".to_vec()), size(long.len()) + 1)]);
        assert_eq!(lines(&file, size(long.len()) + 1, 9, 10).unwrap().lines[0].0, line("next"));
    }
}
