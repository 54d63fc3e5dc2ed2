//! The one seam of the bus: a [`Handler`] is given a [`Delivery`] and answers with an [`Outcome`].
//!
//! Sandboxed instances, native closures, sinks and test doubles all implement it; the worker that calls it knows no other.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::event::{Draft, Event, Payload};
use crate::name::Name;
use crate::outbox::{Outbox, OutboxFull};
use crate::state::State;
use crate::trace::Notes;

/// A boxed future, as the object-safe [`Handler`] returns it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One event on its way to one subscription.
#[derive(Debug)]
pub struct Delivery {
    /// The event, shared with every other subscription.
    pub event: Arc<Event>,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The subscription it is for.
    pub subscription: Name,
    /// What the handler publishes: released when it acks, thrown away when it does not.
    pub outbox: Outbox,
    /// What the subscription's handlers remember: changes are committed when it acks, thrown away when it does not.
    pub state: State,
    /// What the handler says of the attempt beside its outcome.
    pub notes: Notes,
}

impl Delivery {
    /// Publishes a consequence of the event in the subscription's name: staged in the outbox, released on ack, under the same
    /// id at every attempt. Returns that id. Short for [`Outbox::publish`].
    ///
    /// # Errors
    /// [`OutboxFull`] hands the draft back; [`Subscribe::outbox`](crate::Subscribe::outbox) says how much fits.
    pub fn publish(&self, draft: Draft) -> Result<String, OutboxFull> {
        self.outbox.publish(self.subscription.as_str(), &self.event, draft)
    }
}

/// What handles events.
///
/// One handler is given one delivery at a time. When the future is dropped (deadline, shutdown) the handler must be fit for
/// the next delivery.
pub trait Handler: Send + 'static {
    /// Handles one delivery. A panic is caught and becomes a [`Fault`] of kind [`FaultKind::Panic`].
    fn handle<'a>(&'a mut self, delivery: &'a Arc<Delivery>) -> BoxFuture<'a, Outcome>;
}

/// What became of one attempt.
pub type Outcome = Result<Reply, HandlerError>;

/// An acknowledgement, with an answer for a publisher that waits for one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply(pub Option<Payload>);

/// Why an attempt did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandlerError {
    /// The handler's own word.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// What the host saw.
    #[error(transparent)]
    Fault(#[from] Box<Fault>),
}

/// "I could not handle this": the handler's own word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Deliver again later.
    #[error("retry: {reason}")]
    Retry {
        /// For people.
        reason: String,
        /// Instead of the policy's backoff; bounded by [`RetryPolicy::retry_after_max`](crate::RetryPolicy).
        after: Option<Duration>,
    },
    /// Repetition is pointless.
    #[error("reject: {0}")]
    Reject(String),
}

impl Failure {
    /// Asks for another attempt after the policy's backoff.
    pub fn retry(reason: impl fmt::Display) -> Self {
        Self::Retry { reason: reason.to_string(), after: None }
    }

    /// Asks for another attempt after a delay of the handler's choice.
    pub fn retry_after(reason: impl fmt::Display, after: Duration) -> Self {
        Self::Retry { reason: reason.to_string(), after: Some(after) }
    }

    /// Gives the event up.
    pub fn reject(reason: impl fmt::Display) -> Self {
        Self::Reject(reason.to_string())
    }
}

/// What the host saw go wrong in a handler. The instance that did it is never used again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct Fault {
    /// Which bound or rule was broken, with its value.
    pub kind: FaultKind,
    /// One line for people.
    pub message: String,
    /// What the guest wrote to stderr during the call, cut to the log limit; the panic message, usually.
    pub stderr: Option<String>,
    /// The wasm backtrace, innermost frame first, symbolised where the component has names. At most 64 frames.
    pub backtrace: Vec<String>,
}

impl Fault {
    /// A fault with no more than a message.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), stderr: None, backtrace: Vec::new() }
    }
}

