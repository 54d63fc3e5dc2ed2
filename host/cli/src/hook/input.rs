//! What a hook gets on its standard input, within bounds of time and size.

use std::io::{self, Stdin};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::de::IgnoredAny;

/// Bytes that are read at a time: what a pipe holds.
const PIECE_BYTES: usize = 64 << 10;
/// Silence after which what came is looked at: an agent that hands over its JSON and leaves the pipe open is not waited for.
const SILENCE: Duration = Duration::from_millis(10);
/// How long the rest of too much input is read and thrown away, so that the agent's writing does not fail.
const DRAIN: Duration = Duration::from_millis(10);

/// Why there is no input.
#[derive(Debug, thiserror::Error)]
pub(super) enum InputError {
    #[error("the input has more than {bytes_max} bytes (`events.data_bytes_max`)")]
    TooBig { bytes_max: u64 },
    #[error("the input did not end within {} ms", after.as_millis())]
    Late { after: Duration },
    #[error("cannot read the standard input")]
    Read(#[from] io::Error),
}

/// Reads to the end, or to the end of a JSON value that is followed by silence.
pub(super) fn read(stdin: &Stdin, bytes_max: u64, patience: Duration) -> Result<Vec<u8>, InputError> {
    let until = Instant::now() + patience;
    let mut all = Vec::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(InputError::Late { after: patience });
        }
        let wait = if all.is_empty() { left } else { left.min(SILENCE) };
        if !is_ready(stdin, wait)? {
            if is_json(&all) {
                return Ok(all);
            }
            continue;
        }
        let read = some(stdin, &mut piece)?;
        if read == 0 {
            return Ok(all);
        }
        all.extend_from_slice(piece.get(..read).unwrap_or_default());
        if u64::try_from(all.len()).is_ok_and(|bytes| bytes > bytes_max) {
            drain(stdin, &mut piece)?;
            return Err(InputError::TooBig { bytes_max });
        }
    }
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

fn drain(stdin: &Stdin, piece: &mut [u8]) -> io::Result<()> {
    let until = Instant::now() + DRAIN;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || !is_ready(stdin, left)? || some(stdin, piece)? == 0 {
            return Ok(());
        }
    }
}

/// Whether there is something to read, or the end, within a time.
fn is_ready(stdin: &Stdin, wait: Duration) -> io::Result<bool> {
    let wait = Timespec::try_from(wait).map_err(io::Error::other)?;
    match poll(&mut [PollFd::new(stdin, PollFlags::IN)], Some(&wait)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Reads past the buffer of the standard library, which `poll` cannot see into.
fn some(stdin: &Stdin, piece: &mut [u8]) -> io::Result<usize> {
    loop {
        match rustix::io::read(stdin, &mut *piece) {
            Ok(read) => return Ok(read),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
