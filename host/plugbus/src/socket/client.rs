//! A client of the socket for programs that run for a few milliseconds: the standard library and JSON, no runtime.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use serde::Serialize;

use super::protocol::{ErrorLine, Request, Response, WAIT_MS_DEFAULT};

mod brief;

pub use brief::{BriefError, call_until};

/// How long a call waits for an answer beyond what the request itself asks the host to wait.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Longest line that is taken from a host.
const LINE_BYTES_MAX: u64 = 1 << 30;

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody listens there.
    #[error("no daemon answers on {}: start one with `plugbus run`, or name its socket with --socket or PLUGBUS_SOCKET", path.display())]
    NoDaemon {
        /// The socket.
        path: PathBuf,
    },
    /// The socket cannot be used.
    #[error("cannot connect to {}{}", path.display(), hint(source))]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The daemon took too long.
    #[error("the daemon on {} did not answer within {}; it may be overloaded or stopped", path.display(), in_words(*after))]
    TimedOut {
        /// The socket.
        path: PathBuf,
        /// How long it was given.
        after: Duration,
    },
    /// The connection broke.
    #[error("the connection to the daemon on {} broke", path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The daemon closed the connection.
    #[error("the daemon on {} closed the connection{}", path.display(), reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default())]
    Closed {
        /// The socket.
        path: PathBuf,
        /// Its reason, if it gave one.
        reason: Option<String>,
    },
    /// The answer makes no sense.
    #[error("what answers on {} is not a plugbus daemon of this version", path.display())]
    Malformed {
        /// The socket.
        path: PathBuf,
        /// What was wrong.
        source: serde_json::Error,
    },
    /// The daemon answered with another kind of answer than the request has.
    #[error("the daemon on {} gave an answer that does not fit the request", path.display())]
    Unexpected {
        /// The socket.
        path: PathBuf,
    },
    /// The daemon refused the request.
    #[error("{}", .0.message)]
    Refused(ErrorLine),
}

/// One connection.
#[derive(Debug)]
pub struct Client {
    incoming: Incoming,
    outgoing: Outgoing,
}

/// The half that reads answers.
#[derive(Debug)]
pub struct Incoming {
    reader: BufReader<UnixStream>,
    line: Vec<u8>,
    path: PathBuf,
    patience: Option<Duration>,
}

/// The half that sends requests.
#[derive(Debug)]
pub struct Outgoing {
    stream: UnixStream,
    buffer: Vec<u8>,
    path: PathBuf,
}

impl Client {
    /// Connects to the daemon. Waits at most [`PATIENCE`] where more clients wait than the system lets wait.
    ///
    /// # Errors
    /// [`ClientError::NoDaemon`], [`ClientError::TimedOut`] or [`ClientError::Connect`].
    pub fn connect(path: impl Into<PathBuf>) -> Result<Self, ClientError> {
        let path = path.into();
        let connected = connect_within(&path, PATIENCE).and_then(|stream| {
            stream.set_read_timeout(Some(PATIENCE))?;
            Ok((stream.try_clone()?, stream))
        });
        match connected {
            Ok((stream, reading)) => Ok(Self {
                incoming: Incoming {
                    reader: BufReader::new(reading),
                    line: Vec::new(),
                    path: path.clone(),
                    patience: Some(PATIENCE),
                },
                outgoing: Outgoing { stream, buffer: Vec::new(), path },
            }),
            Err(error) => Err(connect_failed(&path, PATIENCE, error)),
        }
    }

    /// Sends one request and reads its answer.
    ///
    /// # Errors
    /// [`ClientError`]; an `error` line of the daemon's is [`ClientError::Refused`].
    pub fn call(&mut self, request: &Request) -> Result<Response, ClientError> {
        self.incoming.set_patience(patience_for(request))?;
        self.outgoing.push(request)?;
        match self.outgoing.flush() {
            Ok(()) => self.incoming.receive(),
            // The daemon closed before it had read everything. Its last line says why, if it left one.
            Err(broken) => Err(self.incoming.receive().err().filter(has_reason).unwrap_or(broken)),
        }
    }

    /// The two halves, for a stream of requests in one thread and of answers in another.
    #[must_use]
    pub fn split(self) -> (Incoming, Outgoing) {
        (self.incoming, self.outgoing)
    }

    /// The socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.incoming.path
    }

    /// The error for an answer of the wrong kind.
    #[must_use]
    pub fn unexpected(&self) -> ClientError {
        ClientError::Unexpected { path: self.incoming.path.clone() }
    }
}

/// A time, in the unit that fits.
fn in_words(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        seconds => format!("{seconds} s"),
    }
}

/// How to mend what the system says, where it says too little.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::PermissionDenied => "; only the user who runs the daemon may",
        _ => "",
    }
}