/// The kinds of fault. The limit that was hit travels with the kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// The guest trapped: panic, uncaught exception, unreachable code, access out of bounds, division by zero.
    Trap,
    /// A native handler panicked.
    Panic,
    /// The fuel of one call ran out.
    Fuel {
        /// Units of fuel.
        limit: u64,
    },
    /// The wall-clock time of one call ran out, host calls included.
    Deadline {
        /// The time allowed.
        limit: Duration,
    },
    /// The memory limit stopped the guest.
    Memory {
        /// Bytes per instance.
        limit_bytes: u64,
    },
    /// The guest's stack overflowed.
    Stack {
        /// Bytes of wasm stack.
        limit_bytes: u64,
    },
    /// A table grew over its limit.
    Table {
        /// Elements per instance.
        limit: u64,
    },
    /// One host call or its results were larger than the host will allocate for a guest.
    HostCall {
        /// Bytes, approximately (wasmtime's hostcall fuel).
        limit_bytes: u64,
    },
    /// The guest held more resources of the host's (streams, descriptors, requests), or handles to them, than it may.
    Handles {
        /// Per instance.
        limit: u64,
    },
    /// The guest broke the contract: an answer that is malformed or over its limits, an `init` that failed on a re-created
    /// instance.
    Contract,
    /// The handler was cut off because its generation was replaced or the bus stopped.
    Cancelled,
}

impl FaultKind {
    /// A short stable name: the label in metrics and the `kind` in events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Panic => "panic",
            Self::Fuel { .. } => "fuel",
            Self::Deadline { .. } => "deadline",
            Self::Memory { .. } => "memory",
            Self::Stack { .. } => "stack",
            Self::Table { .. } => "table",
            Self::HostCall { .. } => "host-call",
            Self::Handles { .. } => "handles",
            Self::Contract => "contract",
            Self::Cancelled => "cancelled",
        }
    }

    /// The limit that was hit, with its unit, where the kind has one.
    #[must_use]
    pub fn limit(self) -> Option<String> {
        match self {
            Self::Fuel { limit } => Some(format!("{limit} fuel")),
            Self::Deadline { limit } => Some(format!("{} ms", limit.as_millis())),
            Self::Memory { limit_bytes } | Self::Stack { limit_bytes } | Self::HostCall { limit_bytes } => {
                Some(format!("{limit_bytes} bytes"))
            }
            Self::Table { limit } => Some(format!("{limit} elements")),
            Self::Handles { limit } => Some(format!("{limit} handles")),
            Self::Trap | Self::Panic | Self::Contract | Self::Cancelled => None,
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.limit() {
            Some(limit) => write!(f, "{} limit ({limit})", self.name()),
            None => f.write_str(self.name()),
        }
    }
}

impl From<Fault> for HandlerError {
    fn from(fault: Fault) -> Self {
        Self::Fault(Box::new(fault))
    }
}

impl HandlerError {
    /// A short stable name: `retry`, `reject` or the kind of the fault.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Failure(Failure::Retry { .. }) => "retry",
            Self::Failure(Failure::Reject(_)) => "reject",
            Self::Fault(fault) => fault.kind.name(),
        }
    }

    /// The fault, if it is one.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Fault(fault) => Some(fault),
            Self::Failure(_) => None,
        }
    }
}

/// What a native handler may return: anything that says "handled", "handled, here is the answer" or "not handled".
pub trait IntoOutcome {
    /// Converts.
    fn into_outcome(self) -> Outcome;
}

impl IntoOutcome for () {
    fn into_outcome(self) -> Outcome {
        Ok(Reply(None))
    }
}

impl IntoOutcome for Payload {
    fn into_outcome(self) -> Outcome {
        Ok(Reply(Some(self)))
    }
}

impl IntoOutcome for Option<Payload> {
    fn into_outcome(self) -> Outcome {
        Ok(Reply(self))
    }
}

impl IntoOutcome for Reply {
    fn into_outcome(self) -> Outcome {
        Ok(self)
    }
}

impl<T: IntoOutcome, E: Into<HandlerError>> IntoOutcome for Result<T, E> {
    fn into_outcome(self) -> Outcome {
        self.map_err(Into::into).and_then(T::into_outcome)
    }
}
