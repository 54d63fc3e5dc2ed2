//! [`Bus`]: what publishers and subscribers hold.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;
use tokio::time::{timeout, timeout_at};

use crate::accept::Publisher;
use crate::bus::{Config, Inner};
use crate::clock::after;
use crate::dead::{DeadLetterLimits, DeadReason};
use crate::durable::Durable;
use crate::event::{Draft, Event, EventLimits, Payload};
use crate::gate::{Gate, GateGuard, GateKind, HoldGuard, HoldMode, MuteGuard};
use crate::handler::Reply;
use crate::history::{History, HistoryLimits, HistoryStats};
use crate::journal::{Journal, Sink};
use crate::name::Name;
use crate::placed::{Accepted, Placed};
use crate::publish::{Disposition, PublishError, Receipt, RequestError};
use crate::settlement::{Settlement, Settlements, Waiter};
use crate::stats::{BusStats, SubscriptionStats, snapshot};
use crate::subscribe::{IntoFilters, Subscribe};
use crate::topic::{Filter, Topic};
use crate::topics::TopicInfo;
use crate::trace::Tracer;

/// An event bus in this process. Cheap to clone; the clones are one bus. When the last is dropped, subscriptions end and
/// what is still queued is discarded: call [`Bus::shutdown`] first to drain.
#[derive(Debug, Clone)]
pub struct Bus {
    pub(crate) inner: Arc<Inner>,
}

/// An event that is being published. Dropped, it goes on being so, as when the future of [`Bus::publish`] is dropped.
#[derive(Debug)]
#[must_use = "`finish` says whether the event was accepted"]
pub struct Publishing {
    accepted: Accepted,
}

impl Publishing {
    /// Waits until the event is accepted, and for room where subscriptions' policies say so.
    ///
    /// # Errors
    /// As [`Bus::publish`].
    pub async fn finish(self) -> Result<Receipt, PublishError> {
        self.accepted.finish().await
    }
}

/// What to make a bus with. Every default is fit for use.
#[derive(Debug, Clone)]
pub struct BusBuilder {
    config: Config,
    journal: Option<Arc<dyn Journal>>,
    history: Option<HistoryLimits>,
    tracer: Option<Arc<dyn Tracer>>,
}

impl Default for Bus {
    fn default() -> Self {
        Self::builder().build()
    }
}

impl Default for BusBuilder {
    fn default() -> Self {
        Self {
            config: Config {
                event_limits: EventLimits::default(),
                default_source: "native".into(),
                dead_letters: DeadLetterLimits::default(),
                topics_max: 10_000,
                subscriptions_max: 10_000,
                strict_topics: false,
            },
            journal: None,
            history: None,
            tracer: None,
        }
    }
}

impl BusBuilder {
    /// Bounds on one event.
    #[must_use]
    pub fn event_limits(mut self, limits: EventLimits) -> Self {
        self.config.event_limits = limits;
        self
    }

    /// The source of events whose publisher names none. Default `native`.
    #[must_use]
    pub fn default_source(mut self, source: impl Into<Arc<str>>) -> Self {
        self.config.default_source = source.into();
        self
    }

    /// Bounds on the dead letters.
    #[must_use]
    pub fn dead_letters(mut self, limits: DeadLetterLimits) -> Self {
        self.config.dead_letters = limits;
        self
    }

    /// How many topics are remembered for [`Bus::topics`]. Default 10,000. Beyond it events are delivered all the same.
    #[must_use]
    pub fn topics_max(mut self, topics_max: usize) -> Self {
        self.config.topics_max = topics_max;
        self
    }

    /// How many subscriptions there may be at once. Default 10,000.
    #[must_use]
    pub fn subscriptions_max(mut self, subscriptions_max: usize) -> Self {
        self.config.subscriptions_max = subscriptions_max;
        self
    }

    /// Whether only declared topics are taken ([`Bus::declare`]). Default false.
    #[must_use]
    pub fn strict_topics(mut self, strict: bool) -> Self {
        self.config.strict_topics = strict;
        self
    }

    /// Stands the bus on a journal: an event is accepted once it is committed there, and subscriptions can be
    /// [durable](crate::Subscribe::durable). Default none: everything is in memory.
    #[must_use]
    pub fn journal(mut self, journal: Arc<dyn Journal>) -> Self {
        self.journal = Some(journal);
        self
    }

