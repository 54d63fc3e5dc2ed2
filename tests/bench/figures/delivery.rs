//! A delivery as a handler gets it, without a bus.

use std::sync::Arc;

use plugbus::bus::{Delivery, Event, Name, Notes, Outbox, OutboxLimits, Payload, State, StateLimits, Topic};

/// The first attempt of an event, with an outbox of its own, as on a bus.
pub(crate) fn delivery(topic: &str, payload: Payload) -> Delivery {
    let event = Event {
        id: "0199a1f2-7c3e-7d21-9f00-5a3c1b2d4e6f".into(),
        source: "native".into(),
        topic: Topic::parse(topic).expect("it is a topic"),
        subject: None,
        time_ns: 1_767_225_600_000_000_000,
        payload,
        extensions: Vec::new(),
        seq: 1,
        hops: 0,
    };
    Delivery {
        event: Arc::new(event),
        attempt: 1,
        subscription: Name::parse("bench").expect("it is a name"),
        outbox: Outbox::new(OutboxLimits::default()),
        state: State::detached(StateLimits::default()),
        notes: Notes::default(),
    }
}
