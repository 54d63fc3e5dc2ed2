//! Socket.IO 4 (protocol 5) under `/socket.io/`, by websocket and polling, namespace `/`.
//!
//! | from the client | answer to its `ack` |
//! | --- | --- |
//! | `emit("subscribe", filters, ack)`, where filters is a text, a list, or `{filters, from}`; `emit("subscribe", filters, {from}, ack)` | `{ok: true, filters, seq}`: all filters in force, and the number behind which everything will be seen |
//! | `emit("unsubscribe", filters, ack)` | the same |
//! | `emit("publish", {topic, data, source, subject, id}, ack)`, of which only `topic` must be there; `emit("publish", topic, data, ack)` | `{ok: true, id, seq, matched, disposition}` once the event is accepted |
//!
//! What was not done is answered by `{ok: false, status, detail}`. A client that has subscribed is sent each event in the
//! JSON format of CloudEvents 1.0, once under its topic and once under `event`; a client that subscribes is in the room of
//! each of its filters. What it read too slowly, or what its past has no more, is told as `missed` (`{count, reason, first}`);
//! `bye` says that the host stops. A token comes in the connect packet: `io(url, {auth: {token}})`.
//!
//! What bounds a client: the bytes of a message, its filters, [`COMMANDS_MAX`](connect::COMMANDS_MAX) requests under way, its
//! watcher's queue, and the window of what is on its way to it ([`flow`]). Their number is bounded, those included that have not yet
//! said who they are ([`clients`]).

use axum::middleware::from_fn_with_state;
use socketioxide::handler::ConnectHandler;
use socketioxide::{ParserConfig, SocketIo};
use utoipa_axum::router::OpenApiRouter;

use crate::shared::Shared;

mod args;
mod claude;
mod clients;
mod connect;
pub(crate) mod flow;
mod session;
mod track;

use clients::{CONNECT_TIMEOUT, Clients};
use connect::{Door, PACKETS_MAX};

/// The routes.
pub(crate) fn routes(shared: &Shared) -> OpenApiRouter<Shared> {
    let bytes = shared.settings.message_bytes_max;
    let parser = ParserConfig::common().max_incoming_binaries(16).max_incoming_binary_buf_size(bytes);
    let (service, io) = SocketIo::builder()
        .max_payload(u64::try_from(bytes).unwrap_or(u64::MAX))
        .ws_max_message_size(bytes)
        .ws_max_frame_size(bytes)
        .max_buffer_size(PACKETS_MAX)
        .connect_timeout(CONNECT_TIMEOUT)
        .with_parser(parser)
        .build_svc();
    let clients = Clients::new(shared.settings.socketio_clients_max);
    let door = Door::new(shared.clone(), clients.clone());
    let begin = door.clone();
    // Handlers are there before the client hears that it is connected: one that speaks at once is heard.
    io.ns("/", (move |socket, io| begin.begin(socket, io)).with(move |socket, auth| door.open(socket, auth)));
    OpenApiRouter::new()
        .route_service("/socket.io/", service)
        .layer(from_fn_with_state((shared.clone(), clients), track::track))
}
