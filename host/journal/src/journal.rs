//! The journal as the bus sees it: a door to the two threads behind it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;

use plugbus_bus::journal::{Batch, Journal, JournalError, Queued, Recovered, Sink, StateEntry};
use plugbus_bus::{BoxFuture, Name};
use tokio::sync::{mpsc, oneshot};

use crate::config::JournalConfig;
use crate::error::OpenError;
use crate::open::{self, Opened};
use crate::reader::{Answer, REQUESTS_MAX, Reader, Request};
use crate::shared::Shared;
use crate::stats::JournalStats;
use crate::writer::{Command, Writer};

/// Fewest writes that may queue beside those that the bus has permits for: some of its writes need none.
const SLACK_MIN: usize = 1024;

/// A durable log in a folder. See the crate.
///
/// Dropping it writes out what is queued, and waits for that; [`Journal::close`] does so without blocking a thread.
#[derive(Debug)]
pub struct DiskJournal {
    capacity: usize,
    shared: Arc<Shared>,
    recovered: Mutex<Option<Recovered>>,
    closing: AtomicBool,
    /// None only while it is dropped.
    commands: Option<SyncSender<Command>>,
    requests: mpsc::Sender<Request>,
    writer: Option<JoinHandle<()>>,
}

impl DiskJournal {
    /// Opens the journal in a folder, or makes one there. Checks all that is in it; blocks as long as that takes, which is
    /// about the time it takes to read the files once.
    ///
    /// # Errors
    /// [`OpenError`]: the folder is in use or cannot be used, the format is another one, or something in it does not check
    /// out. Nothing was changed then, but for a torn tail of the write-ahead log.
    pub fn open(config: JournalConfig) -> Result<Self, OpenError> {
        config.check()?;
        let Opened { files, conn, ledger, recovered, lock, state, shared } = open::open(&config)?;
        let (commands, inbox) = sync_channel(config.writes_max + config.writes_max.max(SLACK_MIN));
        let (requests, read_inbox) = mpsc::channel(REQUESTS_MAX);
        let reader = Reader { files: files.clone(), shared: shared.clone(), inbox: read_inbox };
        let capacity = config.writes_max;
        let dir = config.dir.clone();
        let (conn, lock) = (Some(conn), Some(lock));
        let writer = Writer { files, config, shared: shared.clone(), inbox, conn, ledger, lock, state };
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
            let spawned = std::thread::Builder::new().name(name.into()).spawn(run);
            spawned.map_err(|source| OpenError::Io { doing: "start a thread for", path: dir.clone(), source })
        };
        let writer = spawn("journal-write", Box::new(move || writer.run()))?;
        spawn("journal-read", Box::new(move || reader.run()))?;
        Ok(Self {
            capacity,
            shared,
            recovered: Mutex::new(Some(recovered)),
            closing: AtomicBool::new(false),
            commands: Some(commands),
            requests,
            writer: Some(writer),
        })
    }

    /// Figures, as of the last commit.
    #[must_use]
    pub fn stats(&self) -> JournalStats {
        let mut stats = self.shared.stats().clone();
        stats.queued = self.shared.depth.get();
        stats
    }

    #[cfg(test)]
    pub(crate) fn command(&self, command: Command) {
        self.commands.as_ref().unwrap().try_send(command).unwrap();
    }

    async fn ask<T>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Result<T, JournalError> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(request(answer)).await.map_err(|_| JournalError::Closed)?;
        answered.await.map_err(|_| JournalError::Closed)?
    }

    async fn close(&self) -> u64 {
        if let Some(commands) = &self.commands
            && !self.closing.swap(true, Ordering::AcqRel)
        {
            let (reply, closed) = oneshot::channel();
            let mut command = Command::Close(reply);
            while let Err(TrySendError::Full(back)) = commands.try_send(command) {
                command = back;
                tokio::task::yield_now().await;
            }
            // An error here means that the writer is gone, and so is closed.
            let _ = closed.await;
        }
        self.shared.wait_closed().await;
        self.shared.stats().unwritten
    }
}

impl Journal for DiskJournal {
    fn attach(&self, sink: Weak<dyn Sink>) {
        self.shared.attach(sink);
    }

    fn recovered(&self) -> Recovered {
        self.recovered.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }

    fn capacity(&self) -> usize {
        self.capacity
    }

    fn submit(&self, write: Queued) {
        let Some(commands) = &self.commands else { return };
        self.shared.depth.enter();
        match commands.try_send(Command::Write(write)) {
            Ok(()) => {}
            // Far more writes than permits, or no thread to take them: a fault of ours, and the caller's thread must do.
            Err(TrySendError::Full(Command::Write(queued)) | TrySendError::Disconnected(Command::Write(queued))) => {
                self.shared.depth.leave();
                tracing::error!("the journal did not take a write");
                self.shared.refuse([queued.write], &JournalError::Closed);
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }

    fn read(&self, from: u64, events_max: usize, bytes_max: usize) -> BoxFuture<'_, Result<Batch, JournalError>> {
        Box::pin(self.ask(move |answer| Request::Read { from, events_max, bytes_max, answer }))
    }

    fn seq_at(&self, time_ns: u64) -> BoxFuture<'_, Result<u64, JournalError>> {
        Box::pin(self.ask(move |answer| Request::SeqAt { time_ns, answer }))
    }

    fn state<'a>(&'a self, cursor: &'a Name) -> BoxFuture<'a, Result<Vec<StateEntry>, JournalError>> {
        Box::pin(self.ask(move |answer| Request::State { cursor: cursor.clone(), answer }))
    }

    fn span(&self) -> (u64, u64) {
        let stats = self.shared.stats();
        (stats.first, stats.last)
    }

    fn close(&self) -> BoxFuture<'_, u64> {
        Box::pin(self.close())
    }
}

impl Drop for DiskJournal {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(writer) = self.writer.take()
            // The last one to hold the bus may be the writer itself, while it tells it of a commit.
            && writer.thread().id() != std::thread::current().id()
            && writer.join().is_err()
        {
            tracing::error!("the journal's writer panicked");
        }
    }
}
