//! The bus itself: accepts events, stamps them, and offers them to the subscriptions that match.
//!
//! `publish` is synchronous up to the point where the event is in every queue; only then may it wait, for the queues that
//! had no room. No lock is held while foreign code runs or anybody waits.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::clock::now_ns;
use crate::dead::{AttemptRecord, DeadLetterLimits, DeadLetters, DeadReason};
use crate::event::{Draft, Event, EventLimits, InvalidEvent};
use crate::gate::{Gate, Passage};
use crate::inline::{self, Called};
use crate::name::Name;
use crate::publish::{Disposition, PublishError, Receipt};
use crate::route::Routes;
use crate::settlement::Waiter;
use crate::slot::{Kind, Offer, Slot, WaitingPublisher};
use crate::topics::{Directory, Routed};

/// Most handlers that may stand between an event and the one from outside that began it.
pub const HOPS_MAX: u8 = 16;

/// What a bus is made with.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) event_limits: EventLimits,
    pub(crate) default_source: Arc<str>,
    pub(crate) dead_letters: DeadLetterLimits,
    pub(crate) topics_max: usize,
    pub(crate) subscriptions_max: usize,
    pub(crate) strict_topics: bool,
}

/// The shared state behind every [`Bus`](crate::Bus).
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) phase: AtomicU8,
    seq: AtomicU64,
    pub(crate) registry: Mutex<Registry>,
    table: ArcSwap<Table>,
    pub(crate) topics: Directory,
    pub(crate) gates: ArcSwap<Vec<Arc<Gate>>>,
    pub(crate) dead: DeadLetters,
    pub(crate) counters: BusCounters,
    /// Who waits for the bus to be idle is told of every settlement.
    pub(crate) idle: Notify,
    pub(crate) idle_watchers: AtomicUsize,
}

/// The life of a bus.
pub(crate) mod phase {
    /// Takes events.
    pub(crate) const OPEN: u8 = 0;
    /// Takes only what handlers publish.
    pub(crate) const DRAINING: u8 = 1;
    /// Takes nothing.
    pub(crate) const CLOSED: u8 = 2;
}

/// Every subscription, routed or not.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    pub(crate) slots: BTreeMap<u64, Registered>,
    /// Ended, with something in flight still.
    pub(crate) leaving: Vec<Arc<Slot>>,
    pub(crate) next_number: u64,
}

#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) slot: Arc<Slot>,
    /// False once it has had all the events it wanted.
    pub(crate) routed: bool,
}

/// A version of the routes.
#[derive(Debug)]
struct Table {
    version: u64,
    routes: Routes<Slot>,
}

#[derive(Debug, Default)]
pub(crate) struct BusCounters {
    pub(crate) accepted: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) unmatched: AtomicU64,
    pub(crate) muted: AtomicU64,
    pub(crate) held: AtomicU64,
    pub(crate) outbox_refused: AtomicU64,
}

/// Who publishes: decides what they may and whether they wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Publisher {
    /// Somebody outside who can wait.
    Waiting,
    /// Somebody outside who cannot.
    Now,
    /// A handler's outbox: what does not fit or is refused becomes a dead letter, since nobody could take it back.
    Outbox {
        /// Whether the worker can wait for room.
        may_wait: bool,
    },
    /// The host itself, on `plugbus.` topics.
    Host,
}

impl Publisher {
    fn may_wait(self) -> bool {
        matches!(self, Self::Waiting | Self::Outbox { may_wait: true })
    }

    /// A report about an event of just too many hops gets through; see `host_events`.
    fn hops_max(self) -> u8 {
        if self == Self::Host { HOPS_MAX + 2 } else { HOPS_MAX }
    }

    fn is_outside(self) -> bool {
        matches!(self, Self::Waiting | Self::Now)
    }
}

/// An event that is in the queues, but for those it waits for.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) receipt: Receipt,
    pub(crate) waits: Vec<WaitingPublisher>,
}

