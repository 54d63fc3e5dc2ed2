//! Subscriptions read as a stream.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::control::{Control, Subscription};
use crate::event::Event;
use crate::handler::{BoxFuture, Reply};
use crate::settlement::{Settlement, settle};
use crate::slot::{Slot, Wake};

/// Events of a subscription, read with [`next`](EventStream::next) or as a [`Stream`]. Ends when the subscription does.
/// What is still queued when it is dropped is counted as discarded.
pub struct EventStream {
    subscription: Subscription,
    pending: Option<BoxFuture<'static, Option<Arc<Event>>>>,
}

impl EventStream {
    pub(crate) fn new(subscription: Subscription) -> Self {
        Self { subscription, pending: None }
    }

    /// The next event; none when the subscription has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        match self.pending.take() {
            Some(pending) => pending.await,
            None => next(&self.subscription.slot).await,
        }
    }

    /// A handle to pause, resume or inspect the subscription.
    #[must_use]
    pub fn control(&self) -> Control {
        self.subscription.control()
    }
}

async fn next(slot: &Arc<Slot>) -> Option<Arc<Event>> {
    if slot.is_exhausted() {
        slot.end();
    }
    match slot.next(0).await {
        Wake::Stop => None,
        Wake::Delivery(item) => {
            slot.counters.acked.fetch_add(1, Relaxed);
            settle(item.waiter.as_ref(), &slot.name, || Settlement::Acked(Reply(None)));
            slot.settled(item.order);
            Some(item.event)
        }
    }
}

impl Stream for EventStream {
    type Item = Arc<Event>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Arc<Event>>> {
        let slot = self.subscription.slot.clone();
        let pending = self.pending.get_or_insert_with(|| Box::pin(async move { next(&slot).await }));
        let polled = Future::poll(pending.as_mut(), context);
        if polled.is_ready() {
            self.pending = None;
        }
        polled
    }
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStream").field("subscription", &self.subscription).finish_non_exhaustive()
    }
}
