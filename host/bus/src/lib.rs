//! The plugbus event bus: topics, subscriptions, delivery, retry and dead letters. No WebAssembly, no files, no network.
pub mod event;
pub mod handler;
pub mod name;
pub mod outbox;
pub mod topic;

pub use event::{Draft, Event, EventLimits, InvalidEvent, JSON, Payload};
pub use handler::{BoxFuture, Delivery, Failure, Fault, FaultKind, Handler, HandlerError, IntoOutcome, Outcome, Reply};
pub use name::{Name, NameError};
pub use outbox::{Outbox, OutboxFull, OutboxLimits};
pub use topic::{Filter, Topic, TopicError};
