//! What a guest may call of `wasi:messaging`. Everything that comes in here is untrusted; it is bounded by the hostcall fuel
//! before it arrives, and what stays is counted in [`Messages`](super::Messages).

use plugbus_bus::InvalidEvent;
use wasmtime::component::{Resource, ResourceTableError};

use super::bindings::wasi::messaging::types::{self, Error};
use super::bindings::wasi::messaging::{producer, request_reply};
use super::message::Message;
use super::{Client, RequestOptions};
use crate::imports::{NotStaged, check_reply, stage};
use crate::log::LogLevel;
use crate::metrics::Metrics;
use crate::state::State;
use crate::text::cut;

/// Most bytes of an error's text.
const TEXT_BYTES_MAX: usize = 1 << 10;

impl State {
    /// Changes a message; what it has grown by counts.
    fn change(&mut self, message: &Resource<Message>, change: impl FnOnce(&mut Message)) -> wasmtime::Result<()> {
        let message = self.table.get_mut(message)?;
        let before = message.bytes();
        change(message);
        let after = message.bytes();
        Ok(self.messages.charge(before, after)?)
    }

    /// Takes a message out of the guest's hands.
    fn take(&mut self, message: Resource<Message>) -> wasmtime::Result<Message> {
        let message = self.table.delete(message)?;
        self.messages.charge(message.bytes(), 0)?;
        Ok(message)
    }

    /// Stages a message as an event.
    fn send_as_event(&self, topic: &str, message: Message) -> Result<(), NotStaged> {
        stage(self, topic, |cause| message.into_parts(cause)).map(drop)
    }

    /// Keeps a message as the answer to the one at hand, which leaves with the ack.
    fn keep_reply(&mut self, received_in: Option<u64>, message: Message) -> Result<(), String> {
        let delivery = self.log.delivery().filter(|_| received_in == Some(self.messages.call));
        let delivery = delivery.ok_or("only the message that is being handled can be replied to")?;
        if self.messages.reply.is_some() {
            return Err(
                "the message has its answer: an event has one, which leaves with the ack; `send` more to a topic"
                    .into(),
            );
        }
        let (payload, metadata) = message.into_parts(&delivery.event);
        check_reply(&self.template, &delivery.event.topic, &payload)
            .map_err(|error| format!("the reply is not acceptable: {error}"))?;
        if !metadata.is_empty() {
            let names: Vec<_> = metadata.iter().map(|(key, _)| key.escape_debug().to_string()).collect();
            let text =
                format!("an answer carries data and content type; its metadata is left out: {}", names.join(", "));
            self.log.host(LogLevel::Warn, &cut(&text, TEXT_BYTES_MAX));
        }
        self.messages.reply = Some(payload);
        Ok(())
    }
}

impl types::Host for State {}

impl types::HostClient for State {
    fn connect(&mut self, _name: String) -> wasmtime::Result<Result<Resource<Client>, Error>> {
        match self.table.push(Client { connected: true }) {
            Ok(client) => Ok(Ok(client)),
            Err(ResourceTableError::Full) => Ok(Err(Error::Other(
                "the instance holds as many resources of the host as it may; drop clients and messages first".into(),
            ))),
            Err(error) => Err(error.into()),
        }
    }

    fn disconnect(&mut self, client: Resource<Client>) -> wasmtime::Result<Result<(), Error>> {
        self.table.get_mut(&client)?.connected = false;
        Ok(Ok(()))
    }

    fn drop(&mut self, client: Resource<Client>) -> wasmtime::Result<()> {
        self.table.delete(client)?;
        Ok(())
    }
}

impl types::HostMessage for State {
    fn new(&mut self, data: Vec<u8>) -> wasmtime::Result<Resource<Message>> {
        let message = Message::new(data);
        self.messages.charge(0, message.bytes())?;
        Ok(self.table.push(message)?)
    }

    fn topic(&mut self, message: Resource<Message>) -> wasmtime::Result<Option<String>> {
        Ok(self.table.get(&message)?.topic().map(|topic| topic.as_str().to_owned()))
    }

    fn content_type(&mut self, message: Resource<Message>) -> wasmtime::Result<Option<String>> {
        Ok(self.table.get(&message)?.content_type().map(str::to_owned))
    }

    fn set_content_type(&mut self, message: Resource<Message>, content_type: String) -> wasmtime::Result<()> {
        self.change(&message, |message| message.set_content_type(content_type.into()))
    }

    fn data(&mut self, message: Resource<Message>) -> wasmtime::Result<Vec<u8>> {
        Ok(self.table.get(&message)?.data().to_vec())
    }

    fn set_data(&mut self, message: Resource<Message>, data: Vec<u8>) -> wasmtime::Result<()> {
        self.change(&message, |message| message.set_data(data.into()))
    }

