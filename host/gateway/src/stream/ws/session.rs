//! One WebSocket: reads requests, answers, and shows events, in one task.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use futures_util::SinkExt;
use plugbus_bus::{Filter, Watched, Watcher};
use serde_json::value::RawValue;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep, timeout};

use super::frames::{Done, Parsed, Request, ToPeer};
use crate::auth::{Identity, REVOKED};
use crate::counters::count;
use crate::ingest::receipt::{Accepted, refused};
use crate::problem::{Problem, chain};
use crate::rate::charge;
use crate::shared::Shared;
use crate::stream::missed::Missed;
use crate::stream::publishing::Publishing;
use crate::stream::{Open, change, filters};

/// Bytes that are written before they are flushed, while more is at hand.
const FLUSH_BYTES: usize = 64 << 10;
/// Time that a peer may leave what was written unread.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// Pause after a change of filters: each makes the routes of the whole bus anew.
const CHANGE_PAUSE: Duration = Duration::from_millis(5);

/// Why a connection ends.
enum Ended {
    /// The peer has gone.
    Gone,
    /// It is told why, and gone then.
    Told(u16, &'static str),
}

struct Session {
    shared: Shared,
    identity: Identity,
    watcher: Watcher,
    socket: WebSocket,
    publishing: Publishing<Option<Box<RawValue>>>,
    heartbeat: Interval,
    /// Heartbeats since the peer was heard last.
    silent: u32,
    /// Bytes written and not flushed.
    unflushed: usize,
}

/// What a session does next.
enum Wake {
    Message(Option<Result<Message, axum::Error>>),
    Seen(Option<Watched>),
    Published(Option<Box<RawValue>>, Result<plugbus_bus::Receipt, plugbus_bus::PublishError>),
    Heartbeat,
    Revoked,
    Closed,
}

/// Serves a WebSocket until either side has enough.
pub(super) async fn run(shared: Shared, identity: Identity, watcher: Watcher, socket: WebSocket) {
    let _open = Open::enter(&shared, |counters| &counters.websockets_open);
    let every = shared.settings.heartbeat;
    let mut heartbeat = interval_at(Instant::now() + every, every);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let publishing = Publishing::default();
    let mut session = Session { shared, identity, watcher, socket, publishing, heartbeat, silent: 0, unflushed: 0 };
    if let Err(Ended::Told(code, reason)) = session.converse().await {
        session.farewell(code, reason).await;
    }
}

impl Session {
    async fn converse(&mut self) -> Result<(), Ended> {
        loop {
            let wake = tokio::select! {
                () = self.shared.closed() => Wake::Closed,
                () = self.identity.revoked() => Wake::Revoked,
                (id, result) = self.publishing.next() => Wake::Published(id, result),
                message = self.socket.recv(), if !self.publishing.is_full() => Wake::Message(message),
                seen = self.watcher.next() => Wake::Seen(seen),
                _ = self.heartbeat.tick() => Wake::Heartbeat,
            };
            match wake {
                Wake::Closed | Wake::Seen(None) => return Err(Ended::Told(close_code::AWAY, "the host has stopped")),
                Wake::Revoked => return Err(Ended::Told(close_code::POLICY, REVOKED)),
                Wake::Published(id, result) => {
                    let done = result.map(|receipt| Accepted::from(&receipt).into());
                    if done.is_ok() {
                        count(&self.shared.counters.events);
                    }
                    self.answer(id.as_deref(), done.map_err(|error| refused(&error))).await?;
                }
                Wake::Message(message) => self.take(message).await?,
                Wake::Seen(Some(seen)) => self.show(seen).await?,
                Wake::Heartbeat => self.beat().await?,
            }
            while self.unflushed < FLUSH_BYTES
                && let Some(seen) = self.watcher.try_next()
            {
                self.show(seen).await?;
            }
            self.flush().await?;
        }
    }

