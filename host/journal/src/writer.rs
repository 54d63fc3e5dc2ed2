//! The thread that writes: the only one that changes the journal.
//!
//! It takes what queued during the last commit, up to the bounds of a batch, and makes one transaction of it; no timer says
//! when. What bounds the queue is the bus, by its permits; nobody waits in here but the writer itself.
//!
//! When a transaction fails, the events from outside in it are refused at once, with the cause. What was to be settled is
//! held, in order, and tried again before anything newer, first after [`DELAY_MIN`], at most [`DELAY_MAX`] apart; events that
//! come in the meantime are refused. Held writes keep their permits, so that there are never more than the bus may have on
//! their way. After an error of the system (a failed sync above all) the files are opened anew and looked at before the next
//! try, see [`reopen`](Writer::reopen). Where the journal cannot go on at all (its content is damaged) everything is refused
//! from then on; what was not settled is delivered again after the next start.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use plugbus_bus::journal::{JournalError, Queued, Write};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::config::{JournalConfig, SyncMode};
use crate::files::Files;
use crate::ledger::Ledger;
use crate::lock::Lock;
use crate::shared::{Shared, appends_mut};
use crate::trouble::{Kind, Trouble};

mod commit;
#[cfg(test)]
mod inject;
mod keep;
mod log;
#[cfg(test)]
mod tests;

pub(crate) use log::{Log, Mode, checkpoint};

/// Before the first try after a failure.
pub(crate) const DELAY_MIN: Duration = Duration::from_millis(10);
/// Most between two tries.
pub(crate) const DELAY_MAX: Duration = Duration::from_secs(1);
/// Least between two lines in the log about failures that come and go.
const COMPLAINTS_APART: Duration = Duration::from_secs(10);
/// How often an idle journal looks at the age of its events.
const IDLE: Duration = Duration::from_secs(1);

/// What the writer is told.
#[derive(Debug)]
pub(crate) enum Command {
    /// Something to write.
    Write(Queued),
    /// Write out everything, then say so.
    Close(oneshot::Sender<()>),
    #[cfg(test)]
    Inject(inject::Inject),
}

/// The writer.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) files: Files,
    pub(crate) config: JournalConfig,
    pub(crate) shared: Arc<Shared>,
    pub(crate) inbox: Receiver<Command>,
    /// None between a failure and the next try, and once closed.
    pub(crate) conn: Option<Connection>,
    pub(crate) ledger: Ledger,
    /// None once closed.
    pub(crate) lock: Option<Lock>,
    pub(crate) state: State,
}

/// Where the writer stands.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Taken out of the inbox for the next batch.
    batch: Vec<Queued>,
    batch_bytes: usize,
    /// Settlements of failed transactions, oldest first.
    held: VecDeque<Queued>,
    health: Health,
    closing: Vec<oneshot::Sender<()>>,
    /// Why events from outside are refused although all is well.
    full: Option<JournalError>,
    pub(crate) log: Log,
    /// When the log last had a line about a failure, and whether that failure goes on.
    complained_at: Option<Instant>,
    complained: bool,
    /// When nothing was over the age.
    age_looked_at: Option<Instant>,
    /// Whether there is more to retire at once.
    more: bool,
    #[cfg(test)]
    fail_sync: bool,
}

#[derive(Debug, Default)]
enum Health {
    #[default]
    Sound,
    /// The last transaction failed.
    Failing { error: JournalError, next: Instant, delay: Duration },
    /// Nothing is written any more.
    Over(JournalError),
}

