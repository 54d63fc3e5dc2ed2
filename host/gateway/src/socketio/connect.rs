//! How a client comes in: who it is, and what it can ask for.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use plugbus_bus::{Filter, Watcher};
use serde::Deserialize;
use serde_json::json;
use socketioxide::extract::{AckSender, SocketRef, TryData};
use socketioxide::{SocketIo, TransportType};
use tokio::sync::mpsc;

use super::args::Args;
use super::clients::Clients;
use super::flow::{Flow, WINDOW_PACKETS};
use super::session::{self, Session};
use crate::auth::Identity;
use crate::counters::count;
use crate::problem::Problem;
use crate::serve::Meter;
use crate::shared::{Phase, Shared};
use crate::stream::begin::watch;

/// Requests of one client that wait to be carried out.
pub(super) const COMMANDS_MAX: usize = 64;
/// Packets that the library holds for one client: the window, an event of three packets on top, and room for pings and answers.
pub(super) const PACKETS_MAX: usize = WINDOW_PACKETS + COMMANDS_MAX + 96;
/// Time that the last words have before connections are closed.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// What a client asks for.
pub(super) enum Command {
    Subscribe(Args, AckSender),
    Unsubscribe(Args, AckSender),
    Publish(Args, AckSender),
}

/// The `auth` of a connect packet.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Auth {
    token: Option<String>,
}

/// A client that may come in, until it hears that it is connected.
#[derive(Clone)]
struct Guest(Arc<std::sync::Mutex<Option<Coming>>>);

struct Coming {
    identity: Identity,
    watcher: Watcher,
    commands: mpsc::Receiver<Command>,
    flow: Arc<Flow>,
}

/// Lets clients in. Cheap to clone.
#[derive(Clone)]
pub(super) struct Door {
    shared: Shared,
    clients: Clients,
    closing: Arc<OnceLock<()>>,
}

impl Door {
    pub(super) fn new(shared: Shared, clients: Clients) -> Self {
        Self { shared, clients, closing: Arc::default() }
    }

    /// Before the client hears that it is connected: says who it is and makes it heard. The error goes to the client.
    pub(super) fn open(
        &self,
        socket: SocketRef,
        TryData(auth): TryData<Auth>,
    ) -> impl Future<Output = Result<(), String>> + Send + use<> {
        let opened = self.try_open(&socket, auth.map_err(|error| error.to_string()));
        std::future::ready(opened.map_err(|problem| problem.detail))
    }

    fn try_open(&self, socket: &SocketRef, auth: Result<Auth, String>) -> Result<(), Problem> {
        let shared = &self.shared;
        if *shared.phase.borrow() != Phase::Serving {
            return Err(crate::stream::begin::stopping());
        }
        let auth = auth.map_err(|error| Problem::bad_request(format!("auth: {error}")))?;
        let identity = self.identify(socket, auth)?;
        let watcher = watch(shared, Vec::new(), None)?;
        let sid = socket.id.to_string();
        let Some(flow) = self.clients.connect(&sid) else {
            return Err(Problem::bad_request("this session is connected already"));
        };
        if let (TransportType::Websocket, Some(meter)) =
            (socket.transport_type(), socket.req_parts().extensions.get::<Meter>())
        {
            meter.count_for(flow.clone());
        }
        let (sender, commands) = mpsc::channel(COMMANDS_MAX);
        listen(shared, socket, &sender);
        let clients = self.clients.clone();
        socket.on_disconnect(move || {
            clients.leave(&sid);
            // The sender goes with the handlers; the session ends when it notices that nobody is there any more.
            std::future::ready(())
        });
        let coming = Coming { identity, watcher, commands, flow };
        socket.extensions.insert(Guest(Arc::new(std::sync::Mutex::new(Some(coming)))));
        Ok(())
    }