/// Whether the error is the daemon's own word.
fn has_reason(error: &ClientError) -> bool {
    matches!(error, ClientError::Refused(_) | ClientError::Closed { reason: Some(_), .. })
}

/// How long to wait for the answer to a request; none is for ever. Pure.
fn patience_for(request: &Request) -> Option<Duration> {
    let asked = match request {
        Request::Publish { wait_ms, .. } => wait_ms.unwrap_or_default(),
        Request::Ask { wait_ms, .. } => wait_ms.unwrap_or(WAIT_MS_DEFAULT),
        // A reload compiles, and waits for compilations before its own.
        Request::Reload { .. } | Request::Rescan {} => 300_000,
        // It waits while queues are full, for as long as plugins need.
        Request::Replay { .. } => return None,
        _ => 0,
    };
    Some(PATIENCE.saturating_add(Duration::from_millis(asked)))
}

impl Incoming {
    /// How long [`Self::receive`] waits; `None` is for ever, as a watcher needs it.
    ///
    /// # Errors
    /// [`ClientError::Broken`].
    pub fn set_patience(&mut self, patience: Option<Duration>) -> Result<(), ClientError> {
        if self.patience != patience {
            let set = self.reader.get_ref().set_read_timeout(patience);
            set.map_err(|source| ClientError::Broken { path: self.path.clone(), source })?;
            self.patience = patience;
        }
        Ok(())
    }

    /// Reads one answer.
    ///
    /// # Errors
    /// [`ClientError`]; an `error` line of the daemon's is [`ClientError::Refused`].
    pub fn receive(&mut self) -> Result<Response, ClientError> {
        self.line.clear();
        let read = (&mut self.reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut self.line);
        match read {
            Ok(_) if self.line.ends_with(b"\n") => {}
            Ok(_) => return Err(ClientError::Closed { path: self.path.clone(), reason: None }),
            Err(source) => return Err(failed(&self.path, self.patience, source)),
        }
        answer(&self.path, &self.line)
    }

    /// Whether another answer, or part of one, has been read from the socket already.
    #[must_use]
    pub fn has_more(&self) -> bool {
        !self.reader.buffer().is_empty()
    }
}

impl Outgoing {
    /// Adds a request to what goes out with the next [`Self::flush`].
    ///
    /// # Errors
    /// [`ClientError::Broken`] where the request has no JSON form.
    pub fn push<T: Serialize + ?Sized>(&mut self, request: &T) -> Result<(), ClientError> {
        let broken = |error| ClientError::Broken { path: self.path.clone(), source: io::Error::other(error) };
        serde_json::to_writer(&mut self.buffer, request).map_err(broken)?;
        self.buffer.push(b'\n');
        Ok(())
    }

    /// Bytes that wait for [`Self::flush`].
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Sends what was pushed.
    ///
    /// # Errors
    /// [`ClientError::Broken`] or [`ClientError::TimedOut`].
    pub fn flush(&mut self) -> Result<(), ClientError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let sent = self.stream.write_all(&self.buffer);
        self.buffer.clear();
        sent.map_err(|source| failed(&self.path, Some(PATIENCE), source))
    }
}

/// Connects. Where the backlog is full, as that of a stopped daemon comes to be, the system waits as long as it may for
/// sending, which is without a bound unless one is set.
fn connect_within(path: &Path, patience: Duration) -> io::Result<UnixStream> {
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Send, Some(patience))?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(UnixStream::from(socket))
}

fn connect_failed(path: &Path, patience: Duration, source: io::Error) -> ClientError {
    let path = path.to_owned();
    match source.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => ClientError::NoDaemon { path },
        ErrorKind::WouldBlock | ErrorKind::TimedOut => ClientError::TimedOut { path, after: patience },
        _ => ClientError::Connect { path, source },
    }
}

/// A line of the daemon's as an answer or an error.
fn answer(path: &Path, line: &[u8]) -> Result<Response, ClientError> {
    match serde_json::from_slice(line) {
        Ok(Response::Error(error)) => Err(ClientError::Refused(error)),
        Ok(Response::Bye { reason }) => Err(ClientError::Closed { path: path.to_owned(), reason: Some(reason) }),
        Ok(response) => Ok(response),
        Err(source) => Err(ClientError::Malformed { path: path.to_owned(), source }),
    }
}

fn failed(path: &Path, patience: Option<Duration>, source: io::Error) -> ClientError {
    let path = path.to_owned();
    match source.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            ClientError::TimedOut { path, after: patience.unwrap_or_default() }
        }
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => ClientError::Closed { path, reason: None },
        _ => ClientError::Broken { path, source },
    }
}