impl Accepted {
    /// Waits where there was no room, everywhere at once: a slow subscription does not hold up the others.
    pub(crate) async fn finish(mut self) -> Receipt {
        let mut waits: Vec<_> = self.waits.into_iter().map(|waiting| Box::pin(waiting.wait())).collect();
        poll_fn(|context| {
            waits.retain_mut(|wait| match wait.as_mut().poll(context) {
                Poll::Ready(placed) => {
                    self.receipt.dead += usize::from(!placed);
                    false
                }
                Poll::Pending => true,
            });
            if waits.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        self.receipt
    }
}

impl Inner {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            phase: AtomicU8::new(phase::OPEN),
            seq: AtomicU64::new(0),
            registry: Mutex::default(),
            table: ArcSwap::from_pointee(Table { version: 0, routes: Routes::new([]) }),
            topics: Directory::new(config.topics_max),
            gates: ArcSwap::default(),
            dead: DeadLetters::new(config.dead_letters),
            counters: BusCounters::default(),
            idle: Notify::new(),
            idle_watchers: AtomicUsize::new(0),
            config,
        }
    }

    /// Accepts a draft and offers it to all who match. Never blocks.
    pub(crate) fn accept(
        &self,
        draft: Draft,
        publisher: Publisher,
        waiter: Option<&Arc<Waiter>>,
    ) -> Result<Accepted, PublishError> {
        let accepted = self.try_accept(draft, publisher, waiter);
        if accepted.is_err() {
            self.counters.refused.fetch_add(1, Relaxed);
        }
        accepted
    }

    fn try_accept(
        &self,
        draft: Draft,
        publisher: Publisher,
        waiter: Option<&Arc<Waiter>>,
    ) -> Result<Accepted, PublishError> {
        let draft = self.check(draft, publisher)?;
        let draft = match self.pass_gates(draft, publisher)? {
            Ok(draft) => draft,
            Err(receipt) => return Ok(Accepted { receipt, waits: Vec::new() }),
        };
        let slots = self.route(&draft, publisher);
        if publisher.is_outside()
            && let Some(slot) = slots.slots.iter().find(|slot| self.is_refused(slot, &draft, publisher))
        {
            return Err(PublishError::Full { by: slot.name.clone(), draft: Box::new(draft) });
        }
        let event = Arc::new(self.stamp(draft));
        self.counters.accepted.fetch_add(1, Relaxed);
        slots.count();
        if event.hops > publisher.hops_max() {
            return Ok(self.too_many_hops(event));
        }
        Ok(self.deliver(&event, &slots.slots, publisher, waiter))
    }

    fn check(&self, draft: Draft, publisher: Publisher) -> Result<Draft, PublishError> {
        let phase = self.phase.load(SeqCst);
        if phase == phase::CLOSED || (phase == phase::DRAINING && publisher.is_outside()) {
            return Err(PublishError::Closed(Box::new(draft)));
        }
        if publisher == Publisher::Host {
            return Ok(draft);
        }
        let fits = if draft.topic.is_host() {
            Err(InvalidEvent::HostTopic(draft.topic.clone()))
        } else {
            self.config.event_limits.check(&draft)
        };
        if let Err(source) = fits {
            return Err(PublishError::Invalid { draft: Box::new(draft), source });
        }
        if self.config.strict_topics && !self.topics.is_declared(&draft.topic) {
            return Err(PublishError::Undeclared { draft: Box::new(draft) });
        }
        Ok(draft)
    }

