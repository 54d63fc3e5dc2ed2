//! The plugbus event bus: topics, subscriptions, delivery, retry and dead letters, in one process.
//!
//! Usable alone, without WebAssembly, files or network:
//!
//! ```
//! use plugbus_bus::{Bus, Event};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let bus = Bus::default();
//! let orders = bus.subscribe("orders.*").name("audit").on(|delivery| async move {
//!     println!("{}: {:?}", delivery.event.topic, delivery.event.payload);
//! })?;
//! let receipt = bus.publish(Event::draft("orders.created")?.json(&42)?).await?;
//! assert_eq!(receipt.matched, 1);
//! drop(orders); // unsubscribes
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # The way of an event
//!
//! [`Bus::publish`] checks and stamps the [`Draft`], finds the subscriptions whose [`Filter`] matches, calls inline handlers
//! and puts the [`Event`] into the queue of each of the others. A worker task takes it out, calls the [`Handler`] with a
//! [`Delivery`], and [`delivery::decide`] says from the [`Outcome`] whether it is acked, retried or a [`DeadLetter`]. On ack
//! the handler's own publishes, its [`Outbox`], are released into the bus.
//!
//! # What is promised
//!
//! An accepted event reaches every subscription that matches, or ends as a dead letter that says why, or is counted as
//! dropped by a policy that asked for it. See `host/ARCHITECTURE.md` for all promises and the tests that hold them.

pub mod cloudevents;
pub mod delivery;
pub mod event;
pub mod handler;
pub mod journal;
pub mod name;
pub mod outbox;
pub mod settings;
pub mod topic;
pub mod trace;

mod accept;
mod bus;
mod clock;
mod control;
mod dead;
mod dead_api;
mod dead_select;
mod durable;
mod durable_api;
mod event_log;
mod gate;
mod handle;
mod histogram;
mod history;
mod host_events;
mod ids;
mod inline;
mod lifecycle;
mod place;
mod placed;
mod publish;
mod queue;
mod release;
mod retry;
mod route;
mod settlement;
mod slot;
mod state;
mod stats;
mod stream;
mod subscribe;
mod topics;
mod typed;
mod watch;
mod worker;

pub use bus::HOPS_MAX;
pub use control::{Control, Replace, Replaced, Subscription};
pub use dead::{ATTEMPTS_KEPT, AttemptRecord, DeadFilter, DeadLetter, DeadLetterLimits, DeadReason, DeadStats};
pub use dead_api::{DeadLetterBox, ReplayError};
pub use dead_select::{DeadChosen, DeadSelect, DeadSelectError};
pub use durable::Start;
pub use durable_api::{AbsentCursor, Past, PastError, PastReplayed};
pub use event::{Draft, Event, EventLimits, InvalidEvent, JSON, Payload};
pub use event_log::EventLog;
pub use gate::{HoldGuard, HoldMode, MuteGuard};
pub use handle::{Bus, BusBuilder, Publishing, WaitError};
pub use handler::{BoxFuture, Delivery, Failure, Fault, FaultKind, Handler, HandlerError, IntoOutcome, Outcome, Reply};
pub use histogram::{Histogram, HistogramSnapshot, TIME_STEPS_NS};
pub use history::{History, HistoryLimits, HistoryStats};
pub use host_events::HOST_SOURCE;
pub use inline::{Flow, IntoFlow};
pub use lifecycle::{ShutdownReport, Unsettled};
pub use name::{Name, NameError};
pub use outbox::{Outbox, OutboxFull, OutboxLimits};
pub use publish::{Disposition, PublishError, Receipt, RequestError};
pub use retry::RetryPolicy;
pub use settings::{OrderingKey, Settings, SourceFilter, WhenFull};
pub use settlement::{Settlement, SettlementCounts, Settlements};
pub use state::{State, StateError, StateLimits, StateStats};
pub use stats::{BusStats, DurableStats, SubscriptionStats};
pub use stream::EventStream;
pub use subscribe::{FILTERS_MAX, IntoFilters, Subscribe, SubscribeError};
pub use topic::{Filter, Topic, TopicError};
pub use topics::TopicInfo;
pub use trace::{Attempted, Notes, Published, TraceParent, Tracer};
pub use typed::{TypedError, TypedEvent};
pub use watch::{Watch, WatchCounters, WatchError, WatchLimits, Watched, Watcher};
