//! The log of one instance: `wasi:logging`, stdout, stderr and what the host has to say, with one budget for each call.
//!
//! What bounds it: `log_bytes` for each call, for everything together; over it, text is cut, counted, and one line at the end
//! of the call says how much. Lines of stdout and stderr are put together here (at most [`LINE_BYTES_MAX`] each), and the
//! last [`TAIL_BYTES`] of stderr are kept for the fault, whatever the budget: a panic message comes last. Nobody waits: the
//! sink is called at once, within the guest's call.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use plugbus_bus::Delivery;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::log::{LogLevel, LogLine};
use crate::metrics::Metrics;
use crate::template::Inner;
use crate::text::prefix;

/// Most bytes in one line of stdout or stderr; a longer one is broken.
const LINE_BYTES_MAX: usize = 4 << 10;
/// Most bytes of stderr in a fault.
const TAIL_BYTES: usize = 4 << 10;
/// Most bytes of a log line's context.
const CONTEXT_BYTES_MAX: usize = 128;

/// Shared by the store and the guest's output streams, which are never used at the same moment.
#[derive(Clone)]
pub(crate) struct PluginLog(Arc<Mutex<State>>);

struct State {
    template: Arc<Inner>,
    delivery: Option<Arc<Delivery>>,
    bytes_left: usize,
    bytes_cut: u64,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    tail: Vec<u8>,
}

/// Which output stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
}

impl PluginLog {
    pub(crate) fn new(template: Arc<Inner>) -> Self {
        Self(Arc::new(Mutex::new(State {
            template,
            delivery: None,
            bytes_left: 0,
            bytes_cut: 0,
            stdout: Vec::new(),
            stderr: Vec::new(),
            tail: Vec::new(),
        })))
    }

    /// A call begins: its budget is whole.
    pub(crate) fn begin(&self, delivery: Option<&Arc<Delivery>>) {
        let mut state = self.lock();
        state.bytes_left = state.template.spec.limits.log_bytes;
        state.delivery = delivery.cloned();
        state.tail.clear();
    }

    /// The event being handled; none during `init`.
    pub(crate) fn delivery(&self) -> Option<Arc<Delivery>> {
        self.lock().delivery.clone()
    }

    /// A call is over: unfinished lines go out, and one line says what was cut.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        if !state.stdout.is_empty() {
            state.flush(Stream::Out);
        }
        if !state.stderr.is_empty() {
            state.flush(Stream::Err);
        }
        let cut = std::mem::take(&mut state.bytes_cut);
        if cut > 0 {
            let limit = state.template.spec.limits.log_bytes;
            Metrics::add(&state.template.metrics.log_bytes_cut, cut);
            state.emit(
                LogLevel::Warn,
                "host",
                &format!("{cut} bytes of log cut: over log_bytes ({limit}) in one call"),
            );
        }
        state.delivery = None;
    }

    /// The end of what the guest wrote to stderr in this call.
    pub(crate) fn stderr_tail(&self) -> Option<String> {
        let state = self.lock();
        let start = state.tail.len().saturating_sub(TAIL_BYTES);
        let tail = String::from_utf8_lossy(state.tail.get(start..).unwrap_or_default()).trim().to_owned();
        (!tail.is_empty()).then_some(tail)
    }

    /// A line by `wasi:logging`. It costs its bytes and one more, so that empty lines come to an end too.
    pub(crate) fn line(&self, level: LogLevel, context: &str, message: &str) {
        let mut state = self.lock();
        let context = prefix(context, CONTEXT_BYTES_MAX);
        let bytes = context.len() + message.len();
        let room = state.bytes_left.saturating_sub(1);
        let fits = bytes.min(room);
        state.bytes_cut += count(bytes - fits);
        if state.bytes_left == 0 {
            return;
        }
        state.bytes_left = room - fits;
        let context = prefix(context, fits);
        state.emit(level, context, prefix(message, fits - context.len()));
    }

    /// A line of the host's own about the plugin; it costs the plugin nothing.
    pub(crate) fn host(&self, level: LogLevel, message: &str) {
        self.lock().emit(level, "host", message);
    }

    pub(crate) fn stdout(&self) -> impl StdoutStream + 'static {
        Output { log: self.clone(), stream: Stream::Out }
    }

    pub(crate) fn stderr(&self) -> impl StdoutStream + 'static {
        Output { log: self.clone(), stream: Stream::Err }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn write(&mut self, stream: Stream, bytes: &[u8]) {
        if stream == Stream::Err {
            self.keep_tail(bytes);
        }
        let fits = bytes.len().min(self.bytes_left);
        self.bytes_left -= fits;
        self.bytes_cut += count(bytes.len() - fits);
        for byte in bytes.get(..fits).unwrap_or_default() {
            let line = self.buffer(stream);
            if *byte != b'\n' {
                line.push(*byte);
            }
            if *byte == b'\n' || line.len() >= LINE_BYTES_MAX {
                self.flush(stream);
            }
        }
    }

    fn keep_tail(&mut self, bytes: &[u8]) {
        let start = bytes.len().saturating_sub(TAIL_BYTES);
        self.tail.extend_from_slice(bytes.get(start..).unwrap_or_default());
        if self.tail.len() > 2 * TAIL_BYTES {
            self.tail.drain(..self.tail.len() - TAIL_BYTES);
        }
    }

    fn buffer(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Out => &mut self.stdout,
            Stream::Err => &mut self.stderr,
        }
    }

    fn flush(&mut self, stream: Stream) {
        let line = std::mem::take(self.buffer(stream));
        let text = String::from_utf8_lossy(&line);
        match stream {
            Stream::Out => self.emit(LogLevel::Info, "stdout", &text),
            Stream::Err => self.emit(LogLevel::Warn, "stderr", &text),
        }
    }

    fn emit(&self, level: LogLevel, context: &str, message: &str) {
        Metrics::add(&self.template.metrics.log_lines, 1);
        let spec = &self.template.spec;
        let event_id = self.delivery.as_ref().map(|delivery| &*delivery.event.id);
        spec.log.log(&LogLine { plugin: &spec.name, level, context, message, event_id });
    }
}

fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// Stdout or stderr as the guest has it: always ready, never full.
struct Output {
    log: PluginLog,
    stream: Stream,
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    /// Not used: components write to the other one.
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Self { log: self.log.clone(), stream: self.stream })
    }
}

impl OutputStream for Output {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.log.lock().write(self.stream, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

impl Pollable for Output {
    fn ready<'life, 'future>(&'life mut self) -> Pin<Box<dyn Future<Output = ()> + Send + 'future>>
    where
        'life: 'future,
        Self: 'future,
    {
        Box::pin(std::future::ready(()))
    }
}
