//! The task that sends spans: a loop over a closed enum of wakes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::Settings;
use crate::counters::Counters;
use crate::post::{Taken, Trouble, post};
use crate::said::Said;
use crate::span::{Record, request};

/// Most spans in one request.
pub const BATCH_SPANS_MAX: usize = 512;
/// How long the first span of a request waits for others.
const LINGER: Duration = Duration::from_secs(1);
/// How often a request is sent, the first time included.
const ATTEMPTS_MAX: u32 = 5;
/// Pause after the first attempt; each one after is twice as long.
const PAUSE: Duration = Duration::from_secs(1);
/// Time beyond the grace for the task to end by itself.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// Spans on their way out. Dropped without [`Export::close`], it sends nothing more.
#[derive(Debug)]
pub struct Export {
    /// Until when to be done; none while it goes on.
    stop: watch::Sender<Option<Instant>>,
    task: JoinHandle<()>,
    counters: Arc<Counters>,
}

impl Export {
    pub(crate) fn start(settings: Settings, spans: Receiver<Record>, counters: Arc<Counters>) -> Self {
        let (stop, stopped) = watch::channel(None);
        let batch = Vec::with_capacity(BATCH_SPANS_MAX);
        let sending = Sending {
            settings,
            spans,
            batch,
            due: None,
            stop: stopped,
            said: Said::default(),
            counters: counters.clone(),
        };
        Self { stop, task: tokio::spawn(sending.run()), counters }
    }

    /// Sends what waits, for at most the grace, and ends. Spans that come later are dropped. Returns how many could not be sent.
    pub async fn close(mut self, grace: Duration) -> u64 {
        let failed_before = self.counters.read().failed;
        self.stop.send_replace(Some(Instant::now() + grace));
        if timeout(grace + LAST_WORDS, &mut self.task).await.is_err() {
            self.task.abort();
        }
        // Those that the task had in hand, where it did not end by itself.
        let left = self.counters.read().waiting;
        Counters::add(&self.counters.failed, usize::try_from(left).unwrap_or(usize::MAX));
        self.counters.read().failed.saturating_sub(failed_before)
    }
}

impl Drop for Export {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the task wakes for.
enum Wake {
    /// There are more spans in the batch.
    Spans,
    /// The first of the batch has waited long enough.
    Due,
    /// It is to end, or nobody is there any more who makes spans.
    Stop,
}

struct Sending {
    settings: Settings,
    spans: Receiver<Record>,
    batch: Vec<Record>,
    /// When the batch is sent though it is not full.
    due: Option<Instant>,
    stop: watch::Receiver<Option<Instant>>,
    said: Said,
    counters: Arc<Counters>,
}

impl Sending {
    async fn run(mut self) {
        loop {
            match self.wake().await {
                Wake::Spans if self.batch.len() < BATCH_SPANS_MAX => {
                    self.due.get_or_insert_with(|| Instant::now() + LINGER);
                }
                Wake::Spans | Wake::Due => self.flush().await,
                Wake::Stop => break,
            }
        }
        self.spans.close();
        // What is in the queue now is the last: its size is its bound.
        while !self.batch.is_empty() || !self.spans.is_empty() {
            let room = BATCH_SPANS_MAX.saturating_sub(self.batch.len());
            if room > 0 {
                self.spans.recv_many(&mut self.batch, room).await;
            }
            self.flush().await;
        }
    }

    async fn wake(&mut self) -> Wake {
        let due = self.due;
        let room = BATCH_SPANS_MAX.saturating_sub(self.batch.len()).max(1);
        tokio::select! {
            biased;
            _ = stopping(&mut self.stop) => Wake::Stop,
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => Wake::Due,
            count = self.spans.recv_many(&mut self.batch, room) => if count > 0 { Wake::Spans } else { Wake::Stop },
        }
    }

    /// Sends the batch, again after a pause where that may help.
    async fn flush(&mut self) {
        self.due = None;
        let count = self.batch.len();
        let body = Bytes::from(request(&self.settings.service_name, self.batch.drain(..)).encode_to_vec());
        let mut pause = PAUSE;
        for attempt in 1..=ATTEMPTS_MAX {
            let trouble = match self.send(body.clone()).await {
                Ok(taken) => return self.taken(count, &taken),
                Err(trouble) => trouble,
            };
            self.tell(&trouble);
            let is_last = attempt == ATTEMPTS_MAX || !trouble.again || self.stop.borrow().is_some();
            if is_last {
                break;
            }
            tokio::select! {
                // Once more, and then it ends.
                _ = stopping(&mut self.stop) => {}
                () = sleep(pause) => {}
            }
            pause *= 2;
        }
        Counters::add(&self.counters.failed, count);
    }

    /// One attempt, which a stop bounds by its deadline.
    async fn send(&mut self, body: Bytes) -> Result<Taken, Trouble> {
        Counters::add(&self.counters.requests, 1);
        let sent = tokio::select! {
            sent = post(&self.settings.endpoint, body, self.settings.timeout) => sent,
            () = deadline(&mut self.stop) => Err(Trouble { reason: "it did not answer before the stop".into(), again: false }),
        };
        if sent.is_err() {
            Counters::add(&self.counters.requests_failed, 1);
        }
        sent
    }

    fn taken(&mut self, count: usize, taken: &Taken) {
        let rejected = usize::try_from(taken.rejected).unwrap_or(usize::MAX).min(count);
        Counters::add(&self.counters.rejected, rejected);
        Counters::add(&self.counters.exported, count - rejected);
        if rejected > 0 {
            let reason = format!("it refused {rejected} of {count} spans: {}", taken.said.escape_debug());
            self.tell(&Trouble { reason, again: false });
        } else if self.said.well() {
            let stats = self.counters.read();
            tracing::info!(endpoint = %self.settings.endpoint, stats.dropped, stats.failed, "the collector takes spans again");
        }
    }

    fn tell(&mut self, trouble: &Trouble) {
        let (endpoint, reason) = (&self.settings.endpoint, &trouble.reason);
        let stats = self.counters.read();
        if self.said.trouble(std::time::Instant::now()) {
            tracing::warn!(
                %endpoint, reason, stats.dropped, stats.failed,
                "the collector does not take spans; events go on, and what cannot be sent is counted (plugbus stats)"
            );
        } else {
            tracing::debug!(%endpoint, reason, stats.dropped, stats.failed, "the collector does not take spans");
        }
    }
}

/// Waits until it is to stop; until when.
async fn stopping(stop: &mut watch::Receiver<Option<Instant>>) -> Instant {
    match stop.wait_for(Option::is_some).await {
        Ok(until) => until.unwrap_or_else(Instant::now),
        // Its owner is gone.
        Err(_) => Instant::now(),
    }
}

/// Waits until it must have stopped.
async fn deadline(stop: &mut watch::Receiver<Option<Instant>>) {
    let until = stopping(stop).await;
    sleep_until(until).await;
}

#[cfg(test)]
mod tests;