impl Writer {
    /// Runs until the journal is dropped. After [`Command::Close`] it refuses.
    pub(crate) fn run(mut self) {
        // Whether it is full is known before the first event comes.
        self.keep_house();
        loop {
            match self.inbox.recv_timeout(self.patience()) {
                Ok(command) => self.gather(command),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.work();
            self.keep_house();
            if !self.state.closing.is_empty() {
                self.close();
            }
        }
        self.close();
    }

    fn patience(&self) -> Duration {
        match &self.state.health {
            Health::Failing { next, .. } => next.saturating_duration_since(Instant::now()).min(IDLE),
            Health::Sound if self.state.more => Duration::ZERO,
            Health::Sound | Health::Over(_) => IDLE,
        }
    }

    /// Takes a command and what has queued behind it, as far as it may share a commit.
    fn gather(&mut self, first: Command) {
        let writes_max = if self.config.sync == SyncMode::Always { 1 } else { self.config.batch_writes_max };
        let mut command = Some(first);
        while let Some(next) = command {
            match next {
                Command::Write(mut queued) => {
                    let bytes = appends_mut(&mut queued.write).iter().map(|append| append.event.size_bytes());
                    self.state.batch_bytes += bytes.sum::<usize>();
                    self.state.batch.push(queued);
                }
                Command::Close(reply) => self.state.closing.push(reply),
                #[cfg(test)]
                Command::Inject(inject) => self.inject(inject),
            }
            let room = self.state.batch.len() < writes_max && self.state.batch_bytes < self.config.batch_bytes_max;
            command = if room && self.state.closing.is_empty() { self.inbox.try_recv().ok() } else { None };
        }
    }

    fn work(&mut self) {
        self.state.batch_bytes = 0;
        match &self.state.health {
            Health::Sound => {}
            Health::Over(error) => {
                let error = error.clone();
                return self.drop_batch(&error);
            }
            Health::Failing { error, next, .. } if Instant::now() < *next => {
                let error = error.clone();
                return self.hold_batch(&error);
            }
            Health::Failing { .. } => {
                if let Err(trouble) = self.recover() {
                    self.fail(&trouble);
                    return self.work_on_after_failure(&trouble);
                }
            }
        }
        let batch = std::mem::take(&mut self.state.batch);
        if let Err((batch, trouble)) = self.commit(batch) {
            self.state.batch = batch;
            self.fail(&trouble);
            self.work_on_after_failure(&trouble);
        }
    }

    /// Opens the files anew where that is needed, and writes what was held.
    fn recover(&mut self) -> Result<(), Trouble> {
        if self.conn.is_none() {
            self.reopen()?;
        }
        let slice = if self.config.sync == SyncMode::Always { 1 } else { self.config.batch_writes_max };
        while !self.state.held.is_empty() {
            let batch: Vec<_> = self.state.held.drain(..slice.min(self.state.held.len())).collect();
            if let Err((batch, trouble)) = self.commit(batch) {
                batch.into_iter().rev().for_each(|queued| self.state.held.push_front(queued));
                return Err(trouble);
            }
        }
        self.probe()?;
        self.state.health = Health::Sound;
        self.shared.stats().trouble = self.state.full.as_ref().map(ToString::to_string);
        if std::mem::take(&mut self.state.complained) {
            tracing::info!("the journal writes again");
        }
        Ok(())
    }

    /// Remembers a failure, and when to try again.
    fn fail(&mut self, trouble: &Trouble) {
        let error = trouble.error.clone();
        if trouble.kind == Kind::Io {
            // Dropped unchecked, as after a failed sync nothing that it believes can be trusted.
            self.conn = None;
        }
        if trouble.kind == Kind::Broken {
            tracing::error!(%error, "the journal has failed for good");
            self.conn = None;
            self.shared.reader().take();
            self.state.health = Health::Over(error.clone());
        } else {
            let delay = match self.state.health {
                Health::Failing { delay, .. } => (delay * 2).min(DELAY_MAX),
                Health::Sound | Health::Over(_) => {
                    self.complain(&error);
                    DELAY_MIN
                }
            };
            self.state.health = Health::Failing { error: error.clone(), next: Instant::now() + delay, delay };
        }
        self.shared.stats().trouble = Some(error.to_string());
    }

    /// Says so in the log, unless it did a moment ago: a disk that is full now and then must not fill it with log lines.
    fn complain(&mut self, error: &JournalError) {
        if self.state.complained_at.is_none_or(|at| at.elapsed() >= COMPLAINTS_APART) {
            tracing::error!(%error, "the journal cannot be written; events are refused until it can");
            self.state.complained_at = Some(Instant::now());
            self.state.complained = true;
        }
    }

    fn work_on_after_failure(&mut self, trouble: &Trouble) {
        match trouble.kind {
            Kind::Full | Kind::Io => self.hold_batch(&trouble.error),
            Kind::Broken => self.drop_batch(&trouble.error),
        }
    }

    /// Refuses the events from outside in the batch, and keeps the rest for later.
    fn hold_batch(&mut self, error: &JournalError) {
        let (outside, held): (Vec<_>, Vec<_>) =
            self.state.batch.drain(..).partition(|queued| matches!(queued.write, Write::Append(_)));
        held.into_iter().for_each(|queued| self.hold(queued));
        self.refuse(outside, error);
    }

    /// Floors need no permit, and so many of them may come: those in a row become one.
    fn hold(&mut self, queued: Queued) {
        if let (Write::Floors(floors), Some(Queued { write: Write::Floors(last), .. })) =
            (&queued.write, self.state.held.back_mut())
        {
            last.extend(floors.iter().cloned());
            last.sort_unstable();
            last.reverse();
            last.dedup_by(|lower, higher| lower.0 == higher.0);
            self.shared.depth.leave();
        } else {
            self.state.held.push_back(queued);
        }
    }

    /// Refuses everything in the batch and everything held.
    fn drop_batch(&mut self, error: &JournalError) {
        let held = std::mem::take(&mut self.state.held);
        let all: Vec<_> = held.into_iter().chain(std::mem::take(&mut self.state.batch)).collect();
        let lost = all.iter().filter(|queued| !matches!(queued.write, Write::Append(_))).count();
        let unwritten =
            all.iter().filter(|queued| matches!(&queued.write, Write::Settle(settle) if settle.seq > 0)).count();
        self.shared.stats().unwritten += u64::try_from(unwritten).unwrap_or(u64::MAX);
        if lost > 0 {
            tracing::warn!(lost, %error, "not settled in the journal: it comes again after a restart");
        }
        self.refuse(all, error);
    }

    fn refuse(&self, batch: Vec<Queued>, error: &JournalError) {
        let mut writes = Vec::with_capacity(batch.len());
        for Queued { write, permit } in batch {
            drop(permit);
            self.shared.depth.leave();
            writes.push(write);
        }
        self.shared.refuse(writes, error);
    }

    /// Writes out what is held, gives the files back, and tells who asked. From then on everything is refused.
    fn close(&mut self) {
        if matches!(self.state.health, Health::Failing { .. })
            && let Err(trouble) = self.recover()
        {
            tracing::error!(error = %trouble.error, "the journal was closed while it could not be written");
        }
        self.shut_files();
        self.state.health = Health::Over(JournalError::Closed);
        self.drop_batch(&JournalError::Closed);
        self.shared.set_closed();
        for reply in self.state.closing.drain(..) {
            // Nobody waits any more where this fails.
            let _ = reply.send(());
        }
    }

    fn shut_files(&mut self) {
        self.shared.stop_reading();
        if let Some(conn) = self.conn.take()
            && let Err(error) = checkpoint(&conn, Mode::Truncate)
        {
            // Nothing is lost: the next start reads the log.
            tracing::warn!(%error, "the write-ahead log stays as it is");
        }
        self.lock = None;
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // However it ended, nobody must wait for it.
        self.shared.stop_reading();
        self.shared.set_closed();
    }
}
