//! One client: read a line, do it, answer; or, after `tail`, write events until somebody has enough.
//!
//! Bounds: one line and one request in hand; answers are collected only while further whole lines wait, and go out at
//! [`FLUSH_BYTES`]; a client that does not read its answers is closed after the write time-out. A panic in an operation
//! ends this connection alone.

use std::collections::VecDeque;
use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;

use super::counters::count;
use super::lines::{Line, Lines};
use super::protocol::{ErrorCode, ErrorLine, Request, Response, parse_request};
use super::{Phase, Services, operations};

mod tail;

/// Answers are sent when there are so many bytes of them, at the latest.
const FLUSH_BYTES: usize = 64 * 1024;

/// Publishes of one connection that are on their way at one time.
const PUBLISHING_MAX: usize = 64;

/// Why a connection ended, beside the ordinary ways.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("the connection broke")]
    Broken(#[from] std::io::Error),
    #[error("the client did not read its answers in time")]
    Unread,
    #[error("an answer has no JSON form")]
    Json(#[from] serde_json::Error),
}

/// Serves one client until it closes, breaks a rule, or the host stops.
pub(super) async fn serve<R, W>(
    services: Arc<Services>,
    reader: R,
    writer: W,
    mut phase: watch::Receiver<Phase>,
) -> Result<(), Ended>
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let limits = &services.limits;
    let mut lines = Lines::new(reader, limits.line_bytes_max, limits.line_timeout, limits.idle_timeout);
    let mut out = Out { writer, buffer: Vec::new(), timeout: Some(limits.write_timeout) };
    let result = converse(&services, &mut lines, &mut out, &mut phase).await;
    match result {
        Ok(Then::End) => Ok(()),
        Ok(Then::Http) => {
            count(&services.counters.http);
            let (read, reader) = lines.into_parts();
            let stream = tokio::io::join(Cursor::new(read).chain(reader), out.writer);
            services.gateway.serve_stream(stream).await;
            Ok(())
        }
        Err(error) => {
            if matches!(error, Ended::Unread) {
                count(&services.counters.write_timeouts);
            }
            Err(error)
        }
    }
}

/// What follows when no more lines do.
enum Then {
    End,
    /// The client speaks HTTP.
    Http,
}

async fn converse<R, W>(
    services: &Arc<Services>,
    lines: &mut Lines<R>,
    out: &mut Out<W>,
    phase: &mut watch::Receiver<Phase>,
) -> Result<Then, Ended>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut number = 0;
    let mut publishing = Publishing::default();
    loop {
        let line = tokio::select! {
            biased;
            () = left(phase, Phase::Serving) => {
                publishing.answer(0, out).await?;
                return out.bye("the host is stopping").await.map(|()| Then::End);
            }
            line = lines.next() => line?,
        };
        if line == Line::Http {
            return Ok(Then::Http);
        }
        if line != Line::Complete {
            publishing.answer(0, out).await?;
            return end(services, line, number + 1, out).await.map(|()| Then::End);
        }
        number += 1;
        let parsed = parse_request(lines.current());
        if let Ok(Request::Publish { event, wait_ms: None }) = &parsed {
            count(&services.counters.requests);
            publishing.begin(services, event, number).await;
        } else {
            publishing.answer(0, out).await?;
        }
        match parsed {
            Ok(Request::Publish { wait_ms: None, .. }) => {}
            Ok(Request::Tail { filters, from }) => {
                count(&services.counters.requests);
                let wanted = tail::Wanted { filters, from, number };
                return tail::tail(services, wanted, lines, out, phase).await.map(|()| Then::End);
            }
            Ok(request) => {
                count(&services.counters.requests);
                out.push(&at(operations::answer(services, request).await, number))?;
            }
            Err(error) => {
                count(&services.counters.bad_lines);
                out.push(&at(Response::Error(error), number))?;
            }
        }
        let more = lines.has_another();
        publishing.answer(if more { PUBLISHING_MAX - 1 } else { 0 }, out).await?;
        if !more || out.buffer.len() >= FLUSH_BYTES {
            out.flush().await?;
        }
    }
}

