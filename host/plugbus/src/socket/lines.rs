//! Reads newline-delimited lines from a peer that may be slow, endless or broken.
//!
//! What bounds it: one line has at most `bytes_max` bytes, counted before its newline, and once its first byte has come
//! the rest must follow within `line_timeout`. The buffer never holds more than one line and one read; after a large line
//! it is given back. Nobody but the peer waits.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout_at};

/// Bytes that one read asks for.
const READ_BYTES: usize = 16 * 1024;
/// A buffer that grew beyond this is replaced once its line is done with.
const KEEP_BYTES: usize = 128 * 1024;

/// What [`Lines::next`] found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A whole line; [`Lines::current`] is its text without the newline.
    Complete,
    /// The peer closed between two lines.
    End,
    /// The peer closed in the middle of a line with that many bytes.
    Half(usize),
    /// The line is longer than allowed.
    TooLong,
    /// The line was begun and not finished in time.
    Stalled,
    /// No line was begun for too long.
    Idle,
    /// The very first byte is one that HTTP begins with, and no line of ours. Nothing is taken: [`Lines::into_parts`].
    Http,
}

/// The reading half of a connection.
#[derive(Debug)]
pub(super) struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    /// Where the line begins that is handed out or looked for. What is before it is done with; it is moved out of the way
    /// only when more is read, so that many lines in one read are not moved again and again.
    start: usize,
    /// Bytes of the line handed out last, with its newline; they go at the next call.
    taken: usize,
    /// Bytes from `start` on that are known to hold no newline.
    scanned: usize,
    bytes_max: usize,
    line_timeout: Duration,
    idle_timeout: Duration,
    /// Whether nothing was read yet.
    fresh: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(reader: R, bytes_max: usize, line_timeout: Duration, idle_timeout: Duration) -> Self {
        Self {
            reader,
            buffer: Vec::new(),
            start: 0,
            taken: 0,
            scanned: 0,
            bytes_max,
            line_timeout,
            idle_timeout,
            fresh: true,
        }
    }

    /// The line that [`Self::next`] completed.
    pub(super) fn current(&self) -> &[u8] {
        self.waiting().get(..self.taken.saturating_sub(1)).unwrap_or_default()
    }

    /// What was read and the rest that can be.
    pub(super) fn into_parts(self) -> (Vec<u8>, R) {
        (self.buffer, self.reader)
    }

    /// Whether a whole line waits in the buffer, so that answering can be put off until it is done as well.
    pub(super) fn has_another(&self) -> bool {
        self.waiting().get(self.taken..).is_some_and(|rest| rest.contains(&b'\n'))
    }

    /// Reads up to the end of the next line.
    ///
    /// Cancel-safe: a call that is dropped loses no bytes.
    ///
    /// # Errors
    /// What the socket says.
    pub(super) async fn next(&mut self) -> std::io::Result<Line> {
        self.forget_taken();
        let mut deadline =
            Instant::now() + if self.waiting().is_empty() { self.idle_timeout } else { self.line_timeout };
        loop {
            if self.fresh
                && let Some(first) = self.buffer.first()
            {
                self.fresh = false;
                if first.is_ascii_uppercase() {
                    return Ok(Line::Http);
                }
            }
            if let Some(found) = self.find_line() {
                return Ok(found);
            }
            self.make_room();
            let was_empty = self.buffer.is_empty();
            let Ok(read) = timeout_at(deadline, self.reader.read_buf(&mut self.buffer)).await else {
                return Ok(if was_empty { Line::Idle } else { Line::Stalled });
            };
            match read? {
                0 if was_empty => return Ok(Line::End),
                0 => return Ok(Line::Half(self.buffer.len())),
                _ if was_empty => deadline = Instant::now() + self.line_timeout,
                _ => {}
            }
        }
    }

    /// Resolves when the peer sends anything more or closes. For a connection that should stay silent.
    pub(super) async fn disturbed(&mut self) -> Disturbance {
        self.forget_taken();
        if !self.waiting().is_empty() {
            return Disturbance::Bytes;
        }
        self.make_room();
        match self.reader.read_buf(&mut self.buffer).await {
            Ok(0) | Err(_) => Disturbance::Closed,
            Ok(_) => Disturbance::Bytes,
        }
    }

    /// What has been read and not handed out, and the line that is handed out now.
    fn waiting(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    fn forget_taken(&mut self) {
        self.start += self.taken;
        self.taken = 0;
        self.scanned = 0;
    }

    /// Makes room for one more read; called only when no whole line waits.
    fn make_room(&mut self) {
        self.buffer.drain(..self.start.min(self.buffer.len()));
        self.start = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > KEEP_BYTES {
            self.buffer = Vec::new();
        }
        self.buffer.reserve(READ_BYTES);
    }

    fn find_line(&mut self) -> Option<Line> {
        let waiting = self.waiting();
        let found = waiting.get(self.scanned..).and_then(|fresh| fresh.iter().position(|byte| *byte == b'\n'));
        match found {
            Some(at) if self.scanned + at <= self.bytes_max => {
                self.taken = self.scanned + at + 1;
                Some(Line::Complete)
            }
            None if waiting.len() <= self.bytes_max => {
                self.scanned = waiting.len();
                None
            }
            _ => Some(Line::TooLong),
        }
    }
}

