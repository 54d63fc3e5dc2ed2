//! How an event is taken: checked, passed through the gates, stamped, shown to inline handlers, and put into the queues of
//! those who match; with a journal, only once it is committed there.
//!
//! Synchronous throughout: only then may a publisher wait, for the journal and for queues that had no room.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use crate::bus::{HOPS_MAX, Inner, Table, phase};
use crate::clock::now_ns;
use crate::dead::DeadReason;
use crate::event::{Draft, Event, InvalidEvent};
use crate::gate::Passage;
use crate::ids::new_id;
use crate::inline::{self, Called};
use crate::journal::{Append, Permit, Ticket, Write};
use crate::name::Name;
use crate::place::Places;
use crate::placed::{Accepted, Placed, Prepared};
use crate::publish::{Disposition, PublishError, Receipt};
use crate::settlement::Waiter;
use crate::slot::{Kind, Offer, Slot};
use crate::topic::Topic;
use crate::topics::Routed;

/// Who publishes: decides what they may and whether they wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Publisher {
    /// Somebody outside who can wait.
    Waiting,
    /// Somebody outside who cannot.
    Now,
    /// A handler's outbox: what does not fit or is refused becomes a dead letter, since nobody could take it
    /// back.
    Outbox {
        /// Whether the worker can wait for room.
        may_wait: bool,
    },
    /// The host itself, on `plugbus.` topics.
    Host,
}

impl Publisher {
    pub(crate) fn may_wait(self) -> bool {
        matches!(self, Self::Waiting | Self::Outbox { may_wait: true })
    }

    /// A report about an event of just too many hops gets through; see `host_events`.
    fn hops_max(self) -> u8 {
        if self == Self::Host { HOPS_MAX + 2 } else { HOPS_MAX }
    }

    pub(crate) fn is_outside(self) -> bool {
        matches!(self, Self::Waiting | Self::Now)
    }
}

/// Which of the inline handlers are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inline {
    /// All of them, observers first.
    All,
    /// Those that may stop the event.
    Handlers,
    /// Those that only see what is accepted.
    Observers,
}

impl Inline {
    fn includes(self, slot: &Slot) -> bool {
        match slot.kind {
            Kind::Inline { observes, .. } => match self {
                Self::All => true,
                Self::Handlers => !observes,
                Self::Observers => observes,
            },
            Kind::Watch { .. } | Kind::Queued | Kind::Stream => false,
        }
    }
}

impl Inner {
    /// Accepts a draft and offers it to all who match, or hands it to the journal. Never blocks. The permit counts where
    /// there is a journal; without one the write goes over the bound.
    pub(crate) fn accept(
        &self,
        draft: Draft,
        publisher: Publisher,
        waiter: Option<&Arc<Waiter>>,
        permit: Option<Permit>,
    ) -> Result<Accepted, PublishError> {
        let Some(_entering) = self.enter(publisher) else {
            self.counters.refused.fetch_add(1, Relaxed);
            return Err(PublishError::Closed(Box::new(draft)));
        };
        match (&self.durable, publisher) {
            (None, _) | (_, Publisher::Host) => self.accept_now(draft, publisher, waiter).map(Accepted::Placed),
            (Some(durable), _) => match self.prepare(draft, publisher, waiter)? {
                Prepared::Done(placed) => Ok(Accepted::Placed(placed)),
                Prepared::Append(append, stub) => {
                    durable.submit(Write::Append(append), permit);
                    Ok(Accepted::Journaling(stub))
                }
            },
        }
    }