    /// Remembers the last events in memory, for watchers that [begin in the past](crate::Watch::from). A bus with a journal has
    /// them there and keeps no history. Default none.
    #[must_use]
    pub fn history(mut self, limits: HistoryLimits) -> Self {
        self.history = Some(limits);
        self
    }

    /// Who is told of every event that is accepted and of every attempt at a delivery. Default none.
    #[must_use]
    pub fn tracer(mut self, tracer: Arc<dyn Tracer>) -> Self {
        self.tracer = Some(tracer);
        self
    }

    /// Makes the bus. Needs no runtime.
    #[must_use]
    pub fn build(self) -> Bus {
        let history = self.history.filter(|_| self.journal.is_none()).map(|limits| Arc::new(History::new(limits)));
        let inner = Arc::new(Inner::new(self.config, self.journal.map(Durable::new), history, self.tracer));
        if let Some(durable) = &inner.durable {
            let sink: Arc<dyn Sink> = inner.clone();
            durable.journal.attach(Arc::downgrade(&sink));
            let recovered = durable.journal.recovered();
            inner.dead.restore(recovered.dead);
            durable.restore(recovered.cursors);
        }
        Bus { inner }
    }
}

impl Bus {
    /// Starts to make a bus.
    #[must_use]
    pub fn builder() -> BusBuilder {
        BusBuilder::default()
    }

    /// Publishes an event: it is in the queue of every subscription that matches when this returns, or it is a dead letter
    /// that says why. Waits for room where a subscription's policy says so, each at most its own time. When the future is
    /// dropped while it waits, the queues that had no room get a dead letter; nothing is lost.
    ///
    /// # Errors
    /// [`PublishError`] hands the draft back; no subscription has seen it then.
    pub async fn publish(&self, draft: impl Into<Draft>) -> Result<Receipt, PublishError> {
        if self.inner.durable.is_some() {
            return self.begin_publish(draft).await?.finish().await;
        }
        // Nearly every event waits for nothing: it does not pay for a future that could.
        match self.inner.accept(draft.into(), Publisher::Waiting, None, None)? {
            Accepted::Placed(Placed { receipt, waits }) if waits.is_empty() => Ok(receipt),
            accepted => accepted.finish().await,
        }
    }

    /// Checks a draft as [`Bus::publish`] does before anybody sees it: its attributes, its size, its topic. Whether there is room
    /// for it is not asked.
    ///
    /// # Errors
    /// [`PublishError`] hands the draft back.
    pub fn check(&self, draft: impl Into<Draft>) -> Result<Draft, PublishError> {
        let draft = draft.into();
        self.inner.check(&draft, Publisher::Waiting)?;
        Ok(draft)
    }

    /// Begins to publish an event: it has its place in the order of all events when this returns. Whoever publishes many
    /// begins each as soon as the one before has begun, so that they share the journal's commits, and [finishes] them in the
    /// same order.
    ///
    /// [finishes]: Publishing::finish
    ///
    /// # Errors
    /// As [`Bus::publish`], as far as it is known at once.
    pub async fn begin_publish(&self, draft: impl Into<Draft>) -> Result<Publishing, PublishError> {
        let permit = self.inner.write_permit().await;
        let accepted = self.inner.accept(draft.into(), Publisher::Waiting, None, permit)?;
        Ok(Publishing { accepted })
    }

    /// Publishes without ever waiting: from any thread, with or without a runtime.
    ///
    /// # Errors
    /// [`PublishError`] hands the draft back; no subscription has seen it then. `Full` where [`Bus::publish`] would wait.
    pub fn try_publish(&self, draft: impl Into<Draft>) -> Result<Receipt, PublishError> {
        let draft = draft.into();
        let permit = match &self.inner.durable {
            None => None,
            Some(durable) => match durable.try_permit() {
                Some(permit) => Some(permit),
                None => return Err(PublishError::Busy(Box::new(draft))),
            },
        };
        Ok(self.inner.accept(draft, Publisher::Now, None, permit)?.receipt())
    }