/// What a silent connection did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Disturbance {
    /// It sent something.
    Bytes,
    /// It closed, or its sending half.
    Closed,
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    fn lines<R: AsyncRead + Unpin>(reader: R) -> Lines<R> {
        Lines::new(reader, 8, Duration::from_secs(1), Duration::from_secs(60))
    }

    #[tokio::test]
    async fn lines_come_one_by_one_in_whatever_pieces_they_arrive() {
        let mut lines = lines(tokio_test_reader(&[b"a\nbb", b"b\n", b"\n12345678\n"]));
        for expected in ["a", "bbb", "", "12345678"] {
            assert_eq!(lines.next().await.unwrap(), Line::Complete);
            assert_eq!(lines.current(), expected.as_bytes());
        }
        assert_eq!(lines.next().await.unwrap(), Line::End);
    }

    #[tokio::test]
    async fn a_line_over_the_limit_is_found_before_its_end() {
        let mut whole = lines(tokio_test_reader(&[b"123456789\n"]));
        assert_eq!(whole.next().await.unwrap(), Line::TooLong);
        let mut endless = lines(tokio_test_reader(&[b"123456789"]));
        assert_eq!(endless.next().await.unwrap(), Line::TooLong);
    }

    #[tokio::test]
    async fn a_half_line_at_the_end_is_told_apart() {
        let mut lines = lines(tokio_test_reader(&[b"a\n{\"pi"]));
        assert_eq!(lines.next().await.unwrap(), Line::Complete);
        assert_eq!(lines.next().await.unwrap(), Line::Half(4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_begun_line_must_be_finished_in_time_and_silence_has_its_own_limit() {
        let (mut peer, host) = tokio::io::duplex(64);
        let mut lines = lines(host);
        let start = Instant::now();
        assert_eq!(lines.next().await.unwrap(), Line::Idle);
        assert_eq!(start.elapsed(), Duration::from_secs(60));
        peer.write_all(b"half").await.unwrap();
        let start = Instant::now();
        assert_eq!(lines.next().await.unwrap(), Line::Stalled);
        assert_eq!(start.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test]
    async fn the_buffer_of_a_large_line_is_given_back() {
        let big = vec![b'x'; KEEP_BYTES * 2];
        let mut reader = big.clone();
        reader.extend_from_slice(b"\n");
        let mut lines = Lines::new(&reader[..], big.len(), Duration::from_secs(1), Duration::from_secs(1));
        assert_eq!(lines.next().await.unwrap(), Line::Complete);
        assert!(lines.buffer.capacity() > KEEP_BYTES);
        assert_eq!(lines.next().await.unwrap(), Line::End);
        assert!(lines.buffer.capacity() <= KEEP_BYTES);
    }

    #[tokio::test]
    async fn lines_are_the_same_however_they_are_cut() {
        let text = b"a\nbb\n\nccc\n1234567\n12345678\nx\n".repeat(50);
        let whole: Vec<Vec<u8>> = text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        for piece in [1, 2, 3, 7, 64, text.len()] {
            let pieces: Vec<&'static [u8]> = text.chunks(piece).map(|piece| &*piece.to_vec().leak()).collect();
            let mut lines = lines(tokio_test_reader(&pieces));
            for (position, expected) in whole.iter().take(whole.len() - 1).enumerate() {
                assert_eq!(lines.next().await.unwrap(), Line::Complete);
                assert_eq!(lines.current(), expected);
                let last = position + 2 == whole.len();
                assert!(!(last && lines.has_another()));
            }
            assert_eq!(lines.next().await.unwrap(), Line::End);
        }
    }

    /// A reader that hands out the given pieces one read at a time.
    fn tokio_test_reader(pieces: &[&'static [u8]]) -> impl AsyncRead + Unpin + use<> {
        struct Pieces(std::collections::VecDeque<&'static [u8]>);
        impl AsyncRead for Pieces {
            fn poll_read(
                mut self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
                into: &mut tokio::io::ReadBuf<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                if let Some(piece) = self.0.pop_front() {
                    into.put_slice(piece);
                }
                std::task::Poll::Ready(Ok(()))
            }
        }
        Pieces(pieces.iter().copied().collect())
    }
}