    /// Ok(Ok) lets the draft on, Ok(Err) is the receipt of one that a gate took, Err refuses.
    fn pass_gates(&self, mut draft: Draft, publisher: Publisher) -> Result<Result<Draft, Receipt>, PublishError> {
        let gates = self.gates.load();
        if gates.is_empty() || publisher == Publisher::Host {
            return Ok(Ok(draft));
        }
        for gate in gates.iter() {
            let id = draft.id.get_or_insert_with(new_id).clone();
            let disposition = match gate.pass(draft) {
                Passage::Open(back) => {
                    draft = back;
                    continue;
                }
                Passage::Full(draft) => {
                    let by = Name::generated("hold", 0);
                    return Err(PublishError::Full { draft: Box::new(draft), by });
                }
                Passage::Muted => {
                    self.counters.muted.fetch_add(1, Relaxed);
                    Disposition::Muted
                }
                Passage::Held { replaced } => {
                    self.counters.held.fetch_add(1, Relaxed);
                    self.counters.muted.fetch_add(u64::from(replaced), Relaxed);
                    Disposition::Held
                }
            };
            return Ok(Err(Receipt { disposition, ..Receipt::new(id, 0) }));
        }
        Ok(Ok(draft))
    }

    /// Who matches the draft's topic; remembers the topic.
    fn route(&self, draft: &Draft, publisher: Publisher) -> Arc<Routed> {
        let table = self.table.load();
        let entry = self.topics.get_or_add(&draft.topic);
        if let Some((entry, is_new)) = &entry {
            if *is_new && publisher != Publisher::Host {
                self.publish_host("plugbus.topic.added", || serde_json::json!({ "topic": draft.topic }));
            }
            if let Some(routed) = entry.routed.load_full()
                && routed.version == table.version
            {
                return routed;
            }
        }
        let published = entry.as_ref().map(|(entry, _)| entry.published.clone());
        let slots = table.routes.matching(&draft.topic);
        let routed = Arc::new(Routed { version: table.version, slots, published });
        if let Some((entry, _)) = entry {
            entry.routed.store(Some(routed.clone()));
        }
        routed
    }

    /// Whether a subscription that the draft is for has no room and lets nobody wait.
    fn is_refused(&self, slot: &Slot, draft: &Draft, publisher: Publisher) -> bool {
        let source = draft.source.as_deref().unwrap_or(&self.config.default_source);
        !matches!(slot.kind, Kind::Inline { .. })
            && slot.wants(source)
            && slot.would_refuse(draft.size_bytes(source), publisher.may_wait())
    }

    fn stamp(&self, draft: Draft) -> Event {
        let mut extensions = draft.extensions;
        // Of a name given twice the last one counts: a stable sort, from the back.
        extensions.reverse();
        extensions.sort_by(|a, b| a.0.cmp(&b.0));
        extensions.dedup_by(|a, b| a.0 == b.0);
        Event {
            id: draft.id.unwrap_or_else(new_id),
            source: draft.source.unwrap_or_else(|| self.config.default_source.clone()),
            topic: draft.topic,
            subject: draft.subject,
            time_ns: draft.time_ns.unwrap_or_else(now_ns),
            payload: draft.payload,
            extensions,
            seq: self.seq.fetch_add(1, Relaxed) + 1,
            hops: draft.hops.max(inline::depth()),
        }
    }

    fn deliver(
        &self,
        event: &Arc<Event>,
        slots: &[Arc<Slot>],
        publisher: Publisher,
        waiter: Option<&Arc<Waiter>>,
    ) -> Accepted {
        let mut accepted = Accepted { receipt: Receipt::new(event.id.clone(), event.seq), waits: Vec::new() };
        let receipt = &mut accepted.receipt;
        let wanting: Vec<&Arc<Slot>> = slots.iter().filter(|slot| slot.wants(&event.source)).collect();
        if let Some(waiter) = waiter {
            wanting.iter().for_each(|slot| waiter.expect(&slot.name));
        }
        let mut queued = false;
        for (position, slot) in wanting.iter().enumerate() {
            receipt.matched += 1;
            if let Kind::Inline { .. } = slot.kind {
                match inline::call(slot, event, waiter, self) {
                    Called::Went => {}
                    Called::Dead => receipt.dead += 1,
                    Called::NotTaken => not_taken(receipt, waiter, &slot.name),
                    Called::Stopped => {
                        receipt.stopped_by = Some(slot.name.clone());
                        if let Some(waiter) = waiter {
                            wanting.iter().skip(position + 1).for_each(|slot| waiter.forget(&slot.name));
                        }
                        break;
                    }
                }
                continue;
            }
            match slot.offer(event, waiter, publisher.may_wait()) {
                Offer::Queued => queued = true,
                Offer::WaitForRoom(waiting) => {
                    queued = true;
                    accepted.waits.push(waiting);
                }
                Offer::Dead => receipt.dead += 1,
                Offer::Dropped => receipt.dropped += 1,
                Offer::NotTaken => not_taken(receipt, waiter, &slot.name),
            }
        }
        if receipt.matched == 0 {
            self.counters.unmatched.fetch_add(1, Relaxed);
        }
        if !queued {
            // Nobody will settle it later.
            self.progressed();
        }
        accepted
    }