    async fn take(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), Ended> {
        self.silent = 0;
        let text = match message {
            None | Some(Ok(Message::Close(_))) => return Err(Ended::Gone),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(()),
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Binary(_))) => {
                count(&self.shared.counters.messages);
                count(&self.shared.counters.messages_bad);
                let detail = "frames are text, each one JSON object; this one was binary";
                return self.answer(None, Err(Problem::bad_request(detail))).await;
            }
            Some(Err(error)) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "a WebSocket ended");
                count(&self.shared.counters.messages_bad);
                // Too large, or no UTF-8, or no WebSocket at all: whatever it was, what follows cannot be read.
                return Err(Ended::Told(close_code::POLICY, "a frame was too large or malformed"));
            }
        };
        count(&self.shared.counters.messages);
        let Parsed { id, request } = Parsed::parse(&text);
        let request = charge(&self.shared, &self.identity, 1).and(request);
        let done = match request {
            Ok(Request::Publish(draft)) => match self.begin(*draft).await {
                Ok(begun) => {
                    self.publishing.push(id, begun);
                    return Ok(());
                }
                Err(problem) => Err(problem),
            },
            Ok(Request::Subscribe { filters, from }) => self.subscribe(&filters, from).await,
            Ok(Request::Unsubscribe { filters }) => self.unsubscribe(&filters).await,
            Ok(Request::Ping) => Ok(Done::default()),
            Err(problem) => Err(problem),
        };
        if done.is_err() {
            count(&self.shared.counters.messages_bad);
        }
        self.answer(id.as_deref(), done).await
    }

    async fn begin(&mut self, draft: plugbus_bus::Draft) -> Result<plugbus_bus::Publishing, Problem> {
        self.identity.require_publish(&draft.topic)?;
        self.shared.bus.begin_publish(draft).await.map_err(|error| refused(&error))
    }

    async fn subscribe(&mut self, texts: &[String], from: Option<u64>) -> Result<Done, Problem> {
        let wanted = filters::parse(texts, &self.identity)?;
        let missed = change::add(&self.shared, &mut self.watcher, wanted, from)?;
        if let Some(missed) = missed {
            // It stands before whatever the past brings.
            self.send(&ToPeer::Missed(missed)).await.map_err(|_| Problem::bad_request("the peer has gone"))?;
        }
        sleep(CHANGE_PAUSE).await;
        Ok(self.in_force())
    }

    async fn unsubscribe(&mut self, texts: &[String]) -> Result<Done, Problem> {
        let filters = texts.iter().map(Filter::parse).collect::<Result<Vec<_>, _>>();
        let filters = filters.map_err(|error| Problem::bad_request(format!("filter {error}")))?;
        self.watcher.remove(&filters).map_err(|error| Problem::unavailable(chain(&error)))?;
        sleep(CHANGE_PAUSE).await;
        Ok(self.in_force())
    }

    fn in_force(&self) -> Done {
        let filters = self.watcher.filters().iter().map(ToString::to_string).collect();
        Done { filters: Some(filters), seq: Some(self.watcher.position()), ..Done::default() }
    }

    async fn show(&mut self, seen: Watched) -> Result<(), Ended> {
        if let Some(missed) = Missed::of(&seen) {
            return self.send(&ToPeer::Missed(missed)).await;
        }
        let Watched::Event(event) = seen else { return Ok(()) };
        match self.shared.encoded.json(&event) {
            Ok(json) => self.write(format!("{{\"op\":\"event\",\"event\":{}}}", json.get())).await,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "an event has no JSON form");
                Ok(())
            }
        }
    }

    async fn answer(&mut self, id: Option<&RawValue>, done: Result<Done, Problem>) -> Result<(), Ended> {
        match done {
            Ok(result) => self.send(&ToPeer::Ack { id, result }).await,
            Err(problem) => {
                let Problem { status, detail, .. } = problem;
                self.send(&ToPeer::Error { id, status: status.as_u16(), detail }).await
            }
        }
    }

    async fn beat(&mut self) -> Result<(), Ended> {
        self.silent += 1;
        if self.silent > 2 {
            count(&self.shared.counters.peers_silent);
            return Err(Ended::Told(close_code::POLICY, "nothing was heard from the peer"));
        }
        self.feed(Message::Ping(bytes::Bytes::new()), 2).await
    }

    async fn send(&mut self, frame: &ToPeer<'_>) -> Result<(), Ended> {
        match serde_json::to_string(frame) {
            Ok(text) => self.write(text).await,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a frame has no JSON form");
                Ok(())
            }
        }
    }

    async fn write(&mut self, text: String) -> Result<(), Ended> {
        let bytes = text.len();
        self.feed(Message::Text(text.into()), bytes).await
    }

    async fn feed(&mut self, message: Message, bytes: usize) -> Result<(), Ended> {
        self.unflushed += bytes;
        in_time(self.socket.feed(message)).await
    }

    async fn flush(&mut self) -> Result<(), Ended> {
        self.unflushed = 0;
        in_time(self.socket.flush()).await
    }

    async fn farewell(&mut self, code: u16, reason: &'static str) {
        let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
        let bye = async {
            self.send(&ToPeer::Bye { reason }).await?;
            self.feed(close, reason.len()).await?;
            self.flush().await?;
            // The peer's own close; what it still sends is not read.
            while let Some(Ok(_)) = self.socket.recv().await {}
            Ok::<(), Ended>(())
        };
        // Whoever does not even read that is gone already.
        drop(timeout(Duration::from_secs(1), bye).await);
    }
}

/// Writes, or gives up on a peer that does not read.
async fn in_time(writing: impl Future<Output = Result<(), axum::Error>>) -> Result<(), Ended> {
    match timeout(WRITE_TIMEOUT, writing).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Ended::Gone),
    }
}