    fn identify(&self, socket: &SocketRef, auth: Auth) -> Result<Identity, Problem> {
        let known = socket.req_parts().extensions.get::<Identity>().cloned();
        let known = known.unwrap_or_else(|| self.shared.nobody.clone());
        let identity = match (&self.shared.tokens, auth.token) {
            (Some(tokens), Some(token)) => {
                let unknown = "the token is not known; a line of the file of tokens (http.tokens) would make it so";
                tokens.load().find(&token).ok_or_else(|| Problem::unauthorized(unknown))?
            }
            _ => known,
        };
        if identity.is_nobody() {
            count(&self.shared.counters.unauthorized);
            return Err(Problem::unauthorized("a token is needed: connect with `auth: {token: …}`"));
        }
        Ok(identity)
    }

    /// The client has heard that it is connected: its session begins.
    pub(super) fn begin(&self, socket: SocketRef, io: SocketIo) -> impl Future<Output = ()> + Send + use<> {
        self.close_at_the_end(io);
        let guest = socket.extensions.remove::<Guest>();
        let coming = guest.and_then(|guest| guest.0.lock().ok().and_then(|mut coming| coming.take()));
        if let Some(Coming { identity, watcher, commands, flow }) = coming {
            let session = Session::new(self.shared.clone(), identity, socket, watcher, flow);
            tokio::spawn(session::run(session, commands));
        }
        std::future::ready(())
    }

    /// Closes the connections when the gateway closes: as a network that breaks, so that clients come back by themselves.
    fn close_at_the_end(&self, io: SocketIo) {
        self.closing.get_or_init(|| {
            let mut phase = self.shared.phase.subscribe();
            tokio::spawn(async move {
                // An error means that the gateway is gone, which is as closed as it can be.
                drop(phase.wait_for(|phase| *phase == Phase::Closed).await);
                tokio::time::sleep(LAST_WORDS).await;
                io.close().await;
            });
        });
    }
}

/// Hands what a client asks for to its session, in order.
fn listen(shared: &Shared, socket: &SocketRef, sender: &mpsc::Sender<Command>) {
    let on = |name: &'static str, command: fn(Args, AckSender) -> Command| {
        let (shared, sender) = (shared.clone(), sender.clone());
        socket.on(name, move |TryData(args): TryData<Args>, ack: AckSender| {
            count(&shared.counters.messages);
            hand_over(&shared, &sender, args.map_err(|error| error.to_string()), ack, command);
            std::future::ready(())
        });
    };
    on("subscribe", Command::Subscribe);
    on("unsubscribe", Command::Unsubscribe);
    on("publish", Command::Publish);
}

fn hand_over(
    shared: &Shared,
    sender: &mpsc::Sender<Command>,
    args: Result<Args, String>,
    ack: AckSender,
    command: fn(Args, AckSender) -> Command,
) {
    let args = match args {
        Ok(args) => args,
        Err(error) => {
            let detail = format!("arguments: {error} (binary data goes by POST /v1/topics/…)");
            return refuse(shared, ack, &Problem::bad_request(detail));
        }
    };
    match sender.try_reserve() {
        Ok(place) => place.send(command(args, ack)),
        Err(_) => {
            let detail = format!("{COMMANDS_MAX} requests of this client wait already; wait for their answers");
            refuse(shared, ack, &Problem::new(http::StatusCode::TOO_MANY_REQUESTS, detail));
        }
    }
}

/// Tells a client what was not done.
pub(super) fn refuse(shared: &Shared, ack: AckSender, problem: &Problem) {
    count(&shared.counters.messages_bad);
    answer(ack, &json!({"ok": false, "status": problem.status.as_u16(), "detail": problem.detail}));
}

/// Answers one request.
pub(super) fn answer(ack: AckSender, answer: &serde_json::Value) {
    if let Err(error) = ack.send(answer) {
        tracing::debug!(error = &error as &dyn std::error::Error, "a client is not there for its answer");
    }
}

/// Filters out of their texts.
pub(super) fn parse(texts: &[String]) -> Result<Vec<Filter>, Problem> {
    let filters = texts.iter().map(Filter::parse).collect::<Result<_, _>>();
    filters.map_err(|error| Problem::bad_request(format!("filter {error}")))
}