    /// Publishes and waits until every subscription has settled the event, retries included, or the time is up. Those that
    /// had not settled by then are [`Settlement::Pending`] and go on.
    ///
    /// # Errors
    /// [`PublishError`] hands the draft back.
    pub async fn publish_and_wait(
        &self,
        draft: impl Into<Draft>,
        limit: Duration,
    ) -> Result<Settlements, PublishError> {
        let waiter = Arc::new(Waiter::default());
        let permit = self.inner.write_permit().await;
        let accepted = self.inner.accept(draft.into(), Publisher::Waiting, Some(&waiter), permit)?;
        let mut receipt = accepted.receipt_so_far();
        let settled = async {
            let placed = accepted.placed().await?;
            receipt.clone_from(&placed.receipt);
            receipt = placed.finish().await;
            waiter.until(|results| all_settled(results).then_some(())).await;
            Ok::<_, PublishError>(())
        };
        // Out of time is no error: the receipt says whether the journal has the event yet, the results who is pending.
        if let Ok(settled) = timeout(limit, settled).await {
            settled?;
        }
        let results = waiter.results();
        // Where the time was up while there was no room, these are its dead letters.
        let gone = Settlement::Dead(DeadReason::PublisherGone);
        receipt.dead += results.iter().filter(|(_, settlement)| *settlement == gone).count();
        Ok(Settlements { receipt, results })
    }

    /// Publishes and waits for the first reply. Nobody waits on for room then: a queue that still has none gets a dead letter.
    ///
    /// # Errors
    /// [`RequestError`] says whether it was not published, nobody subscribes, nobody replied, or the time was up.
    pub async fn request(&self, draft: impl Into<Draft>, limit: Duration) -> Result<Payload, RequestError> {
        let draft = draft.into();
        let topic = draft.topic.to_string();
        let waiter = Arc::new(Waiter::default());
        let deadline = after(limit);
        let permit = self.inner.write_permit().await;
        let accepted = self.inner.accept(draft, Publisher::Waiting, Some(&waiter), permit)?;
        let timed_out = || RequestError::TimedOut { timeout_ms: limit.as_millis() };
        let placed = timeout_at(deadline, accepted.placed()).await.map_err(|_| timed_out())??;
        let disposition = placed.receipt.disposition;
        if disposition != Disposition::Delivered {
            return Err(RequestError::Withheld { topic, disposition });
        }
        if placed.receipt.matched == 0 {
            return Err(RequestError::NoSubscriber { topic });
        }
        let replied = async {
            let reply = waiter.until(|results| match first_reply(results) {
                Some(payload) => Some(Ok(payload)),
                None if all_settled(results) => Some(Err(results.len())),
                None => None,
            });
            // Waiting for room and waiting for the reply go on together: another subscription may reply first.
            let finish = placed.finish();
            tokio::pin!(reply, finish);
            tokio::select! {
                reply = &mut reply => reply,
                _receipt = &mut finish => reply.await,
            }
        };
        match timeout_at(deadline, replied).await {
            Ok(Ok(payload)) => Ok(payload),
            Ok(Err(settled)) => Err(RequestError::NoReply { topic, settled }),
            Err(_) => Err(timed_out()),
        }
    }

    /// Publishes one of the host's own events on a `plugbus.` topic, as JSON. For the crates that make up the host; guests
    /// and peers cannot reach it. Never waits, never fails its caller.
    pub fn publish_host(&self, topic: &str, data: &impl Serialize) {
        self.inner.publish_host(topic, || data);
    }

    /// Starts to subscribe. See [`Subscribe`] for the options and the ways to receive.
    pub fn subscribe(&self, filters: impl IntoFilters) -> Subscribe {
        Subscribe::new(self.inner.clone(), filters.into_filters())
    }

