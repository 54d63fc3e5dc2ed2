//! The guest of an instance, whichever contract it follows: how it is made, started and handed an event. What bounds its calls
//! is the business of `instance`.

use std::sync::Arc;

use plugbus_bus::{Delivery, Payload};
use wasmtime::Store;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{ComponentNamedList, InstancePre, Lift, Lower, Resource};

use crate::bindings::exports::plugbus::plugin::subscriber::{Payload as PluginPayload, Registration};
use crate::bindings::plugbus::plugin::types::{BodyParam, Event, Failure, PayloadParam};
use crate::bindings::{Plugin, PluginPre};
use crate::contract::{self, Contract};
use crate::imports::from_guest;
use crate::messaging;
use crate::messaging::bindings::wasi::messaging::types::Error as MessagingError;
use crate::messaging::bindings::{MessagingRequestReply, MessagingRequestReplyPre};
use crate::state::State;

/// A linked guest, ready to be made.
pub(crate) enum GuestPre {
    Plugin(PluginPre<State>),
    Messaging(MessagingRequestReplyPre<State>),
}

/// A guest that lives.
pub(crate) enum Guest {
    Plugin(Plugin),
    Messaging(MessagingRequestReply),
}

impl GuestPre {
    /// Compares the types of the exported functions with the contract's: a mismatch shows at load, not at the first event.
    pub(crate) fn new(contract: Contract, pre: InstancePre<State>) -> wasmtime::Result<Self> {
        match contract {
            Contract::Plugin => {
                typecheck::<(&str,), (Result<Registration, String>,)>(&pre, contract::SUBSCRIBER, "init")?;
                typecheck::<(Event<'_>,), (Result<Option<PluginPayload>, Failure>,)>(
                    &pre,
                    contract::SUBSCRIBER,
                    "handle",
                )?;
                Ok(Self::Plugin(PluginPre::new(pre)?))
            }
            Contract::Messaging => {
                type Message = Resource<messaging::Message>;
                typecheck::<(Message,), (Result<(), MessagingError>,)>(&pre, contract::INCOMING_HANDLER, "handle")?;
                Ok(Self::Messaging(MessagingRequestReplyPre::new(pre)?))
            }
        }
    }

    /// Makes the guest and runs its `init`, where the contract has one: where it has none, nothing is registered.
    pub(crate) async fn start(
        &self,
        store: &mut Store<State>,
        config_json: &str,
    ) -> wasmtime::Result<(Guest, Result<Registration, String>)> {
        match self {
            Self::Plugin(pre) => {
                let guest = pre.instantiate_async(&mut *store).await?;
                let answer = guest.plugbus_plugin_subscriber().call_init(&mut *store, config_json).await?;
                Ok((Guest::Plugin(guest), answer))
            }
            Self::Messaging(pre) => {
                let guest = pre.instantiate_async(&mut *store).await?;
                Ok((Guest::Messaging(guest), Ok(Registration { filters: Vec::new() })))
            }
        }
    }
}

impl Guest {
    /// Hands over one event.
    pub(crate) async fn handle(
        &self,
        store: &mut Store<State>,
        delivery: &Arc<Delivery>,
    ) -> wasmtime::Result<Result<Option<Payload>, Failure>> {
        match self {
            Self::Plugin(guest) => {
                let extensions: Vec<(&str, &str)> =
                    delivery.event.extensions.iter().map(|(name, value)| (&**name, &**value)).collect();
                let event = lower(delivery, &extensions);
                let answer = guest.plugbus_plugin_subscriber().call_handle(store, event).await?;
                Ok(answer.map(|reply| reply.map(from_guest)))
            }
            Self::Messaging(guest) => messaging::handle(guest, store, delivery).await,
        }
    }
}

fn typecheck<Params, Return>(pre: &InstancePre<State>, interface: &str, name: &str) -> wasmtime::Result<()>
where
    Params: ComponentNamedList + Lower,
    Return: ComponentNamedList + Lift,
{
    let (component, types) = (pre.component(), pre.instance_type());
    let instance = component.get_export_index(None, interface);
    let item = instance.as_ref().and_then(|instance| component.get_export(Some(instance), name));
    match item.map(|(item, _)| item) {
        Some(ComponentItem::ComponentFunc(function)) => {
            function.typecheck::<Params, Return>(&types).map_err(|error| error.context(format!("function `{name}`")))
        }
        _ => Err(wasmtime::format_err!("`{interface}` has no function `{name}`")),
    }
}

/// The event as the guest gets it, borrowed from the bus's own buffers.
fn lower<'a>(delivery: &'a Delivery, extensions: &'a [(&'a str, &'a str)]) -> Event<'a> {
    let event = &*delivery.event;
    let data = &event.payload.data;
    let body = match std::str::from_utf8(data) {
        Ok(text) => BodyParam::Text(text),
        Err(_) => BodyParam::Bytes(data),
    };
    Event {
        id: &event.id,
        source: &event.source,
        topic: event.topic.as_str(),
        subject: event.subject.as_deref(),
        time_ns: event.time_ns,
        payload: PayloadParam { content_type: &event.payload.content_type, body },
        extensions,
        attempt: delivery.attempt,
    }
}
