//! What a bus remembers of the events it has accepted: its journal, or without one its history.

use std::sync::Arc;

use crate::handle::Bus;
use crate::history::History;
use crate::journal::{Batch, Journal, JournalError};

/// The accepted events of a bus, in the order of their numbers. Cheap to clone.
#[derive(Debug, Clone)]
pub enum EventLog {
    /// On the disk.
    Journal(Arc<dyn Journal>),
    /// In memory.
    History(Arc<History>),
}

impl EventLog {
    /// Reads events, as [`Journal::read`].
    ///
    /// # Errors
    /// [`JournalError`]; never of a history.
    pub async fn read(&self, from: u64, events_max: usize, bytes_max: usize) -> Result<Batch, JournalError> {
        match self {
            Self::Journal(journal) => journal.read(from, events_max, bytes_max).await,
            Self::History(history) => Ok(history.read(from, events_max, bytes_max)),
        }
    }

    /// The numbers of the first and last event that are kept.
    #[must_use]
    pub fn span(&self) -> (u64, u64) {
        match self {
            Self::Journal(journal) => journal.span(),
            Self::History(history) => history.span(),
        }
    }

    /// The number of the first event accepted at a time (nanoseconds since the Unix epoch) or later; the next number where
    /// there is none.
    ///
    /// # Errors
    /// [`JournalError`]; never of a history.
    pub async fn seq_at(&self, time_ns: u64) -> Result<u64, JournalError> {
        match self {
            Self::Journal(journal) => journal.seq_at(time_ns).await,
            Self::History(history) => Ok(history.seq_at(time_ns)),
        }
    }
}

impl Bus {
    /// What the bus remembers; none where it has neither a journal nor a [history](crate::BusBuilder::history).
    #[must_use]
    pub fn event_log(&self) -> Option<EventLog> {
        let inner = &self.inner;
        let journal = inner.durable.as_ref().map(|durable| EventLog::Journal(durable.journal.clone()));
        journal.or_else(|| inner.history.clone().map(EventLog::History))
    }
}