    /// Every subscription, by age.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<SubscriptionStats> {
        self.inner.slots().iter().map(|slot| snapshot(slot)).collect()
    }

    /// The subscriptions whose filters match the topic, in the order of delivery. An event reaches those of them that want
    /// its source.
    #[must_use]
    pub fn matching(&self, topic: &Topic) -> Vec<Name> {
        self.inner.matching(topic).iter().map(|slot| slot.name.clone()).collect()
    }

    /// Ends the subscription of that name, whoever holds its guard. False if there is none.
    pub fn unsubscribe(&self, name: &Name) -> bool {
        let found = self.inner.slots().into_iter().find(|slot| slot.name == *name);
        found.is_some_and(|slot| {
            self.inner.remove(slot.number);
            true
        })
    }

    /// Takes every filter away that this one covers, from whoever has it, and ends the subscriptions that have no other.
    /// Returns how many ended.
    pub fn unsubscribe_all(&self, filter: &Filter) -> usize {
        let without = self.inner.take_filters(filter);
        without.iter().for_each(|number| self.inner.remove(*number));
        without.len()
    }

    /// Swallows (and counts) what is published on matching topics while the guard lives. Guards nest freely.
    pub fn mute(&self, filter: Filter) -> MuteGuard {
        MuteGuard { _gate: self.add_gate(Gate { filter, kind: GateKind::Mute }) }
    }

    /// Keeps back what is published on matching topics while the guard lives, at most `events_max` events; then publishers
    /// get [`PublishError::Full`].
    pub fn hold(&self, filter: Filter, mode: HoldMode, events_max: usize) -> HoldGuard {
        let kind = GateKind::Hold { mode, events_max, kept: Mutex::default() };
        HoldGuard { gate: self.add_gate(Gate { filter, kind }) }
    }

    fn add_gate(&self, gate: Gate) -> GateGuard {
        let gate = Arc::new(gate);
        self.inner.change_gates(|gates| gates.push(gate.clone()));
        GateGuard { bus: Arc::downgrade(&self.inner), gate }
    }

    /// Declares a topic with a description. With [`BusBuilder::strict_topics`] only declared topics are taken. One that was
    /// neither declared nor published before is told on `plugbus.topic.added`. False where the directory is full
    /// ([`BusBuilder::topics_max`]).
    pub fn declare(&self, topic: &Topic, description: &str) -> bool {
        let added = self.inner.topics.declare(topic, description);
        if added == Some(true) && !topic.is_host() {
            self.inner.tell_topic(topic);
        }
        added.is_some()
    }

    /// The topics declared or seen that a filter matches, in their order.
    #[must_use]
    pub fn topics(&self, filter: &Filter) -> Vec<TopicInfo> {
        self.inner.topics.list(filter)
    }

    /// What the bus counted.
    #[must_use]
    pub fn stats(&self) -> BusStats {
        let counters = &self.inner.counters;
        BusStats {
            accepted: counters.accepted.load(Relaxed),
            refused: counters.refused.load(Relaxed),
            unmatched: counters.unmatched.load(Relaxed),
            muted: counters.muted.load(Relaxed),
            held: counters.held.load(Relaxed),
            outbox_refused: counters.outbox_refused.load(Relaxed),
            duplicates: counters.duplicates.load(Relaxed),
            journal_refused: counters.journal_refused.load(Relaxed),
            topics_unlisted: self.inner.topics.unlisted(),
            subscriptions: self.inner.lock_registry().slots.len(),
            dead_letters: self.inner.dead.stats(),
        }
    }

    /// What the bus's history holds, where it keeps one.
    #[must_use]
    pub fn history_stats(&self) -> Option<HistoryStats> {
        self.inner.history.as_ref().map(|history| history.stats())
    }

    /// Waits for one event that matches and satisfies the predicate.
    ///
    /// # Errors
    /// [`WaitError`] when the time is up, or the filter or the bus does not allow it.
    pub async fn wait_for(
        &self,
        filters: impl IntoFilters,
        predicate: impl Fn(&Event) -> bool,
        limit: Duration,
    ) -> Result<Arc<Event>, WaitError> {
        let mut stream = self.subscribe(filters).stream().map_err(WaitError::Subscribe)?;
        let found = async {
            while let Some(event) = stream.next().await {
                if predicate(&event) {
                    return Some(event);
                }
            }
            None
        };
        match timeout(limit, found).await {
            Ok(Some(event)) => Ok(event),
            Ok(None) => Err(WaitError::Closed),
            Err(_) => Err(WaitError::TimedOut { timeout_ms: limit.as_millis() }),
        }
    }
}

/// Why [`Bus::wait_for`] has no event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// Not subscribed.
    #[error("not subscribed")]
    Subscribe(#[source] crate::subscribe::SubscribeError),
    /// The time was up.
    #[error("no such event within {timeout_ms} ms")]
    TimedOut {
        /// The time allowed.
        timeout_ms: u128,
    },
    /// The bus was shut down.
    #[error("the bus was shut down")]
    Closed,
}

fn all_settled(results: &[(Name, Settlement)]) -> bool {
    results.iter().all(|(_, settlement)| *settlement != Settlement::Pending)
}

fn first_reply(results: &[(Name, Settlement)]) -> Option<Payload> {
    results.iter().find_map(|(_, settlement)| match settlement {
        Settlement::Acked(Reply(payload)) => payload.clone(),
        _ => None,
    })
}