    fn too_many_hops(&self, event: Arc<Event>) -> Accepted {
        let disposition = Disposition::TooManyHops;
        let receipt = Receipt { disposition, ..Receipt::new(event.id.clone(), event.seq) };
        let reason = DeadReason::TooManyHops { hops: event.hops, max: HOPS_MAX };
        self.bury(event, None, reason, Vec::new());
        self.progressed();
        Accepted { receipt, waits: Vec::new() }
    }

    /// Records a dead letter and reports it.
    pub(crate) fn bury(
        &self,
        event: Arc<Event>,
        subscription: Option<&Name>,
        reason: DeadReason,
        attempts: Vec<AttemptRecord>,
    ) {
        let id = self.dead.add(event.clone(), subscription.cloned(), reason.clone(), attempts, now_ns());
        self.report_dead(id, &event, subscription, &reason);
    }

    /// Publishes one of the drafts that a handler staged. The worker waits where there is no room.
    pub(crate) async fn release(&self, by: &Name, draft: Draft) {
        let accepted = self.accept(with_source(draft, by), Publisher::Outbox { may_wait: true }, None);
        if let Some(accepted) = self.note_refusal(by, accepted) {
            accepted.finish().await;
        }
    }

    /// Publishes what a handler staged without waiting: for inline handlers, and for workers that are cut off.
    pub(crate) fn release_now(&self, by: &Name, staged: impl IntoIterator<Item = Draft>) {
        for draft in staged {
            let accepted = self.accept(with_source(draft, by), Publisher::Outbox { may_wait: false }, None);
            self.note_refusal(by, accepted);
        }
    }

    fn note_refusal(&self, by: &Name, accepted: Result<Accepted, PublishError>) -> Option<Accepted> {
        match accepted {
            Ok(accepted) => Some(accepted),
            Err(error) => {
                self.counters.outbox_refused.fetch_add(1, Relaxed);
                let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
                let reason = format!("{error}{cause}");
                tracing::error!(subscription = %by, reason, "what a handler published was refused");
                let event = Arc::new(self.stamp(error.into_draft()));
                self.bury(event, None, DeadReason::Refused { by: by.clone(), reason }, Vec::new());
                None
            }
        }
    }

    /// Publishes what a hold kept, waiting for room.
    pub(crate) async fn publish_kept(&self, draft: Draft) {
        let by = Name::generated("hold", 0);
        let accepted = self.accept(draft, Publisher::Outbox { may_wait: true }, None);
        if let Some(accepted) = self.note_refusal(&by, accepted) {
            accepted.finish().await;
        }
    }

    /// Publishes what a hold kept, without waiting.
    pub(crate) fn publish_kept_now(&self, draft: Draft) {
        let by = Name::generated("hold", 0);
        let accepted = self.accept(draft, Publisher::Outbox { may_wait: false }, None);
        self.note_refusal(&by, accepted);
    }

