//! `wasi:messaging`: components that were made for other hosts of that interface, as plugins.
//!
//! An event comes in as a message, what `producer.send` is given is staged in the outbox like any publish, `request-reply.reply`
//! is the answer of the delivery. There is no `init`: filters are the manifest's. `request-reply.request` is refused: what a
//! handler sends leaves with its ack, so nobody could answer before.
//!
//! What bounds a guest here: messages, clients and options by the resources of the instance; all messages that it holds
//! together by `hostcall_bytes` beside the event at hand (fault `host-call`, because the functions that make them longer have
//! no error to return); what it sends by the outbox; one answer of `reply_bytes`. Nothing waits.

use std::sync::Arc;

use plugbus_bus::{Delivery, Payload};
use wasmtime::Store;
use wasmtime::component::{HasSelf, Linker, Resource};

use crate::bindings::plugbus::plugin::types::{Failure, RetryHint};
use crate::state::State;
use bindings::MessagingRequestReply;
use bindings::wasi::messaging::types::Error;

mod host;
mod message;

#[allow(unreachable_pub, reason = "the generated code names it in public")]
pub use message::Message;

/// The interfaces as Rust types, made from the WIT files. The host's functions are quick and never wait.
pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "wasi:messaging/messaging-request-reply",
        imports: { default: trappable },
        exports: { default: async },
        with: {
            "wasi:messaging/types.client": super::Client,
            "wasi:messaging/types.message": super::Message,
            "wasi:messaging/request-reply.request-options": super::RequestOptions,
        },
    });
}

/// What a guest sends with. There is one bus: whatever the name, a client leads there.
#[allow(unreachable_pub, reason = "the generated code names it in public")]
pub struct Client {
    connected: bool,
}

/// The options of a request, which is refused: nobody reads them.
#[allow(unreachable_pub, reason = "the generated code names it in public")]
pub struct RequestOptions;

/// What one instance has of messages on the host's side.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    /// Bytes of all messages that it holds.
    bytes: u64,
    /// Most bytes that they may have together.
    bytes_max: u64,
    /// The number of the running call, by which a message that was kept from an earlier one is known.
    call: u64,
    /// The answer to the message at hand.
    reply: Option<Payload>,
}

/// The messages that an instance holds are longer together than they may be.
#[derive(Debug, thiserror::Error)]
#[error("the messages that the guest holds have more bytes together than it may pass in one call")]
pub(crate) struct HeldTooMuch;

impl Messages {
    /// A call begins, of a guest whose messages may have so many bytes: whatever was answered before, it has no answer yet.
    pub(crate) fn begin(&mut self, bytes_max: u64) {
        self.bytes_max = bytes_max;
        self.call = self.call.wrapping_add(1);
        self.reply = None;
    }

    /// A message has changed its length. Only growth is refused.
    fn charge(&mut self, before: u64, after: u64) -> Result<(), HeldTooMuch> {
        self.bytes = self.bytes.saturating_sub(before).saturating_add(after);
        if after > before && self.bytes > self.bytes_max { Err(HeldTooMuch) } else { Ok(()) }
    }
}

/// Puts the interfaces into a linker.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    MessagingRequestReply::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

impl State {
    /// Puts the event at hand into the table, as a message that the guest then owns.
    fn receive(&mut self, delivery: &Delivery) -> wasmtime::Result<Resource<Message>> {
        let message = Message::received(&delivery.event, self.messages.call);
        let bytes = message.bytes();
        // The bound is on what the guest makes and keeps: an event that is longer than it must come in all the same.
        self.messages.bytes_max = self.messages.bytes_max.saturating_add(bytes);
        self.messages.charge(0, bytes)?;
        Ok(self.table.push(message)?)
    }
}

/// Hands one event over: what the guest answers, in the terms of the other contract.
pub(crate) async fn handle(
    guest: &MessagingRequestReply,
    store: &mut Store<State>,
    delivery: &Arc<Delivery>,
) -> wasmtime::Result<Result<Option<Payload>, Failure>> {
    let message = store.data_mut().receive(delivery)?;
    let answer = guest.wasi_messaging_incoming_handler().call_handle(&mut *store, message).await?;
    Ok(match answer {
        Ok(()) => Ok(store.data_mut().messages.reply.take()),
        Err(error) => Err(failure(error)),
    })
}

/// What follows from an error of the handler: what may pass comes again, by the policy of the manifest; what a permission
/// forbids is forbidden the next time too. `other` says nothing of which it is, and a repetition loses less. Pure.
fn failure(error: Error) -> Failure {
    let retry = |reason: String| Failure::Retry(RetryHint { reason, after_ms: None });
    match error {
        Error::Timeout => retry("timeout".to_owned()),
        Error::Connection(why) => retry(format!("connection: {why}")),
        Error::PermissionDenied(why) => Failure::Reject(format!("permission-denied: {why}")),
        Error::Other(why) => retry(format!("other: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_over_the_bound_is_refused_and_shrinking_never_is() {
        let mut messages = Messages { bytes_max: 100, ..Messages::default() };
        assert!(messages.charge(0, 60).is_ok() && messages.charge(0, 40).is_ok());
        assert!(messages.charge(0, 1).is_err());
        assert!(messages.charge(60, 10).is_ok());
        assert_eq!(messages.bytes, 51);
        assert!(messages.charge(10, 60).is_err());
        assert!(messages.charge(60, 59).is_ok() && messages.charge(59, 0).is_ok());
        assert_eq!(messages.bytes, 41);
    }

    #[test]
    fn an_error_of_the_handler_is_a_retry_unless_it_is_one_of_permission() {
        let named = |error| match failure(error) {
            Failure::Retry(hint) => (true, hint.reason, hint.after_ms),
            Failure::Reject(reason) => (false, reason, None),
        };
        assert_eq!(named(Error::Timeout), (true, "timeout".into(), None));
        assert_eq!(named(Error::Connection("x".into())), (true, "connection: x".into(), None));
        assert_eq!(named(Error::PermissionDenied("x".into())), (false, "permission-denied: x".into(), None));
        assert_eq!(named(Error::Other("x".into())), (true, "other: x".into(), None));
    }
}
