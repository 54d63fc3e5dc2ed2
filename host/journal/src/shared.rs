//! What the threads of a journal and its callers share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use plugbus_bus::journal::{Append, AppendOutcome, Appended, JournalError, Sink, Write};
use rusqlite::Connection;
use tokio::sync::watch;

use crate::stats::{Depth, JournalStats};

/// Shared by everybody. No lock here is held while anybody waits, but the reader's while it reads.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    sink: OnceLock<Weak<dyn Sink>>,
    stats: Mutex<JournalStats>,
    /// The reader's connection: opened by the reader when it needs one, closed by the writer when it trusts it no longer.
    reader: Mutex<Option<Connection>>,
    /// Whether nothing may be read any more.
    closing: AtomicBool,
    /// Whether the files were given back.
    closed: watch::Sender<bool>,
    /// Writes on their way.
    pub(crate) depth: Depth,
}

impl Shared {
    pub(crate) fn attach(&self, sink: Weak<dyn Sink>) {
        if self.sink.set(sink).is_err() {
            tracing::error!("a journal was attached to two buses; the first one stays");
        }
    }

    /// Tells the bus, if it is still there.
    pub(crate) fn tell(&self, appended: Vec<Appended>) {
        if !appended.is_empty()
            && let Some(sink) = self.sink.get().and_then(Weak::upgrade)
        {
            sink.committed(appended);
        }
    }

    /// Tells the bus that the events in some writes are not in the journal.
    pub(crate) fn refuse(&self, writes: impl IntoIterator<Item = Write>, error: &JournalError) {
        let refused: Vec<_> = writes.into_iter().flat_map(into_appends).map(|append| refused(append, error)).collect();
        self.stats().refused += u64::try_from(refused.len()).unwrap_or(u64::MAX);
        self.tell(refused);
    }

    pub(crate) fn stats(&self) -> MutexGuard<'_, JournalStats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn reader(&self) -> MutexGuard<'_, Option<Connection>> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// From now on nothing is read, and nobody holds a connection to read.
    pub(crate) fn stop_reading(&self) {
        self.closing.store(true, Ordering::Release);
        self.reader().take();
    }

    pub(crate) fn set_closed(&self) {
        self.closed.send_replace(true);
    }

    /// Waits until the files are given back.
    pub(crate) async fn wait_closed(&self) {
        // The sender lives as long as this does.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }
}

/// The events in a write, in order.
pub(crate) fn into_appends(write: Write) -> Vec<Append> {
    match write {
        Write::Append(append) => vec![*append],
        Write::Settle(settle) => settle.published,
        Write::Retry(_)
        | Write::Floors(_)
        | Write::Open { .. }
        | Write::Absent { .. }
        | Write::Retire(_)
        | Write::Dead(_)
        | Write::DeadGone(_) => Vec::new(),
    }
}

/// The events in a write, in order, to change them.
pub(crate) fn appends_mut(write: &mut Write) -> &mut [Append] {
    match write {
        Write::Append(append) => std::slice::from_mut(append),
        Write::Settle(settle) => &mut settle.published,
        Write::Retry(_)
        | Write::Floors(_)
        | Write::Open { .. }
        | Write::Absent { .. }
        | Write::Retire(_)
        | Write::Dead(_)
        | Write::DeadGone(_) => &mut [],
    }
}

/// An event that is not in the journal.
pub(crate) fn refused(append: Append, error: &JournalError) -> Appended {
    let mut event = append.event;
    event.seq = 0;
    let outcome = AppendOutcome::Refused { event: Box::new(event), error: error.clone() };
    Appended { ticket: append.ticket, outcome }
}