    fn metadata(&mut self, message: Resource<Message>) -> wasmtime::Result<Option<Vec<(String, String)>>> {
        let metadata = self.table.get(&message)?.metadata();
        let pairs = metadata.iter().map(|(key, value)| (key.clone(), value.clone()));
        Ok((!metadata.is_empty()).then(|| pairs.collect()))
    }

    fn add_metadata(&mut self, message: Resource<Message>, key: String, value: String) -> wasmtime::Result<()> {
        self.change(&message, |message| message.add(key, value))
    }

    fn set_metadata(&mut self, message: Resource<Message>, meta: Vec<(String, String)>) -> wasmtime::Result<()> {
        self.change(&message, |message| message.set_metadata(meta))
    }

    fn remove_metadata(&mut self, message: Resource<Message>, key: String) -> wasmtime::Result<()> {
        self.change(&message, |message| message.remove(&key))
    }

    fn drop(&mut self, message: Resource<Message>) -> wasmtime::Result<()> {
        self.take(message)?;
        Ok(())
    }
}

impl producer::Host for State {
    fn send(
        &mut self,
        client: Resource<Client>,
        topic: String,
        message: Resource<Message>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let connected = self.table.get(&client)?.connected;
        let message = self.take(message)?;
        if !connected {
            return Ok(Err(Error::Connection("the client is disconnected; connect another one".into())));
        }
        Ok(self.send_as_event(&topic, message).map_err(refusal))
    }
}

/// Why a message was not taken, as the interface has it. Pure.
fn refusal(error: NotStaged) -> Error {
    let cut = |text: String| cut(&text, TEXT_BYTES_MAX).into_owned();
    match &error {
        NotStaged::Denied(_) => Error::PermissionDenied(cut(error.to_string())),
        NotStaged::Event(InvalidEvent::Extension { name, .. }) => {
            let name = name.escape_debug();
            Error::Other(cut(format!(
                "metadata key `{name}`: {error}; a message's metadata is published as extension attributes of CloudEvents, so \
                 give the key a name that one may have (a to z and 0 to 9), or remove it before you send the message"
            )))
        }
        NotStaged::Topic(_) | NotStaged::Event(_) | NotStaged::Full(_) => Error::Other(cut(error.to_string())),
    }
}

/// Why there are no requests.
const NO_REQUESTS: &str = "`request` is not served here: what a handler sends leaves when it has acked, so no answer can come \
    before that; `send` the question, and have the topic of the answer among the manifest's `filters`";

impl request_reply::Host for State {
    fn request(
        &mut self,
        _client: Resource<Client>,
        _topic: String,
        _message: Resource<Message>,
        options: Option<Resource<RequestOptions>>,
    ) -> wasmtime::Result<Result<Vec<Resource<Message>>, Error>> {
        if let Some(options) = options {
            self.table.delete(options)?;
        }
        Metrics::add(&self.template.metrics.publishes_denied, 1);
        self.template.denials.note("request", NO_REQUESTS);
        Ok(Err(Error::Other(NO_REQUESTS.into())))
    }

    fn reply(
        &mut self,
        reply_to: Resource<Message>,
        message: Resource<Message>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let received_in = self.table.get(&reply_to)?.received_in();
        let message = self.take(message)?;
        Ok(self.keep_reply(received_in, message).map_err(Error::Other))
    }
}

impl request_reply::HostRequestOptions for State {
    fn new(&mut self) -> wasmtime::Result<Resource<RequestOptions>> {
        Ok(self.table.push(RequestOptions)?)
    }

    fn set_timeout_ms(&mut self, _options: Resource<RequestOptions>, _timeout_ms: u32) -> wasmtime::Result<()> {
        Ok(())
    }

    fn set_expected_replies(&mut self, _options: Resource<RequestOptions>, _expected: u32) -> wasmtime::Result<()> {
        Ok(())
    }

    fn drop(&mut self, options: Resource<RequestOptions>) -> wasmtime::Result<()> {
        self.table.delete(options)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_key_that_cannot_be_published_and_what_may_take_its_place() {
        let problem = "has a name with other characters than a to z and 0 to 9".to_owned();
        let error = NotStaged::Event(InvalidEvent::Extension { name: "X-Request-Id".into(), problem });
        let Error::Other(text) = refusal(error) else { panic!("other") };
        assert!(text.starts_with("metadata key `X-Request-Id`: ") && text.contains("remove it"), "{text}");
        assert!(matches!(refusal(NotStaged::Denied("no".into())), Error::PermissionDenied(text) if text == "no"));
        assert!(matches!(refusal(NotStaged::Full("64".into())), Error::Other(text) if text == "64"));
    }
}
