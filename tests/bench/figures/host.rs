//! What several figures are taken with: events, runtimes, and a host with one plugin.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use plugbus::Host;
use plugbus::bus::{Bus, Draft, Event, Payload};
use plugbus::loader::PluginState;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::clock::Clock;

/// Where the event of every figure goes, unless its plugin wants another.
pub(crate) const TOPIC: &str = "bench.event";
/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Events that are published before anybody waits for them: a quarter of a queue's default bound.
pub(crate) const BATCH: u64 = 256;

/// A JSON text of 256 bytes.
pub(crate) fn data() -> Bytes {
    let text = format!("{{\"text\":\"{}\"}}", "x".repeat(256 - r#"{"text":""}"#.len()));
    Bytes::from(text)
}

/// The event of 256 bytes.
pub(crate) fn draft() -> Draft {
    draft_of(TOPIC, data())
}

pub(crate) fn draft_of(topic: &str, data: Bytes) -> Draft {
    let payload = Payload::new("application/json", data);
    Event::draft(topic).expect("the topic is well-formed").payload(payload)
}

/// Everything on the thread that measures: nothing waits for another thread to wake up.
pub(crate) fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime starts")
}

/// As a daemon has it, on a machine with two cores.
pub(crate) fn two_threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime starts")
}

/// Publishes so many events, each as soon as the bus takes it, and waits until all are settled. How long that took,
/// without the making of the events.
pub(crate) fn publish_many<C: Clock>(clock: &C, runtime: &Runtime, bus: &Bus, draft: &Draft, count: u64) -> Duration {
    let mut took = Duration::ZERO;
    let mut left = count;
    while left > 0 {
        let batch = left.min(BATCH);
        let drafts: Vec<Draft> = (1..batch).map(|_| draft.clone()).collect();
        took += clock.time(|| {
            runtime.block_on(async {
                for draft in drafts {
                    bus.publish(draft).await.expect("the bus takes an event");
                }
                // Events of one instance are settled in order: the last one is the end of all.
                publish_one(bus, draft).await;
            });
        });
        left -= batch;
    }
    took
}

/// Publishes one event and waits until it is settled.
pub(crate) async fn publish_one(bus: &Bus, draft: &Draft) {
    let settled = bus.publish_and_wait(draft.clone(), PATIENCE).await.expect("the bus takes an event");
    assert!(settled.all_acked() && settled.results.len() == 1, "{settled:?}");
}

/// A host with one plugin, on folders of its own. It lives in the runtime it was started in.
pub(crate) struct OnePlugin {
    pub(crate) host: Host,
    /// Removed after the host has stopped.
    pub(crate) place: Place,
}

impl OnePlugin {
    /// Starts a host on a component and a manifest, with the settings that every host has by default, but in memory: what
    /// the disk takes is a figure of its own.
    pub(crate) async fn start(wasm: &[u8], manifest: &str) -> Self {
        let place = Place::new();
        place.put("bench", wasm, manifest);
        let builder = Host::builder().plugins_dir(place.plugins()).data_dir(place.path().join("data"));
        let host = builder.journal(false).no_socket().start().await.expect("the host starts");
        let plugin = host.loader().and_then(|loader| loader.plugin("bench")).expect("the plugin is found");
        assert_eq!(plugin.state, PluginState::Running, "{:?}", plugin.last_rejection);
        Self { host, place }
    }

    /// Stops it, and sees that every event was handled.
    pub(crate) async fn stop(self) {
        let stats = self.host.bus().stats();
        assert_eq!((stats.dead_letters.total, stats.refused), (0, 0), "{stats:?}");
        let report = self.host.shutdown(PATIENCE).await;
        assert!(report.unsettled.is_empty(), "{report:?}");
    }
}

/// A temporary folder with a plugins folder in it.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder is made");
        fs::create_dir(folder.path().join("plugins.d")).expect("a folder is made");
        Self(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn plugins(&self) -> PathBuf {
        self.path().join("plugins.d")
    }

    /// Puts a plugin into the folder, with a manifest if there is anything to say.
    pub(crate) fn put(&self, name: &str, wasm: &[u8], manifest: &str) {
        let component = self.plugins().join(name).with_extension("wasm");
        if !manifest.is_empty() {
            fs::write(component.with_extension("toml"), manifest).expect("a manifest is written");
        }
        fs::rename(self.stage(wasm), component).expect("a component is put in place");
    }

    /// Writes a component on the same file system, from where it can be renamed into the folder.
    pub(crate) fn stage(&self, wasm: &[u8]) -> PathBuf {
        let staged = self.path().join("staged.wasm");
        fs::write(&staged, wasm).expect("a component is written");
        staged
    }
}
