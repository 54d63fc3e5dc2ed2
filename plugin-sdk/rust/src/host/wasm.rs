//! The contract's imports and exports, through wit-bindgen.

use std::time::Duration;

use bindings::plugbus::plugin::{publisher, types};
use bindings::wasi::logging::logging;

use crate::log::Level;
use crate::{Body, Event, Failure, Payload, PublishError};

/// What wit-bindgen makes of `wit/`.
#[allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "generated code: crossing the border of a component takes raw pointers"
)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "plugin",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_component",
        default_bindings_module: "plugbus_sdk::__private::bindings",
    });
}

pub(crate) fn publish(
    topic: String,
    payload: Payload,
    extensions: Vec<(String, String)>,
) -> Result<String, PublishError> {
    publisher::publish(&topic, &payload.into(), &extensions).map_err(|error| match error {
        publisher::PublishError::Denied(text) => PublishError::Denied(text),
        publisher::PublishError::Invalid(text) => PublishError::Invalid(text),
        publisher::PublishError::OverLimit(text) => PublishError::OverLimit(text),
    })
}

pub(crate) fn log(level: Level, context: &str, message: &str) {
    let level = match level {
        Level::Trace => logging::Level::Trace,
        Level::Debug => logging::Level::Debug,
        Level::Info => logging::Level::Info,
        Level::Warn => logging::Level::Warn,
        Level::Error => logging::Level::Error,
        Level::Critical => logging::Level::Critical,
    };
    logging::log(level, context, message);
}

/// What `export!` needs.
pub(crate) mod exports {
    pub use super::bindings;
    pub use super::bindings::export_component;
    pub use super::bindings::exports::plugbus::plugin::subscriber::{Event as GuestEvent, Guest};

    use super::bindings::exports::plugbus::plugin::subscriber::Registration;
    use super::types;
    use crate::Plugin;
    use crate::slot::Slot;

    /// What `init` returns.
    pub type InitResult = Result<Registration, String>;
    /// What `handle` returns.
    pub type HandleResult = Result<Option<types::Payload>, types::Failure>;

    /// `init` of the contract.
    pub fn init<P: Plugin>(slot: &Slot<P>, config: &str) -> InitResult {
        slot.init(config).map(|filters| Registration { filters })
    }

    /// `handle` of the contract.
    pub fn handle<P: Plugin>(slot: &Slot<P>, event: GuestEvent) -> HandleResult {
        match slot.handle(event.into()) {
            Ok(answer) => Ok(answer.map(Into::into)),
            Err(failure) => Err(failure.into()),
        }
    }
}

impl From<types::Event> for Event {
    fn from(event: types::Event) -> Self {
        let types::Event { id, source, topic, subject, time_ns, payload, extensions, attempt } = event;
        Self { id, source, topic, subject, time_ns, payload: payload.into(), extensions, attempt }
    }
}

impl From<types::Payload> for Payload {
    fn from(payload: types::Payload) -> Self {
        let body = match payload.body {
            types::Body::Text(text) => Body::Text(text),
            types::Body::Bytes(bytes) => Body::Bytes(bytes),
        };
        Self { content_type: payload.content_type, body }
    }
}

impl From<Payload> for types::Payload {
    fn from(payload: Payload) -> Self {
        let body = match payload.body {
            Body::Text(text) => types::Body::Text(text),
            Body::Bytes(bytes) => types::Body::Bytes(bytes),
        };
        Self { content_type: payload.content_type, body }
    }
}

impl From<Failure> for types::Failure {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Retry { reason, after } => {
                Self::Retry(types::RetryHint { reason, after_ms: after.map(milliseconds) })
            }
            Failure::Reject(reason) => Self::Reject(reason),
        }
    }
}

/// Rounded up, so that a wait is never shorter than asked for.
fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