/// Publishes of one connection that have begun and are not answered: those of lines that came together share the journal's
/// commits. Bounded by [`PUBLISHING_MAX`]; the client waits when it is reached.
#[derive(Default)]
struct Publishing(VecDeque<(u64, Result<plugbus_bus::Publishing, ErrorLine>)>);

impl Publishing {
    async fn begin(&mut self, services: &Services, event: &RawValue, number: u64) {
        self.0.push_back((number, operations::begin_publish(services, event).await));
    }

    /// Answers the oldest, until only so many are left.
    async fn answer<W: AsyncWrite + Unpin>(&mut self, left: usize, out: &mut Out<W>) -> Result<(), Ended> {
        while self.0.len() > left
            && let Some((number, begun)) = self.0.pop_front()
        {
            let answer = operations::finish_publish(begun).await;
            out.push(&at(answer, number))?;
        }
        Ok(())
    }
}

/// Puts the number of the line into an error. Pure.
fn at(response: Response, number: u64) -> Response {
    match response {
        Response::Error(error) => Response::Error(ErrorLine { line: Some(number), ..error }),
        other => other,
    }
}

/// Says good-bye in the way that fits how the lines ended.
async fn end<W: AsyncWrite + Unpin>(
    services: &Services,
    line: Line,
    number: u64,
    out: &mut Out<W>,
) -> Result<(), Ended> {
    let counters = &services.counters;
    let limits = &services.limits;
    let error = match line {
        Line::Complete | Line::End | Line::Http => return Ok(()),
        Line::Half(bytes) => {
            count(&counters.half_lines);
            let message = format!("the line ends after {bytes} bytes without a newline; it was not acted upon");
            ErrorLine::new(ErrorCode::BadJson, message)
        }
        Line::TooLong => {
            count(&counters.long_lines);
            let message = format!(
                "the line has more than {} bytes, the most that is allowed here; send a reference to large data instead",
                limits.line_bytes_max
            );
            ErrorLine::new(ErrorCode::LineTooLong, message)
        }
        Line::Stalled => {
            count(&counters.read_timeouts);
            let message = format!("the line was not finished within {} ms", limits.line_timeout.as_millis());
            ErrorLine::new(ErrorCode::TimedOut, message)
        }
        Line::Idle => {
            count(&counters.read_timeouts);
            let message =
                format!("no line came for {} ms; connect again when there is one", limits.idle_timeout.as_millis());
            ErrorLine::new(ErrorCode::TimedOut, message)
        }
    };
    out.push(&at(Response::Error(error.closing()), number))?;
    out.flush().await
}

/// Resolves when the phase is another one; also when the server is gone.
async fn left(phase: &mut watch::Receiver<Phase>, from: Phase) {
    // An error means that the sender is gone, which is as final as a phase can be.
    drop(phase.wait_for(|now| *now != from).await);
}

/// Resolves when the phase has been reached; also when the server is gone.
async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    drop(phase.wait_for(|now| *now == wanted).await);
}

/// The writing half.
struct Out<W> {
    writer: W,
    buffer: Vec<u8>,
    /// Time for one flush; none for watchers.
    timeout: Option<Duration>,
}

impl<W: AsyncWrite + Unpin> Out<W> {
    fn push<T: Serialize>(&mut self, line: &T) -> Result<(), Ended> {
        serde_json::to_writer(&mut self.buffer, line)?;
        self.buffer.push(b'\n');
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Ended> {
        let writing = self.writer.write_all(&self.buffer);
        match self.timeout {
            Some(timeout) => tokio::time::timeout(timeout, writing).await.map_err(|_| Ended::Unread)??,
            None => writing.await?,
        }
        self.buffer.clear();
        if self.buffer.capacity() > 4 * FLUSH_BYTES {
            self.buffer = Vec::new();
        }
        Ok(())
    }

    async fn bye(&mut self, reason: &str) -> Result<(), Ended> {
        self.push(&Response::Bye { reason: reason.into() })?;
        self.flush().await
    }
}
