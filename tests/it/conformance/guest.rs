//! A language's guest in a host of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plugbus::bus::{Draft, Event, Payload, Settlement};
use plugbus_fixtures::built;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::support::events::Recorder;
use crate::support::host::{PLENTY_OF_TIME, Place, TestHost};
use crate::support::log::Lines;
use crate::support::shipped;
use crate::support::wait::PATIENCE;

/// Longest time that the machine may take to compile a guest; the largest is 18 MB, and others build meanwhile.
const COMPILED_WITHIN: Duration = Duration::from_secs(300);

/// Whether a language's guest is in the compile cache: the tests of one run compile it once, whichever comes first.
pub(super) type Warm = OnceCell<()>;

/// A row of the list of languages.
pub(super) struct Language {
    pub(super) name: &'static str,
    /// What `cargo xtask guests` calls its toolchain.
    pub(super) tools: &'static str,
    /// What the log has of an exception where the language tells where it happened.
    pub(super) trace: Option<&'static str>,
    pub(super) warm: &'static Warm,
}

/// A guest that runs, and what it publishes and logs.
pub(super) struct Guest {
    pub(super) host: TestHost,
    pub(super) out: Recorder,
    pub(super) log: Arc<Lines>,
}

impl Language {
    /// Whether its guest can be tested, see [`shipped::is_there`].
    pub(super) fn is_there(&self) -> bool {
        shipped::is_there(self.tools)
    }

    /// Starts a host with the guest in it.
    pub(super) async fn start(&self) -> Guest {
        self.start_with("").await
    }

    /// The same with further lines in the manifest.
    pub(super) async fn start_with(&self, more: &str) -> Guest {
        // One after the other until one has compiled it; from then on it comes out of the cache.
        self.warm.get_or_init(async || drop(self.load("").await)).await;
        self.load(more).await
    }

    async fn load(&self, more: &str) -> Guest {
        let log = Arc::new(Lines::default());
        let host = Place::new().start_with(|_| {}, Some(log.clone())).await;
        let component = built::conformance_bytes(self.name);
        let manifest = format!("publish = [\"out.>\"]\n[limits]\n{PLENTY_OF_TIME}\n{more}");
        host.put_plugin(self.name, component, &manifest);
        let began = Instant::now();
        while host.generation(self.name).is_none() {
            let rejection = host.status(self.name).and_then(|status| status.last_rejection);
            assert!(rejection.is_none(), "{}: {rejection:?}", self.name);
            assert!(began.elapsed() < COMPILED_WITHIN, "{} is not loaded within {COMPILED_WITHIN:?}", self.name);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Guest { out: Recorder::on(host.bus(), ">"), host, log }
    }
}

impl Guest {
    /// Sends an event and waits for its end.
    pub(super) async fn send(&self, topic: &str, payload: Payload) -> Settlement {
        let draft = Event::draft(topic).unwrap().payload(payload);
        let settled = self.host.bus().publish_and_wait(draft, PATIENCE).await.unwrap();
        let mut plugins = settled.results.into_iter().filter(|(name, _)| name.to_string().starts_with("plugin/"));
        plugins.next().map(|(_, settlement)| settlement).unwrap()
    }

    pub(super) async fn send_json(&self, topic: &str, data: &Value) -> Settlement {
        self.send(topic, Payload::json(data).unwrap()).await
    }

    /// Sends an event that must be acked.
    pub(super) async fn acks(&self, topic: &str, payload: Payload) {
        let end = self.send(topic, payload).await;
        assert!(matches!(end, Settlement::Acked(_)), "{topic}: {end:?}\n{}", self.host.told.describe());
    }

    /// Sends an event that must be rejected at the first attempt; the reason.
    pub(super) async fn rejects(&self, topic: &str, payload: Payload) -> String {
        let end = self.send(topic, payload).await;
        assert!(matches!(end, Settlement::Dead(_)), "{topic}: {end:?}\n{}", self.host.told.describe());
        let failed = self.host.told.json("plugbus.delivery.failed");
        assert_eq!(failed.len(), 1, "{failed:?}");
        assert_eq!((&failed[0]["kind"], &failed[0]["next"]), (&"reject".into(), &"dead".into()), "{failed:?}");
        failed[0]["reason"].as_str().unwrap().to_owned()
    }

    /// Asks, and waits for the reply.
    pub(super) async fn request(&self, draft: Draft) -> Payload {
        let reply = self.host.bus().request(draft, PATIENCE).await;
        reply.unwrap_or_else(|error| panic!("{error}\n{}", self.host.told.describe()))
    }

    /// What it has published: topics in order.
    pub(super) fn topics(&self) -> Vec<String> {
        let topics = self.published().into_iter().map(|event| event.topic.to_string());
        topics.collect()
    }

    /// What it has published: all that is not under `c.`, wherever it went.
    pub(super) fn published(&self) -> Vec<Arc<Event>> {
        self.out.all().into_iter().filter(|event| !event.topic.as_str().starts_with("c.")).collect()
    }

    /// The only event that it has published, on this topic, as JSON with the content type of JSON.
    #[track_caller]
    pub(super) fn only_json(&self, topic: &str) -> Value {
        let only = self.only(topic);
        assert_eq!(only.content_type.as_ref(), "application/json");
        serde_json::from_slice(&only.data).unwrap()
    }

    /// The data of the only event that it has published.
    #[track_caller]
    pub(super) fn only(&self, topic: &str) -> Payload {
        assert_eq!(self.topics(), [topic], "{}", self.host.told.describe());
        self.published()[0].payload.clone()
    }

    /// Nothing broke, and the host stops in order.
    pub(super) async fn stop(self, name: &str) {
        let stats = self.host.stats(name);
        assert_eq!(stats.faults, 0, "{:?}\n{}", stats.faults_by_kind, self.host.told.describe());
        self.host.stop().await;
    }
}