    fn accept_now(
        &self,
        mut draft: Draft,
        publisher: Publisher,
        waiter: Option<&Arc<Waiter>>,
    ) -> Result<Placed, PublishError> {
        let begun_ns = self.traced_since();
        let routed = match self.admit(&mut draft, publisher)? {
            Ok(routed) => routed,
            Err(placed) => return Ok(placed),
        };
        let places = match self.keep_places(&draft, &routed, publisher) {
            Ok(places) => places,
            Err(full) => return Err(PublishError::Full { by: full.name.clone(), draft: Box::new(draft) }),
        };
        // The host's own events are not the journal's: they have no number of its.
        let number = || if self.durable.is_none() { self.seq.fetch_add(1, Relaxed) + 1 } else { 0 };
        self.counters.accepted.fetch_add(1, Relaxed);
        routed.count();
        if draft.hops.max(inline::depth()) > publisher.hops_max() {
            let event = Arc::new(self.stamp(draft, number()));
            self.trace_published(&event, begun_ns);
            return Ok(self.too_many_hops(event));
        }
        let mut watching = 0;
        let make = || {
            let event = Arc::new(self.stamp(draft, number()));
            watching = self.show_watchers(&event, &routed);
            event
        };
        let event = match &self.history {
            Some(history) => history.append(make),
            None => make(),
        };
        let mut placed = Placed::new(Receipt { matched: watching, ..Receipt::new(event.id.clone(), event.seq) });
        if !self.call_inline(Inline::All, &event, &routed.slots, waiter, &mut placed.receipt) {
            self.place(&event, &routed.slots, waiter, publisher.may_wait(), places, &mut placed);
        }
        self.trace_published(&event, begun_ns);
        Ok(placed)
    }

    /// Everything up to the journal: checks, gates, and inline handlers, which have the event before it has a number and
    /// can stop it from getting one.
    pub(crate) fn prepare(
        &self,
        mut draft: Draft,
        publisher: Publisher,
        waiter: Option<&Arc<Waiter>>,
    ) -> Result<Prepared, PublishError> {
        let begun_ns = self.traced_since();
        let routed = match self.admit(&mut draft, publisher)? {
            Ok(routed) => routed,
            Err(placed) => return Ok(Prepared::Done(placed)),
        };
        // The places are not kept for as long as the journal takes; what finds none then is a dead letter.
        if let Err(full) = self.keep_places(&draft, &routed, publisher) {
            return Err(PublishError::Full { by: full.name.clone(), draft: Box::new(draft) });
        }
        let event = self.stamp(draft, 0);
        if event.hops > publisher.hops_max() {
            return Ok(Prepared::Done(self.too_many_hops(Arc::new(event))));
        }
        let mut receipt = Receipt::new(event.id.clone(), 0);
        let handled = routed.slots.iter().any(|slot| Inline::Handlers.includes(slot));
        if handled && self.call_inline(Inline::Handlers, &Arc::new(event.clone()), &routed.slots, waiter, &mut receipt)
        {
            self.counters.accepted.fetch_add(1, Relaxed);
            self.trace_published(&event, begun_ns);
            return Ok(Prepared::Done(Placed::new(receipt)));
        }
        let (ticket, stub) = Ticket::new(&event, receipt, waiter.cloned(), publisher.may_wait(), begun_ns);
        Ok(Prepared::Append(Box::new(Append { event, ticket }), stub))
    }

    /// Checks, gates, routes. Ok(Ok) is who matches, Ok(Err) the end of a draft that a gate took, Err refuses.
    fn admit(&self, draft: &mut Draft, publisher: Publisher) -> Result<Result<Arc<Routed>, Placed>, PublishError> {
        let table = self.table.load();
        let admitted = self.check(draft, publisher).and_then(|()| self.pass_gates(&table, draft, publisher));
        match admitted {
            Ok(None) => Ok(Ok(self.route_in(&table, &draft.topic, Some(publisher)))),
            Ok(Some(receipt)) => Ok(Err(Placed::new(receipt))),
            Err(error) => {
                self.counters.refused.fetch_add(1, Relaxed);
                Err(error)
            }
        }
    }