    /// Builds the routes anew from the registry, which the caller holds.
    pub(crate) fn rebuild(&self, registry: &Registry) {
        let mut slots: Vec<&Arc<Slot>> = registry.slots.values().filter(|r| r.routed).map(|r| &r.slot).collect();
        // Inline handlers first, since they may stop an event; each kind by priority, then by registration.
        slots.sort_by_key(|slot| {
            (!matches!(slot.kind, Kind::Inline { .. }), std::cmp::Reverse(slot.priority), slot.number)
        });
        let routes = Routes::new(slots.into_iter().map(|slot| (slot.clone(), slot.filters.load_full())));
        let version = self.table.load().version + 1;
        self.table.store(Arc::new(Table { version, routes }));
    }

    /// No further event matches the subscription; what is queued is still handled.
    pub(crate) fn unroute(&self, number: u64) {
        let mut registry = self.lock_registry();
        if let Some(registered) = registry.slots.get_mut(&number) {
            registered.routed = false;
            let ended = matches!(registered.slot.kind, Kind::Inline { .. });
            if ended {
                registry.slots.remove(&number);
            }
            self.rebuild(&registry);
        }
    }

    /// Takes a subscription out. Nothing if it is out already.
    pub(crate) fn remove(&self, number: u64) {
        let removed = {
            let mut registry = self.lock_registry();
            let removed = registry.slots.remove(&number);
            if let Some(removed) = &removed {
                registry.leaving.push(removed.slot.clone());
                self.rebuild(&registry);
            }
            removed
        };
        if let Some(removed) = removed {
            let slot = removed.slot;
            slot.close_and_leave();
            self.topics.forget(&slot);
            self.lock_registry().leaving.retain(|slot| slot.read_queue(|queue| queue.in_flight() > 0));
            self.publish_host("plugbus.subscription.removed", || subscription_json(&slot));
        }
    }

    /// Whose filters match a topic now.
    pub(crate) fn matching(&self, topic: &crate::topic::Topic) -> Vec<Arc<Slot>> {
        self.table.load().routes.matching(topic)
    }

    pub(crate) fn slots(&self) -> Vec<Arc<Slot>> {
        self.lock_registry().slots.values().map(|registered| registered.slot.clone()).collect()
    }

    /// Those that have ended, with something in flight still.
    pub(crate) fn leaving(&self) -> Vec<Arc<Slot>> {
        self.lock_registry().leaving.clone()
    }

    pub(crate) fn remove_gate(&self, gate: &Arc<Gate>) {
        self.gates.rcu(|gates| gates.iter().filter(|other| !Arc::ptr_eq(other, gate)).cloned().collect::<Vec<_>>());
    }

    /// Something was settled or freed: tells who waits for the bus to be idle.
    pub(crate) fn progressed(&self) {
        if self.idle_watchers.load(SeqCst) > 0 {
            self.idle.notify_waiters();
        }
    }

    pub(crate) fn lock_registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The last handle of the bus is gone: workers and streams must not wait for ever.
        for slot in self.slots() {
            slot.close();
        }
    }
}

impl Receipt {
    fn new(id: Arc<str>, seq: u64) -> Self {
        let disposition = Disposition::Delivered;
        Self { id, seq, matched: 0, dead: 0, dropped: 0, stopped_by: None, disposition }
    }
}

/// What the host says of a subscription when it comes and goes.
pub(crate) fn subscription_json(slot: &Slot) -> serde_json::Value {
    let filters: Vec<String> = slot.filters.load().iter().map(ToString::to_string).collect();
    serde_json::json!({ "subscription": slot.name, "filters": filters })
}

/// A subscription that matched turned out not to take the event.
fn not_taken(receipt: &mut Receipt, waiter: Option<&Arc<Waiter>>, name: &Name) {
    receipt.matched -= 1;
    if let Some(waiter) = waiter {
        waiter.forget(name);
    }
}

fn with_source(mut draft: Draft, by: &Name) -> Draft {
    draft.source.get_or_insert_with(|| by.as_str().into());
    draft
}

fn new_id() -> Arc<str> {
    let mut buffer = Uuid::encode_buffer();
    Arc::from(&*Uuid::now_v7().hyphenated().encode_lower(&mut buffer))
}
