//! One client: carries out what it asks for and sends it events, in one task.

use std::sync::Arc;
use std::time::Duration;

use plugbus_bus::{Event, Filter, PublishError, Receipt, Watched, Watcher};
use serde_json::json;
use serde_json::value::RawValue;
use socketioxide::extract::{AckSender, SocketRef};
use socketioxide::{SendError, SocketError, TransportType};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::args::Args;
use super::claude::{self, CLAUDE_EVENT};
use super::connect::{Command, answer, parse, refuse};
use super::flow::{Flow, Window, framed};
use crate::auth::{Identity, REVOKED};
use crate::counters::count;
use crate::ingest::receipt::{Accepted, refused};
use crate::problem::{Problem, chain};
use crate::rate::charge;
use crate::shared::Shared;
use crate::stream::missed::Missed;
use crate::stream::publishing::Publishing;
use crate::stream::{Open, change, filters};

/// How often it is looked whether the client is still there, and whether its window must be mended.
const LOOK: Duration = Duration::from_secs(1);
/// Pause after the library's buffer was full all the same.
const FULL_PAUSE: Duration = Duration::from_millis(20);
/// Time that the last words have before a client is disconnected.
const LAST_WORDS: Duration = Duration::from_millis(250);
/// Pause after a change of filters: each makes the routes of the whole bus anew.
const CHANGE_PAUSE: Duration = Duration::from_millis(5);
/// Names that mean something to clients or to us: an event on such a topic comes as `event` alone.
const RESERVED: [&str; 10] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
    "event",
    "missed",
    "bye",
    CLAUDE_EVENT,
];

/// The client has gone.
struct Gone;

/// See the module.
pub(super) struct Session {
    shared: Shared,
    identity: Identity,
    socket: SocketRef,
    watcher: Watcher,
    flow: Arc<Flow>,
    window: Window,
    publishing: Publishing<AckSender>,
    /// Whether it has subscribed by itself; until then it sees `claude_event` at most.
    subscribed: bool,
    _open: Open,
}

enum Wake {
    Command(Option<Command>),
    Published(AckSender, Result<Receipt, PublishError>),
    Seen(Option<Watched>),
    Progress,
    Look,
    Revoked,
    Closed,
}

/// Serves a client until either side has enough.
pub(super) async fn run(mut session: Session, commands: mpsc::Receiver<Command>) {
    if let Err(Gone) = session.converse(commands).await {
        tracing::debug!(sid = %session.socket.id, "a client of Socket.IO has gone");
    }
}

impl Session {
    pub(super) fn new(
        shared: Shared,
        identity: Identity,
        socket: SocketRef,
        watcher: Watcher,
        flow: Arc<Flow>,
    ) -> Self {
        let open = Open::enter(&shared, |counters| &counters.socketio_open);
        let (window, publishing) = (Window::default(), Publishing::default());
        Self { shared, identity, socket, watcher, flow, window, publishing, subscribed: false, _open: open }
    }

    async fn converse(&mut self, mut commands: mpsc::Receiver<Command>) -> Result<(), Gone> {
        if self.shared.settings.socketio_claude_event {
            let visible = self.identity.visible();
            self.watcher.add(visible, None).map_err(|_| Gone)?;
        }
        loop {
            let has_room = self.window.has_room();
            let wake = tokio::select! {
                () = self.shared.closed() => Wake::Closed,
                () = self.identity.revoked() => Wake::Revoked,
                (ack, result) = self.publishing.next() => Wake::Published(ack, result),
                command = commands.recv(), if !self.publishing.is_full() => Wake::Command(command),
                seen = self.watcher.next(), if has_room => Wake::Seen(seen),
                () = self.flow.progressed(), if !has_room => Wake::Progress,
                () = sleep(LOOK) => Wake::Look,
            };
            self.window.taken(self.flow.take());
            match wake {
                Wake::Closed | Wake::Seen(None) => {
                    self.emit("bye", &raw(&json!({"reason": "the host has stopped"}))?).await?;
                    return Ok(());
                }
                Wake::Revoked => {
                    self.emit("bye", &raw(&json!({"reason": REVOKED}))?).await?;
                    sleep(LAST_WORDS).await;
                    // It does not come back by itself then: its token would be refused.
                    drop(self.socket.clone().disconnect());
                    return Ok(());
                }
                Wake::Command(None) => return Err(Gone),
                Wake::Command(Some(command)) => self.carry_out(command).await?,
                Wake::Published(ack, result) => self.published(ack, result),
                Wake::Seen(Some(seen)) => self.show(&seen).await?,
                Wake::Progress => {}
                Wake::Look if !self.socket.connected() => return Err(Gone),
                Wake::Look if !has_room => self.window.forget_oldest(),
                Wake::Look => {}
            }
        }
    }

