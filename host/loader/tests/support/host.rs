//! A bus, a plugins folder and a loader, with short times, and what the loader told the world.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use plugbus_bus::{Bus, Delivery, Event, Reply, Settlement};
use plugbus_loader::{Loader, LoaderConfig, PluginStatus};
use plugbus_sandbox::{Sandbox, SandboxConfig};
use serde_json::Value;
use tempfile::TempDir;

use crate::guest::Guest;

/// Longest wait for anything; met only by what never comes.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Host {
    pub(crate) parent: TempDir,
    pub(crate) bus: Bus,
    pub(crate) loader: Loader,
    told: Arc<Mutex<Vec<(String, Value)>>>,
}

/// Before the loader starts.
pub(crate) struct Folder {
    parent: TempDir,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        fs::create_dir(parent.path().join("plugins")).unwrap();
        Self { parent }
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.parent.path().join("plugins").join(file)
    }

    pub(crate) fn with(self, file: &str, guest: &Guest) -> Self {
        fs::write(self.path(file), guest.binary()).unwrap();
        self
    }

    pub(crate) fn with_text(self, file: &str, text: &str) -> Self {
        fs::write(self.path(file), text).unwrap();
        self
    }

    pub(crate) async fn start(self) -> Host {
        self.start_with(|_| {}).await
    }

    pub(crate) async fn start_with(self, change: impl FnOnce(&mut LoaderConfig)) -> Host {
        let mut config = LoaderConfig::new(self.path(""));
        config.rescan = Duration::from_millis(200);
        config.settle = Duration::from_millis(10);
        config.unload_grace = Duration::from_millis(400);
        change(&mut config);
        let bus = Bus::default();
        let told: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let kept = told.clone();
        let keep = move |delivery: &Delivery| {
            let data = delivery.event.payload.parse().unwrap();
            kept.lock().unwrap().push((delivery.event.topic.to_string(), data));
        };
        bus.subscribe("plugbus.plugin.>").inline(keep).unwrap().detach();
        let sandbox = Sandbox::new(SandboxConfig::default()).unwrap();
        let loader = Loader::start(bus.clone(), sandbox, config).await.unwrap();
        Host { parent: self.parent, bus, loader, told }
    }
}

impl Host {
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.parent.path().join("plugins").join(file)
    }

    /// Puts a file in place at once, as a careful operator does.
    pub(crate) fn put(&self, file: &str, contents: impl AsRef<[u8]>) {
        let part = self.parent.path().join("part");
        fs::write(&part, contents).unwrap();
        fs::rename(part, self.path(file)).unwrap();
    }

    pub(crate) fn put_guest(&self, file: &str, guest: &Guest) {
        self.put(file, guest.binary());
    }

    pub(crate) fn status(&self, name: &str) -> PluginStatus {
        self.loader.plugin(name).unwrap_or_else(|| panic!("no plugin {name}"))
    }

    pub(crate) fn generation(&self, name: &str) -> Option<u64> {
        self.loader.plugin(name)?.running.map(|running| running.generation)
    }

    /// What one plugin answers to an event on the topic, retries included.
    pub(crate) async fn ask(&self, topic: &str) -> Settlement {
        let draft = Event::draft(topic).unwrap();
        let settled = self.bus.publish_and_wait(draft, PATIENCE).await.unwrap();
        let mut results = settled.results;
        assert_eq!(results.len(), 1, "{results:?}");
        results.remove(0).1
    }

    /// The letter of the generation that answers.
    pub(crate) async fn letter(&self) -> String {
        match self.ask("hook.x").await {
            Settlement::Acked(Reply(Some(payload))) => String::from_utf8(payload.data.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// What the loader told on a topic `plugbus.plugin.<what>`.
    pub(crate) fn told(&self, what: &str) -> Vec<Value> {
        let topic = format!("plugbus.plugin.{what}");
        self.told.lock().unwrap().iter().filter(|(on, _)| *on == topic).map(|(_, data)| data.clone()).collect()
    }

    /// Waits until the loader has told that, and gives the last of it.
    pub(crate) async fn until_told(&self, what: &str, times: usize) -> Value {
        self.until(&format!("{times} times {what}"), || self.told(what).len() >= times).await;
        self.told(what).pop().unwrap()
    }

    /// Waits for a condition.
    pub(crate) async fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let began = Instant::now();
        while !condition() {
            assert!(began.elapsed() < PATIENCE, "never: {what}; told: {:#?}", self.told.lock().unwrap());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until the folder has been looked at so many times more.
    pub(crate) async fn scans(&self, times: u64) {
        let before = self.loader.stats().scans;
        self.until("more scans", || self.loader.stats().scans >= before + times).await;
    }
}
