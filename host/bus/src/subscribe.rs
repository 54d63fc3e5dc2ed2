//! Subscribing: the options, and the ways to receive.

use std::future::Future;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use crate::bus::{Inner, Registered, phase, subscription_json};
use crate::control::{Control, Subscription, Workers};
use crate::durable::Start;
use crate::durable::progress::Progress;
use crate::event::Event;
use crate::handler::{BoxFuture, Delivery, Handler, IntoOutcome, Outcome};
use crate::inline::IntoFlow;
use crate::name::{Name, NameError};
use crate::outbox::OutboxLimits;
use crate::retry::RetryPolicy;
use crate::settings::{CONCURRENCY_MAX, OrderingKey, Settings, SourceFilter, WhenFull};
use crate::slot::{Kind, Slot};
use crate::state::StateStore;
use crate::stream::EventStream;
use crate::topic::{Filter, Topic, TopicError};

/// Most filters of one subscription.
pub const FILTERS_MAX: usize = 64;

/// A subscription being made. Options first, then one of the ways to receive: [`on`](Subscribe::on),
/// [`handlers`](Subscribe::handlers), [`inline`](Subscribe::inline) or [`stream`](Subscribe::stream).
#[derive(Debug)]
#[must_use = "nothing is subscribed before `on`, `handlers`, `inline` or `stream`"]
pub struct Subscribe {
    bus: Arc<Inner>,
    filters: Result<Vec<Filter>, TopicError>,
    name: Option<Result<Name, NameError>>,
    settings: Settings,
    priority: i32,
    paused: bool,
    durable: Option<Start>,
}

