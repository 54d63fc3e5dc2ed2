//! A plugin that does nothing wrong, beside one that does: every event for it must be handled, once, in order.

use std::cell::Cell;
use std::future::Future;
use std::sync::{Arc, Mutex};

use plugbus::bus::{Delivery, Subscription};

use super::host::TestHost;

/// Events published before and after the trouble, each.
const SOME: u64 = 100;
/// Events that are under way at once during the trouble.
const BURST: u64 = 10;

/// Publishes each event's text again. The texts are numbers: what comes out is checked as it comes and not kept, for
/// whoever looks at the memory of the process.
pub(crate) struct Healthy<'a> {
    host: &'a TestHost,
    published: Cell<u64>,
    handled: Arc<Mutex<Handled>>,
    _out: Subscription,
}

#[derive(Debug, Default)]
struct Handled {
    /// Numbers that came out in their order, from 0.
    in_order: u64,
    /// Those that were not the next one.
    wrong: Vec<String>,
}

impl Handled {
    fn see(&mut self, text: &str) {
        if text == self.in_order.to_string() {
            self.in_order += 1;
        } else {
            self.wrong.push(text.to_owned());
        }
    }
}

impl<'a> Healthy<'a> {
    /// Loads it and gives it its first events.
    pub(crate) async fn start(host: &'a TestHost) -> Self {
        let manifest = "filters = [\"healthy.in\"]\npublish = [\"healthy.out\"]\n[config]\ntopic = \"healthy.out\"";
        host.run_fixture("healthy", "republish", manifest).await;
        let handled: Arc<Mutex<Handled>> = Arc::default();
        let seen = handled.clone();
        let see = move |delivery: &Delivery| {
            seen.lock().unwrap().see(&String::from_utf8_lossy(&delivery.event.payload.data));
        };
        let out = host.bus().subscribe("healthy.out").inline(see).unwrap();
        let healthy = Self { host, published: Cell::new(0), handled, _out: out };
        healthy.works(SOME).await;
        healthy
    }

    /// Publishes so many events and waits until they are handled.
    async fn works(&self, events: u64) {
        for _ in 0..events {
            let number = self.published.get();
            self.host.publish("healthy.in", number.to_string()).await;
            self.published.set(number + 1);
        }
        let published = self.published.get();
        self.host.until("the healthy plugin's events are handled", || self.handled() >= published).await;
    }

    /// Gives it events for as long as the trouble lasts, at least one burst of them.
    pub(crate) async fn during<T>(&self, trouble: impl Future<Output = T>) -> T {
        let over = Cell::new(false);
        let trouble = async {
            let result = trouble.await;
            over.set(true);
            result
        };
        let work = async {
            self.works(BURST).await;
            while !over.get() {
                self.works(BURST).await;
            }
        };
        tokio::join!(trouble, work).0
    }

    /// Gives it its last events, and sees that each one was handled exactly once and in order.
    pub(crate) async fn finish(self) {
        self.works(SOME).await;
        self.host.until_idle("healthy").await;
        let published = self.published.get();
        assert_eq!(self.handled(), published);
        let stats = self.host.stats("healthy");
        assert_eq!(
            (stats.matched, stats.acked, stats.attempts, stats.faults, stats.dead, stats.dropped),
            (published, published, published, 0, 0, 0)
        );
    }

    /// How many came out so far, each once and in order.
    fn handled(&self) -> u64 {
        let handled = self.handled.lock().unwrap();
        assert_eq!(handled.wrong, [] as [String; 0], "after {}", handled.in_order);
        handled.in_order
    }
}
