//! Emits each event to a Socket.IO server, by Engine.IO's polling over HTTP.
//!
//! A session is begun with the first event and kept for those that follow: two requests an event then, one that emits and one
//! that brings the ack. Between events nobody polls, so the server ends the session when a ping has gone unanswered (45 s by
//! default); the next event notices and begins another.

mod config;
mod packet;
mod session;

use plugbus_sdk::prelude::*;

use config::RESERVED;
pub use config::{Config, Format};
use packet::PLACEHOLDER;
use session::{Broken, Server, Session};

/// The plugin. Its session lives as long as the instance; nothing is lost with it.
pub struct RelaySocketio {
    server: Server,
    event: Option<String>,
    format: Format,
    wants_ack: bool,
    session: Option<Session>,
}

impl Plugin for RelaySocketio {
    /// Everything but the host's own events; name what you want in the manifest's `filters`.
    const FILTERS: &[&str] = &[">"];
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        config.check().map_err(|problem| Failure::reject(format!("config: {problem}")))?;
        let server = Server::new(&config);
        Ok(Self { server, event: config.event, format: config.format, wants_ack: config.ack, session: None })
    }

    fn handle(&mut self, event: Event) -> Result<Reply> {
        if event.is_tick() {
            return Ok(Reply::none());
        }
        let name = self.event.clone().unwrap_or_else(|| event.topic.clone());
        if RESERVED.contains(&name.as_str()) {
            return Err(Failure::reject(format!("`{name}` means something to Socket.IO itself: set `event`")));
        }
        let (argument, bytes) = argument(event, self.format)?;
        let arguments = self.emit(&name, &argument, bytes.as_deref())?;
        refusal(arguments.first())?;
        Ok(Reply::none())
    }
}

impl RelaySocketio {
    /// Emits over the session that there is, or over a new one where the server has forgotten it.
    fn emit(&mut self, name: &str, argument: &str, bytes: Option<&[u8]>) -> Result<Vec<Value>> {
        let deadline = self.server.deadline();
        let is_kept = self.session.is_some();
        for is_new in [!is_kept, true] {
            let mut session = match self.session.take() {
                Some(session) => session,
                None => self.server.open(deadline)?,
            };
            let packet = |ack| packet::emit(self.server.namespace(), ack, name, argument, bytes);
            match self.server.emit(&mut session, self.wants_ack, deadline, packet) {
                Ok(arguments) => {
                    self.session = Some(session);
                    return Ok(arguments);
                }
                Err(Broken::Forgotten) if !is_new => {}
                Err(Broken::Forgotten) => return Err(Failure::retry("the server has forgotten the session at once")),
                Err(Broken::Failed(failure)) => {
                    // What is still on its way must not be taken for the answer to the next emit.
                    self.server.close(&session, deadline);
                    return Err(failure);
                }
            }
        }
        Err(Failure::retry("the server forgets every session"))
    }
}

/// What is emitted, as JSON, with bytes beside it.
fn argument(event: Event, format: Format) -> Result<(String, Option<Vec<u8>>)> {
    if format == Format::Cloudevent {
        return Ok((event.to_cloudevent(), None));
    }
    let is_json = event.payload.is_json();
    Ok(match event.payload.body {
        Body::Bytes(bytes) => (PLACEHOLDER.to_owned(), Some(bytes)),
        Body::Text(text) if is_json && serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok() => (text, None),
        Body::Text(text) => (Value::from(text).to_string(), None),
    })
}

/// Whether the first argument of an ack says no, as plugbus' own gateway and many other servers say it: an `error`, or `ok`
/// that is false. With the `status` of something that may pass it is retried.
fn refusal(argument: Option<&Value>) -> Result<()> {
    let Some(Value::Object(members)) = argument else { return Ok(()) };
    let error = members.get("error").filter(|error| !error.is_null() && **error != Value::Bool(false));
    if error.is_none() && members.get("ok") != Some(&Value::Bool(false)) {
        return Ok(());
    }
    let text = error.map_or_else(
        || Value::from(members.clone()).to_string(),
        |error| match error.as_str() {
            Some(text) => text.to_owned(),
            None => error.to_string(),
        },
    );
    let shown: String = text.chars().take(200).flat_map(char::escape_debug).collect();
    let reason = format!("the server's listener says no: {shown}");
    match members.get("status").and_then(Value::as_u64) {
        Some(408 | 425 | 429 | 500..=599) => Err(Failure::retry(reason)),
        _ => Err(Failure::reject(reason)),
    }
}

plugbus_sdk::export!(RelaySocketio);

#[cfg(test)]
mod tests;