    async fn carry_out(&mut self, command: Command) -> Result<(), Gone> {
        let charged = charge(&self.shared, &self.identity, 1);
        let (done, ack) = match command {
            Command::Subscribe(args, ack) => match charged {
                Ok(()) => (self.subscribe(args).await, ack),
                Err(problem) => (Err(problem), ack),
            },
            Command::Unsubscribe(args, ack) => (charged.and_then(|()| self.unsubscribe(args)), ack),
            Command::Publish(args, ack) => {
                let begun = match charged {
                    Ok(()) => self.begin(args).await,
                    Err(problem) => Err(problem),
                };
                match begun {
                    Ok(begun) => self.publishing.push(ack, begun),
                    Err(problem) => refuse(&self.shared, ack, &problem),
                }
                return Ok(());
            }
        };
        match done {
            Ok(()) => {
                let filters: Vec<String> = self.watcher.filters().iter().map(ToString::to_string).collect();
                answer(ack, &json!({"ok": true, "filters": filters, "seq": self.watcher.position()}));
                sleep(CHANGE_PAUSE).await;
            }
            Err(problem) => refuse(&self.shared, ack, &problem),
        }
        Ok(())
    }

    async fn begin(&mut self, args: Args) -> Result<plugbus_bus::Publishing, Problem> {
        let draft = args.event()?.draft()?;
        self.identity.require_publish(&draft.topic)?;
        self.shared.bus.begin_publish(draft).await.map_err(|error| refused(&error))
    }

    fn published(&self, ack: AckSender, result: Result<Receipt, PublishError>) {
        match result {
            Ok(receipt) => {
                count(&self.shared.counters.events);
                let Accepted { id, seq, matched, disposition, .. } = Accepted::from(&receipt);
                let done = json!({"ok": true, "id": id, "seq": seq, "matched": matched, "disposition": disposition});
                answer(ack, &done);
            }
            Err(error) => refuse(&self.shared, ack, &refused(&error)),
        }
    }

    async fn subscribe(&mut self, args: Args) -> Result<(), Problem> {
        let (texts, from) = args.filters()?;
        let wanted = filters::parse(&texts, &self.identity)?;
        if !self.subscribed {
            // What it was shown unasked is no subscription of its own.
            let unasked = self.watcher.filters();
            self.watcher.remove(&unasked).map_err(|error| Problem::unavailable(chain(&error)))?;
            self.subscribed = true;
        }
        let missed = change::add(&self.shared, &mut self.watcher, wanted.clone(), from)?;
        self.socket.join(rooms(&wanted));
        if let Some(missed) = missed {
            let gone = |Gone| Problem::unavailable("the client has gone");
            let text = raw(&missed).map_err(gone)?;
            self.emit("missed", &text).await.map_err(gone)?;
        }
        Ok(())
    }

    fn unsubscribe(&mut self, args: Args) -> Result<(), Problem> {
        let (texts, from) = args.filters()?;
        if from.is_some() {
            return Err(Problem::bad_request("`from` has no meaning here"));
        }
        let filters = parse(&texts)?;
        self.watcher.remove(&filters).map_err(|error| Problem::unavailable(chain(&error)))?;
        self.socket.leave(rooms(&filters));
        Ok(())
    }

    async fn show(&mut self, seen: &Watched) -> Result<(), Gone> {
        if let Some(missed) = Missed::of(seen) {
            return self.emit("missed", &raw(&missed)?).await;
        }
        let Watched::Event(event) = seen else { return Ok(()) };
        if self.shared.settings.socketio_claude_event {
            let text = claude::of(event).map_err(|error| no_json(&error))?;
            self.emit(CLAUDE_EVENT, &text).await?;
        }
        if self.subscribed { self.show_event(event).await } else { Ok(()) }
    }

    async fn show_event(&mut self, event: &Arc<Event>) -> Result<(), Gone> {
        let json = self.shared.encoded.json(event).map_err(|error| no_json(&error))?;
        let topic = event.topic.as_str();
        if !RESERVED.contains(&topic) {
            self.emit(topic, &json).await?;
        }
        self.emit("event", &json).await
    }

    /// Hands a packet to the library. The window sees to it that there is room; where there is none all the same, it is waited for.
    async fn emit(&mut self, name: &str, data: &RawValue) -> Result<(), Gone> {
        // `42["name",data]`
        let text = name.len() + data.get().len() + 7;
        let is_websocket = self.socket.transport_type() == TransportType::Websocket;
        loop {
            match self.socket.emit(name, data) {
                Ok(()) => {
                    self.window.sent(if is_websocket { framed(text) } else { text + 1 });
                    return Ok(());
                }
                Err(SendError::Socket(SocketError::InternalChannelFull)) if self.socket.connected() => {
                    sleep(FULL_PAUSE).await;
                }
                Err(_) => return Err(Gone),
            }
        }
    }
}

/// A small value as JSON.
fn raw(value: &impl serde::Serialize) -> Result<Box<RawValue>, Gone> {
    serde_json::value::to_raw_value(value).map_err(|error| no_json(&error))
}

fn no_json(error: &serde_json::Error) -> Gone {
    tracing::error!(error = error as &dyn std::error::Error, "a message has no JSON form; please report this");
    Gone
}

fn rooms(filters: &[Filter]) -> Vec<String> {
    filters.iter().map(ToString::to_string).collect()
}
