//! A recorder of deliveries, and short forms.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use plugbus_bus::{BoxFuture, Delivery, Draft, Event, EventStream, Handler, Outcome, Reply};
use tokio::sync::Notify;

pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) fn draft(topic: &str) -> Draft {
    Event::draft(topic).unwrap()
}

/// The next event of a stream; panics after a minute without one.
pub(crate) async fn next(stream: &mut EventStream) -> Arc<Event> {
    let next = tokio::time::timeout(LONG, stream.next()).await;
    next.expect("an event within a minute").expect("the stream goes on")
}

/// Records what it saw, in order.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<String>>>, Arc<Notify>);

impl Seen {
    pub(crate) fn add(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
        self.1.notify_waiters();
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Waits until so many were seen; panics after a minute.
    pub(crate) async fn until(&self, count: usize) -> Vec<String> {
        let wait = async {
            loop {
                let changed = self.1.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if self.all().len() >= count {
                    return self.all();
                }
                changed.await;
            }
        };
        let seen = tokio::time::timeout(LONG, wait).await;
        seen.unwrap_or_else(|_| panic!("{count} wanted, seen {:?}", self.all()))
    }
}

/// A handler out of a plain function.
pub(crate) struct Sync<F>(pub(crate) F);

impl<F: FnMut(&Delivery) -> Outcome + Send + 'static> Handler for Sync<F> {
    fn handle<'a>(&'a mut self, delivery: &'a Arc<Delivery>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move { (self.0)(delivery) })
    }
}

/// A handler that notes each event under a label and acks.
pub(crate) fn recorder(seen: &Seen, label: &'static str) -> Box<dyn Handler> {
    let seen = seen.clone();
    Box::new(Sync(move |delivery: &Delivery| {
        seen.add(format!("{label}{}", delivery.event.topic));
        Ok(Reply(None))
    }))
}
