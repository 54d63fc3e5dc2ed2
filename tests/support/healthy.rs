//! A plugin that does nothing wrong, beside one that does: every event for it must be handled, once, in order.

use std::cell::Cell;
use std::future::Future;

use super::events::Recorder;
use super::host::TestHost;

/// Events published before and after the trouble, each.
const SOME: u64 = 100;
/// Events that are under way at once during the trouble.
const BURST: u64 = 10;

/// Publishes each event's text again, and keeps what came out.
pub(crate) struct Healthy<'a> {
    host: &'a TestHost,
    out: Recorder,
    published: Cell<u64>,
}

impl<'a> Healthy<'a> {
    /// Loads it and gives it its first events.
    pub(crate) async fn start(host: &'a TestHost) -> Self {
        let manifest = "filters = [\"healthy.in\"]\npublish = [\"healthy.out\"]\n[config]\ntopic = \"healthy.out\"";
        host.run_fixture("healthy", "republish", manifest).await;
        let healthy = Self { host, out: Recorder::on(host.bus(), "healthy.out"), published: Cell::new(0) };
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
        let wanted = usize::try_from(self.published.get()).unwrap();
        self.host.until("the healthy plugin's events are handled", || self.out.count() >= wanted).await;
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
        let handled: Vec<u64> = self.out.texts().iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(handled, (0..published).collect::<Vec<_>>());
        let stats = self.host.stats("healthy");
        assert_eq!(
            (stats.matched, stats.acked, stats.attempts, stats.faults, stats.dead, stats.dropped),
            (published, published, published, 0, 0, 0)
        );
    }
}