/// Why a subscription was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// A filter is malformed.
    #[error("filter {0}")]
    Filter(#[from] TopicError),
    /// No filter, or more than [`FILTERS_MAX`].
    #[error("{count} filters; 1 to {FILTERS_MAX} are allowed")]
    FilterCount {
        /// How many were given.
        count: usize,
    },
    /// The name is malformed.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Another subscription has the name.
    #[error("a subscription named `{0}` exists already; names are unique on a bus")]
    NameTaken(Name),
    /// Concurrency over [`CONCURRENCY_MAX`], or a number of handlers that does not fit it.
    #[error("{handlers} handlers; 1 to {CONCURRENCY_MAX} are allowed")]
    Handlers {
        /// How many.
        handlers: usize,
    },
    /// The bus holds as many subscriptions as it may.
    #[error("the bus has {0} subscriptions, its bound; end some, or raise `BusBuilder::subscriptions_max`")]
    TooMany(usize),
    /// Not inside a tokio runtime: there is nowhere for the handler's task to run.
    #[error("no tokio runtime here: subscribe inside one, or use an inline handler")]
    NoRuntime,
    /// A durable subscription that cannot be one.
    #[error("not a durable subscription: {0}")]
    NotDurable(&'static str),
    /// The bus is shutting down.
    #[error("the bus is shutting down")]
    Closed,
}

impl Subscribe {
    pub(crate) fn new(bus: Arc<Inner>, filters: Result<Vec<Filter>, TopicError>) -> Self {
        Self { bus, filters, name: None, settings: Settings::default(), priority: 0, paused: false, durable: None }
    }

    /// A name, unique on the bus, for statistics, dead letters and replay. Made up when absent.
    pub fn name(mut self, name: impl AsRef<str>) -> Self {
        self.name = Some(Name::parse(name));
        self
    }

    /// All settings at once.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Deliveries in flight at once; 0 counts as 1. Over 1, events without an ordering key come in any order.
    pub fn concurrency(mut self, concurrency: u32) -> Self {
        self.settings.concurrency = NonZeroU32::new(concurrency).unwrap_or(NonZeroU32::MIN);
        self
    }

    /// Keeps events of one key in order at any concurrency.
    pub fn ordering_key(mut self, key: OrderingKey) -> Self {
        self.settings.ordering_key = Some(key);
        self
    }

    /// Events that may wait; 0 counts as 1.
    pub fn queue_events_max(mut self, events_max: usize) -> Self {
        self.settings.queue_events_max = NonZeroUsize::new(events_max).unwrap_or(NonZeroUsize::MIN);
        self
    }

    /// Bytes that may wait.
    pub fn queue_bytes_max(mut self, bytes_max: usize) -> Self {
        self.settings.queue_bytes_max = bytes_max;
        self
    }

    /// What a publisher meets when the queue is full.
    pub fn when_full(mut self, policy: WhenFull) -> Self {
        self.settings.when_full = policy;
        self
    }

    /// What happens after an attempt that did not succeed.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.settings.retry = policy;
        self
    }

    /// Only events of this source; a final `*` makes it a prefix.
    pub fn from_source(mut self, source: impl Into<Arc<str>>) -> Self {
        self.settings.source = Some(SourceFilter::new(source));
        self
    }

    /// Among inline handlers the higher priority is called first; those of one priority in order of registration.
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Ends after one event.
    pub fn once(self) -> Self {
        self.max_events(1)
    }

    /// Ends after so many events; 0 counts as 1.
    pub fn max_events(mut self, events_max: u64) -> Self {
        self.settings.events_max = Some(NonZeroU64::new(events_max).unwrap_or(NonZeroU64::MIN));
        self
    }

    /// Wall-clock time for one attempt; over it the attempt is a fault of kind deadline. Not for inline handlers.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = Some(timeout);
        self
    }

    /// Bounds on what one delivery may publish.
    pub fn outbox(mut self, limits: OutboxLimits) -> Self {
        self.settings.outbox = limits;
        self
    }

    /// Keeps events that the queue's policy drops as dead letters.
    pub fn dead_letter_drops(mut self, keep: bool) -> Self {
        self.settings.dead_letter_drops = keep;
        self
    }

    /// Begins paused: events queue up until [`Control::resume`].
    pub fn paused(mut self) -> Self {
        self.paused = true;
        self
    }

    /// Keeps its place in the bus's journal under its name: what was not settled comes again after a restart, and a queue that
    /// is full spills into the journal instead of making anybody wait. `start` says where to begin where the journal has no
    /// place of that name yet. For [`on`](Subscribe::on) and [`handlers`](Subscribe::handlers); needs a name and a bus with a
    /// journal ([`BusBuilder::journal`](crate::BusBuilder::journal)), and goes with neither `once` nor `max_events`.
    pub fn durable(mut self, start: Start) -> Self {
        self.durable = Some(start);
        self.settings.when_full = WhenFull::Spill;
        self
    }

    /// Handles events with an async closure, in tasks of its own. What it returns: nothing, a [`Payload`](crate::Payload) as
    /// reply, or a `Result` of these with a [`Failure`](crate::Failure).
    ///
    /// # Errors
    /// [`SubscribeError`]; among others when called outside a tokio runtime.
    pub fn on<F, R>(self, handler: F) -> Result<Subscription, SubscribeError>
    where
        F: Fn(Arc<Delivery>) -> R + Send + Sync + 'static,
        R: Future<Output: IntoOutcome> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let count = self.settings.concurrency.get();
        if count > CONCURRENCY_MAX {
            return Err(SubscribeError::Handlers { handlers: count as usize });
        }
        let one = || Box::new(Closure(handler.clone())) as Box<dyn Handler>;
        self.handlers((0..count).map(|_| one()).collect())
    }

    /// Handles events with the given handlers, each in a task of its own; their number is the concurrency.
    ///
    /// # Errors
    /// [`SubscribeError`]; among others when called outside a tokio runtime.
    pub fn handlers(mut self, handlers: Vec<Box<dyn Handler>>) -> Result<Subscription, SubscribeError> {
        self.settings.concurrency = concurrency_of(&handlers)?;
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| SubscribeError::NoRuntime)?;
        let (bus, durable) = (self.bus.clone(), self.durable.is_some());
        let slot = self.register(Kind::Queued)?;
        if durable {
            bus.begin_durable(&slot, &runtime);
        }
        slot.set_workers(Workers::spawn(&runtime, &slot, handlers, 0));
        Ok(Subscription::new(Control::new(slot)))
    }

    /// Handles events inside publish, on the publisher's thread, in order of priority. Needs no runtime. One attempt: there
    /// is no queue to retry from. What it returns: nothing, a reply, a [`Flow`](crate::Flow) (which can stop the event), or
    /// a `Result` of these.
    ///
    /// # Errors
    /// [`SubscribeError`].
    pub fn inline<F, R>(self, handler: F) -> Result<Subscription, SubscribeError>
    where
        F: Fn(&Delivery) -> R + Send + Sync + 'static,
        R: IntoFlow,
    {
        let handler = Box::new(move |delivery: &Delivery| handler(delivery).into_flow());
        let slot = self.register(Kind::Inline { handler, special: AtomicBool::new(false), observes: false })?;
        Ok(Subscription::new(Control::new(slot)))
    }

    /// Shows each event in the moment it is accepted, before any inline handler can stop it; on a bus with a journal in the
    /// moment it is committed, with its number, on the journal's thread. For watchers that put it somewhere and return: must
    /// not block. Needs no runtime.
    ///
    /// # Errors
    /// [`SubscribeError`].
    pub fn observe<F>(self, observer: F) -> Result<Subscription, SubscribeError>
    where
        F: Fn(&Arc<Event>) + Send + Sync + 'static,
    {
        let handler = Box::new(move |delivery: &Delivery| {
            observer(&delivery.event);
            ().into_flow()
        });
        let slot = self.register(Kind::Inline { handler, special: AtomicBool::new(false), observes: true })?;
        Ok(Subscription::new(Control::new(slot)))
    }

    /// Receives events as a stream. Each counts as acked when it is taken. The stream must be read: its queue is bounded
    /// like any other. Needs no runtime to make.
    ///
    /// # Errors
    /// [`SubscribeError`].
    pub fn stream(self) -> Result<EventStream, SubscribeError> {
        let slot = self.register(Kind::Stream)?;
        Ok(EventStream::new(Subscription::new(Control::new(slot))))
    }

    pub(crate) fn register(self, kind: Kind) -> Result<Arc<Slot>, SubscribeError> {
        let filters = self.filters?;
        let is_watch = matches!(kind, Kind::Watch { .. });
        if (filters.is_empty() && !is_watch) || filters.len() > FILTERS_MAX {
            return Err(SubscribeError::FilterCount { count: filters.len() });
        }
        check_durable(&self.bus, self.durable, self.name.is_some(), &self.settings, &kind)?;
        let name = self.name.transpose()?;
        let bus = self.bus;
        if bus.phase.load(SeqCst) != phase::OPEN {
            return Err(SubscribeError::Closed);
        }
        let slot = {
            let mut registry = bus.lock_registry();
            if registry.slots.len() >= bus.config.subscriptions_max {
                return Err(SubscribeError::TooMany(registry.slots.len()));
            }
            let number = registry.next_number;
            let name = name.unwrap_or_else(|| Name::generated("subscription", number));
            if registry.slots.values().any(|other| other.slot.name == name) {
                return Err(SubscribeError::NameTaken(name));
            }
            registry.next_number += 1;
            let (progress, store) = match (&bus.durable, self.durable) {
                (Some(durable), Some(start)) => {
                    let (cursor, store) = durable.open(&name, start);
                    (Some(Progress::new(cursor)), store)
                }
                _ => (None, Arc::new(StateStore::in_memory())),
            };
            let slot = Slot::new(number, name, filters, self.settings, self.priority, kind, progress, store, &bus);
            let slot = Arc::new(slot);
            if self.paused {
                slot.with_queue(|queue| queue.set_paused(true));
            }
            registry.slots.insert(number, Registered { slot: slot.clone(), routed: true });
            bus.rebuild(&registry);
            slot
        };
        bus.publish_host("plugbus.subscription.added", || subscription_json(&slot));
        Ok(slot)
    }
}