    /// Keeps the places of a draft from outside. The first subscription that has no room for it and does not let it wait is
    /// the error.
    fn keep_places<'s>(&self, draft: &Draft, routed: &'s Routed, publisher: Publisher) -> Result<Places<'s>, &'s Slot> {
        // Whoever waits for room needs a place beforehand only where somebody will not let him.
        if !publisher.is_outside() || (publisher.may_wait() && !routed.some_refuse) {
            return Ok(Places::default());
        }
        let source = draft.source.as_deref().unwrap_or(&self.config.default_source);
        let places = Places::keep(&routed.slots, source, draft.size_bytes(source), publisher.may_wait());
        if places.is_err() {
            self.counters.refused.fetch_add(1, Relaxed);
        }
        places
    }

    pub(crate) fn check(&self, draft: &Draft, publisher: Publisher) -> Result<(), PublishError> {
        let refused = || Box::new(draft.clone());
        let phase = self.phase.load(SeqCst);
        if phase == phase::CLOSED || (phase == phase::DRAINING && publisher.is_outside()) {
            return Err(PublishError::Closed(refused()));
        }
        if publisher == Publisher::Host {
            return Ok(());
        }
        let fits = if draft.topic.is_host() {
            Err(InvalidEvent::HostTopic(draft.topic.clone()))
        } else {
            self.config.event_limits.check(draft)
        };
        if let Err(source) = fits {
            return Err(PublishError::Invalid { draft: refused(), source });
        }
        if self.config.strict_topics && !self.topics.is_declared(&draft.topic) {
            return Err(PublishError::Undeclared { draft: refused() });
        }
        Ok(())
    }

    /// Lets the draft on, or has the receipt of one that a gate took.
    fn pass_gates(
        &self,
        table: &Table,
        draft: &mut Draft,
        publisher: Publisher,
    ) -> Result<Option<Receipt>, PublishError> {
        if publisher == Publisher::Host {
            return Ok(None);
        }
        for gate in &table.gates {
            let id = draft.id.get_or_insert_with(|| new_id(now_ns())).clone();
            let disposition = match gate.pass(draft) {
                Passage::Open => continue,
                Passage::Full => {
                    let by = Name::generated("hold", 0);
                    return Err(PublishError::Full { draft: Box::new(draft.clone()), by });
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
            return Ok(Some(Receipt { disposition, ..Receipt::new(id, 0) }));
        }
        Ok(None)
    }

    /// Who matches a topic; remembers the topic.
    pub(crate) fn route(&self, topic: &Topic, publisher: Option<Publisher>) -> Arc<Routed> {
        self.route_in(&self.table.load(), topic, publisher)
    }

    fn route_in(&self, table: &Table, topic: &Topic, publisher: Option<Publisher>) -> Arc<Routed> {
        if let Some(routed) = table.known.get(topic) {
            return routed;
        }
        let entry = self.topics.get_or_add(topic);
        if let Some((_, true)) = &entry
            && publisher != Some(Publisher::Host)
        {
            self.tell_topic(topic);
        }
        let published = entry.map(|(entry, _)| entry.published.clone());
        let is_listed = published.is_some();
        let routed = Arc::new(Routed::new(table.routes.clone(), topic, published));
        if is_listed {
            table.known.insert(topic, &routed);
        }
        routed
    }

    pub(crate) fn stamp(&self, draft: Draft, seq: u64) -> Event {
        let mut extensions = draft.extensions;
        // Of a name given twice the last one counts: a stable sort, from the back.
        extensions.reverse();
        extensions.sort_by(|a, b| a.0.cmp(&b.0));
        extensions.dedup_by(|a, b| a.0 == b.0);
        let now_ns = now_ns();
        Event {
            id: draft.id.unwrap_or_else(|| new_id(now_ns)),
            source: draft.source.unwrap_or_else(|| self.config.default_source.clone()),
            topic: draft.topic,
            subject: draft.subject,
            time_ns: draft.time_ns.unwrap_or(now_ns),
            payload: draft.payload,
            extensions,
            seq,
            hops: draft.hops.max(inline::depth()),
        }
    }

    /// Calls the inline handlers in their order. True when one stopped the event.
    pub(crate) fn call_inline(
        &self,
        which: Inline,
        event: &Arc<Event>,
        slots: &[Arc<Slot>],
        waiter: Option<&Arc<Waiter>>,
        receipt: &mut Receipt,
    ) -> bool {
        let inline = |slot: &&Arc<Slot>| which.includes(slot) && slot.wants(&event.source);
        let wanting: Vec<&Arc<Slot>> = slots.iter().filter(inline).collect();
        if let Some(waiter) = waiter {
            wanting.iter().for_each(|slot| waiter.expect(&slot.name));
        }
        for (position, slot) in wanting.iter().enumerate() {
            receipt.matched += 1;
            match inline::call(slot, event, waiter, self) {
                Called::Went => {}
                Called::Dead => receipt.dead += 1,
                Called::NotTaken => not_taken(receipt, waiter, &slot.name),
                Called::Stopped => {
                    receipt.stopped_by = Some(slot.name.clone());
                    if let Some(waiter) = waiter {
                        wanting.iter().skip(position + 1).for_each(|slot| waiter.forget(&slot.name));
                    }
                    return true;
                }
            }
        }
        false
    }

    /// Offers an event to the watchers that match now; returns how many. One that has begun since the event was routed gets it:
    /// it is what makes past and live join.
    pub(crate) fn show_watchers(&self, event: &Arc<Event>, routed: &Routed) -> usize {
        let table = self.table.load();
        if Arc::ptr_eq(&table.routes, &routed.routes) {
            return offer_to_watchers(event, &routed.slots);
        }
        offer_to_watchers(event, &table.routes.matching(&event.topic))
    }

    /// Puts an event into the queues of those who match.
    pub(crate) fn place(
        &self,
        event: &Arc<Event>,
        slots: &[Arc<Slot>],
        waiter: Option<&Arc<Waiter>>,
        may_wait: bool,
        mut places: Places<'_>,
        placed: &mut Placed,
    ) {
        let receipt = &mut placed.receipt;
        let slots = || slots.iter().filter(|slot| slot.kind.is_queued());
        if let Some(waiter) = waiter {
            slots().filter(|slot| slot.wants(&event.source)).for_each(|slot| waiter.expect(&slot.name));
        }
        let mut queued = false;
        for slot in slots() {
            receipt.matched += 1;
            match slot.offer(event, waiter, may_wait, places.take(slot)) {
                Offer::Queued => queued = true,
                Offer::WaitForRoom(waiting) => {
                    queued = true;
                    placed.waits.push(waiting);
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
    }

    fn too_many_hops(&self, event: Arc<Event>) -> Placed {
        let disposition = Disposition::TooManyHops;
        let receipt = Receipt { disposition, ..Receipt::new(event.id.clone(), event.seq) };
        let reason = DeadReason::TooManyHops { hops: event.hops, max: HOPS_MAX };
        self.bury(event, None, reason, Vec::new());
        self.progressed();
        Placed::new(receipt)
    }
}

fn offer_to_watchers(event: &Arc<Event>, slots: &[Arc<Slot>]) -> usize {
    let mut watching = 0;
    for slot in slots {
        let Kind::Watch { queue, counters } = &slot.kind else { continue };
        watching += 1;
        slot.counters.matched.fetch_add(1, Relaxed);
        if queue.offer(event) {
            counters.watched.fetch_add(1, Relaxed);
        } else {
            slot.counters.dropped.fetch_add(1, Relaxed);
            counters.missed.fetch_add(1, Relaxed);
        }
    }
    watching
}

/// A subscription that matched turned out not to take the event.
fn not_taken(receipt: &mut Receipt, waiter: Option<&Arc<Waiter>>, name: &Name) {
    receipt.matched -= 1;
    if let Some(waiter) = waiter {
        waiter.forget(name);
    }
}
