//! One request within a deadline, whatever the daemon does or leaves undone: for hooks, which keep somebody waiting.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{ClientError, answer, connect_failed, connect_within, failed};
use crate::socket::protocol::{Request, Response};

/// Longest answer that is read: more than any answer to a publication has.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct BriefError {
    /// Whether something of the request was sent: then the daemon may have carried it out all the same.
    pub sent: bool,
    /// What happened.
    pub source: ClientError,
}

/// Connects, sends one request and reads its answer, all until a moment.
///
/// # Errors
/// [`BriefError`]; an `error` line of the daemon's is [`ClientError::Refused`].
pub fn call_until(path: &Path, request: &Request, until: Instant) -> Result<Response, BriefError> {
    let began = Instant::now();
    let not_sent = |source| BriefError { sent: false, source };
    let connected = left(until).and_then(|left| connect_within(path, left));
    let mut stream = connected.map_err(|error| not_sent(connect_failed(path, until - began, error)))?;
    let mut line = serde_json::to_vec(request)
        .map_err(|error| not_sent(ClientError::Broken { path: path.into(), source: io::Error::other(error) }))?;
    line.push(b'\n');
    let broken = |source| BriefError { sent: true, source: failed(path, Some(until - began), source) };
    let sent = send(&mut stream, &line, until);
    // A daemon that closed before it had read everything may have said why.
    match (receive(&mut stream, until), sent) {
        (Ok(line), _) => answer(path, &line).map_err(|source| BriefError { sent: true, source }),
        (Err(_), Err(error)) | (Err(error), Ok(())) => Err(broken(error)),
    }
}

/// The time that is left; an error where there is none.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn send(stream: &mut UnixStream, mut line: &[u8], until: Instant) -> io::Result<()> {
    while !line.is_empty() {
        stream.set_write_timeout(Some(left(until)?))?;
        match stream.write(line) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(sent) => line = line.get(sent..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn receive(stream: &mut UnixStream, until: Instant) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut piece = [0; 4096];
    while line.len() < ANSWER_BYTES_MAX {
        stream.set_read_timeout(Some(left(until)?))?;
        match stream.read(&mut piece) {
            Ok(0) => return Err(ErrorKind::ConnectionReset.into()),
            Ok(read) => line.extend_from_slice(piece.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if line.ends_with(b"\n") {
            return Ok(line);
        }
    }
    Err(io::Error::new(ErrorKind::InvalidData, "the answer is longer than any answer to this"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    const A_WHILE: Duration = Duration::from_millis(50);

    fn call(path: &Path, after: Duration) -> BriefError {
        call_until(path, &Request::Ping {}, Instant::now() + after).unwrap_err()
    }

    #[test]
    fn nothing_was_sent_where_nobody_listens_or_the_backlog_is_full() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let error = call(&path, A_WHILE);
        assert!(matches!(error, BriefError { sent: false, source: ClientError::NoDaemon { .. } }), "{error:?}");
        let _stopped = UnixListener::bind(&path).unwrap();
        let mut waiting = Vec::new();
        let error = loop {
            match connect_within(&path, A_WHILE) {
                Ok(stream) => waiting.push(stream),
                Err(_) => break call(&path, A_WHILE),
            }
        };
        assert!(matches!(error, BriefError { sent: false, source: ClientError::TimedOut { .. } }), "{error:?}");
    }

    #[test]
    fn a_daemon_that_says_nothing_or_a_byte_now_and_then_is_left_in_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let error = call(&path, A_WHILE);
        assert!(matches!(error, BriefError { sent: true, source: ClientError::TimedOut { .. } }), "{error:?}");
        drop(listener.accept().unwrap());
        let trickle = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            while stream.write_all(b" ").is_ok() {
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let error = call(&path, A_WHILE);
        assert!(matches!(error, BriefError { sent: true, .. }), "{error:?}");
        trickle.join().unwrap();
    }
}