fn check_durable(
    bus: &Inner,
    durable: Option<Start>,
    named: bool,
    settings: &Settings,
    kind: &Kind,
) -> Result<(), SubscribeError> {
    let spills = settings.when_full == WhenFull::Spill;
    let why = match durable {
        None if spills => "`Spill` is for durable subscriptions; ask for `durable`, or for another policy",
        None => return Ok(()),
        Some(_) if bus.durable.is_none() => "the bus has no journal",
        Some(_) if !named => "it needs a name, under which the journal knows it",
        Some(_) if !matches!(kind, Kind::Queued) => "inline handlers and streams cannot be",
        Some(_) if !spills => "its queue spills into the journal; another policy for a full queue has no meaning",
        Some(_) if settings.events_max.is_some() => "`once` and `max_events` end with the process",
        Some(_) => return Ok(()),
    };
    Err(SubscribeError::NotDurable(why))
}

/// The concurrency that a set of handlers means.
pub(crate) fn concurrency_of(handlers: &[Box<dyn Handler>]) -> Result<NonZeroU32, SubscribeError> {
    let count = u32::try_from(handlers.len()).ok().filter(|count| *count <= CONCURRENCY_MAX);
    count.and_then(NonZeroU32::new).ok_or(SubscribeError::Handlers { handlers: handlers.len() })
}

/// An async closure as a handler.
struct Closure<F>(Arc<F>);

impl<F, R> Handler for Closure<F>
where
    F: Fn(Arc<Delivery>) -> R + Send + Sync + 'static,
    R: Future<Output: IntoOutcome> + Send + 'static,
{
    fn handle<'a>(&'a mut self, delivery: &'a Arc<Delivery>) -> BoxFuture<'a, Outcome> {
        let future = (self.0)(delivery.clone());
        Box::pin(async move { future.await.into_outcome() })
    }
}

/// What can be given as filters: one or several, parsed or as text.
pub trait IntoFilters {
    /// Converts.
    ///
    /// # Errors
    /// Where a text is not a filter.
    fn into_filters(self) -> Result<Vec<Filter>, TopicError>;
}

impl IntoFilters for Filter {
    fn into_filters(self) -> Result<Vec<Filter>, TopicError> {
        Ok(vec![self])
    }
}

impl IntoFilters for &Topic {
    fn into_filters(self) -> Result<Vec<Filter>, TopicError> {
        Ok(vec![self.into()])
    }
}

impl IntoFilters for &str {
    fn into_filters(self) -> Result<Vec<Filter>, TopicError> {
        Ok(vec![Filter::parse(self)?])
    }
}

impl IntoFilters for Vec<Filter> {
    fn into_filters(self) -> Result<Vec<Filter>, TopicError> {
        Ok(self)
    }
}

impl<const N: usize> IntoFilters for [&str; N] {
    fn into_filters(self) -> Result<Vec<Filter>, TopicError> {
        self.iter().map(Filter::parse).collect()
    }
}
