//! A real host on a temporary folder, with short times, and what it told the world.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use plugbus::bus::{Bus, Event, Settlement, SubscriptionStats};
use plugbus::config::{Config, Sync};
use plugbus::loader::{Loader, PluginStatus};
use plugbus::sandbox::LogSink;
use plugbus::{Host, HostBuilder, HostError};
use plugbus_fixtures::built;
use serde_json::Value;
use tempfile::TempDir;

use super::events::Recorder;
use super::wait::{PATIENCE, until_or};

/// Lines for `[limits]` of a plugin that is to hit another limit than its deadline: on a busy machine the default of 5 s may
/// be over first.
pub(crate) const PLENTY_OF_TIME: &str = "deadline_ms = 120000\ndeadline_init_ms = 120000";

/// Longest time that the machine may take to compile a component; the largest have some 20 MB, and others build meanwhile.
const COMPILED_WITHIN: Duration = Duration::from_secs(300);

/// A place for one host: `<folder>/plugins` and what else the test puts beside it.
pub(crate) struct Place {
    folder: TempDir,
}

/// A host, its place, and everything it said on `plugbus.>`.
pub(crate) struct TestHost {
    pub(crate) host: Host,
    pub(crate) told: Recorder,
    place: Place,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("plugins")).unwrap();
        Self { folder }
    }

    /// Beside the plugins folder.
    pub(crate) fn beside(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// In the plugins folder.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join("plugins").join(file)
    }

    /// Puts a file into the plugins folder at once, as a careful operator does.
    pub(crate) fn put(&self, file: &str, contents: impl AsRef<[u8]>) {
        let part = self.beside(&format!("{file}.part"));
        fs::write(&part, contents).unwrap();
        fs::rename(part, self.path(file)).unwrap();
    }

    /// Starts a host here.
    pub(crate) async fn start(self) -> TestHost {
        self.start_with(|_| {}, None).await
    }

    /// The same, with other settings and perhaps with a place for the plugins' log lines.
    pub(crate) async fn start_with(self, change: impl FnOnce(&mut Config), log: Option<Arc<dyn LogSink>>) -> TestHost {
        let mut config = config(self.folder.path());
        change(&mut config);
        // Made here, so that the recorder hears the very first words.
        let bus = Bus::default();
        let told = Recorder::on(&bus, "plugbus.>");
        let mut builder = builder(config).bus(bus);
        if let Some(log) = log {
            builder = builder.plugin_log(log);
        }
        TestHost { host: builder.start().await.unwrap(), told, place: self }
    }

    /// Starts a host here that keeps a journal beside the plugins: plugins are durable. Its recorder hears what is said after
    /// the start.
    pub(crate) async fn start_durable(self) -> TestHost {
        // No test stops the machine, and a sync of a disk that others write to may take a minute.
        self.start_on_journal(|config| config.journal.sync = Sync::Os).await
    }

    /// The same with other settings.
    pub(crate) async fn start_on_journal(self, change: impl FnOnce(&mut Config)) -> TestHost {
        let mut config = config(self.folder.path());
        change(&mut config);
        let began = Instant::now();
        let host = loop {
            match builder(config.clone()).start().await {
                Ok(host) => break host,
                // One that was abandoned just now lets go of the journal when its last task has ended.
                Err(HostError::Journal { .. }) if began.elapsed() < PATIENCE => {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                Err(error) => panic!("{}", plugbus::report::chain(&error)),
            }
        };
        TestHost { told: Recorder::on(host.bus(), "plugbus.>"), host, place: self }
    }
}

fn builder(config: Config) -> HostBuilder {
    Host::builder().config(config).sandbox(|sandbox| {
        // Compiled code is kept from test to test and from run to run.
        sandbox.cache_dir = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile-cache"));
    })
}

/// The defaults but for the times, which are short.
fn config(folder: &Path) -> Config {
    let mut config = Config {
        plugins_dir: folder.join("plugins"),
        data_dir: folder.join("state"),
        serve_socket: false,
        ..Config::default()
    };
    config.http.enabled = false;
    config.loader.rescan_ms = 200;
    config.loader.settle_ms = 10;
    config.loader.unload_grace_ms = 100;
    // Enough for every test, and less address space for each of the hosts that live at one time.
    config.sandbox.instances_max = 32;
    config
}

impl TestHost {
    /// A host on an empty folder.
    pub(crate) async fn start() -> Self {
        Place::new().start().await
    }

    pub(crate) fn bus(&self) -> &Bus {
        self.host.bus()
    }

    pub(crate) fn loader(&self) -> &Loader {
        self.host.loader().unwrap()
    }

    /// The path of a file in the plugins folder.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.place.path(file)
    }

    /// The path of a file beside the plugins folder.
    pub(crate) fn beside(&self, file: &str) -> PathBuf {
        self.place.beside(file)
    }

    /// Puts any file into the plugins folder, by rename.
    pub(crate) fn put_bytes(&self, file: &str, contents: impl AsRef<[u8]>) {
        self.place.put(file, contents);
    }

    /// Puts a plugin's manifest, by rename.
    pub(crate) fn put_manifest(&self, name: &str, text: &str) {
        self.place.put(&format!("{name}.toml"), text);
    }

    /// Puts a built fixture under a name, by rename. A manifest comes first, so that it is never loaded without.
    pub(crate) fn put_fixture(&self, name: &str, fixture: &str, manifest: &str) {
        self.put_plugin(name, built::fixture_bytes(fixture), manifest);
    }

    /// The same with the bytes of any component.
    pub(crate) fn put_plugin(&self, name: &str, component: impl AsRef<[u8]>, manifest: &str) {
        if !manifest.is_empty() {
            self.put_manifest(name, manifest);
        }
        self.place.put(&format!("{name}.wasm"), component);
    }

    /// Takes a plugin's files away.
    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.path(&format!("{name}.wasm"))).unwrap();
        // Not every plugin has a manifest.
        let _ = fs::remove_file(self.path(&format!("{name}.toml")));
    }

    /// Puts a fixture and waits until it runs.
    pub(crate) async fn run_fixture(&self, name: &str, fixture: &str, manifest: &str) {
        self.put_fixture(name, fixture, manifest);
        self.until_running(name).await;
    }

    /// What the loader knows of a plugin.
    pub(crate) fn status(&self, name: &str) -> Option<PluginStatus> {
        self.loader().plugin(name)
    }

    /// The number of the generation that runs.
    pub(crate) fn generation(&self, name: &str) -> Option<u64> {
        self.status(name)?.running.map(|running| running.generation)
    }

    /// What the subscription of a plugin that runs counts, over all its generations.
    pub(crate) fn stats(&self, name: &str) -> SubscriptionStats {
        let status = self.status(name).unwrap_or_else(|| panic!("no plugin {name}"));
        status.running.unwrap_or_else(|| panic!("{name} does not run: {:?}", status.last_rejection)).counters
    }

    /// Waits for a condition; what the host said is in the message if it never holds.
    pub(crate) async fn until(&self, what: &str, condition: impl FnMut() -> bool) {
        until_or(what, condition, || self.told.describe()).await;
    }

    /// Waits until some generation of a plugin runs.
    pub(crate) async fn until_running(&self, name: &str) {
        self.until(&format!("{name} runs"), || self.generation(name).is_some()).await;
    }

    /// The same for a component of many megabytes, whose compiling takes longer than anything else is waited for.
    pub(crate) async fn until_compiled(&self, name: &str) {
        let began = Instant::now();
        while self.generation(name).is_none() {
            let rejection = self.status(name).and_then(|status| status.last_rejection);
            assert!(rejection.is_none(), "{name}: {rejection:?}");
            assert!(began.elapsed() < COMPILED_WITHIN, "{name} is not compiled within {COMPILED_WITHIN:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until a plugin's subscription has nothing waiting and nothing in flight; of a durable one nothing in the journal
    /// either, where an event is before it waits.
    pub(crate) async fn until_idle(&self, name: &str) {
        let idle = || {
            let stats = self.stats(name);
            let in_journal = stats.durable.is_some_and(|durable| durable.backlog > 0);
            stats.waiting == 0 && stats.in_flight == 0 && !in_journal
        };
        self.until(&format!("{name} has nothing to do"), idle).await;
    }

    /// Waits until the host has refused what the folder holds under a name; what it said.
    pub(crate) async fn until_rejected(&self, name: &str) -> Value {
        self.told.until_json("plugbus.plugin.rejected", |data| data["plugin"] == name).await
    }

    /// Waits until a plugin is unloaded.
    pub(crate) async fn until_unloaded(&self, name: &str) -> Value {
        self.told.until_json("plugbus.plugin.unloaded", |data| data["plugin"] == name).await
    }

    /// Publishes a text and waits for room.
    pub(crate) async fn publish(&self, topic: &str, text: impl Into<String>) {
        self.bus().publish(Event::draft(topic).unwrap().text(text)).await.unwrap();
    }

    /// Publishes a text and waits until every subscription has settled it, retries included. Recorders are left out.
    pub(crate) async fn settle(&self, topic: &str, text: impl Into<String>) -> Vec<(String, Settlement)> {
        let draft = Event::draft(topic).unwrap().text(text);
        let settled = self.bus().publish_and_wait(draft, PATIENCE).await.unwrap();
        let named = settled.results.into_iter().map(|(name, settlement)| (name.to_string(), settlement));
        named.filter(|(name, _)| name.starts_with("plugin/")).collect()
    }

    /// The text that the first plugin replies with.
    pub(crate) async fn ask(&self, topic: &str, text: impl Into<String>) -> String {
        let draft = Event::draft(topic).unwrap().text(text);
        let reply = self.bus().request(draft, PATIENCE).await;
        let reply = reply.unwrap_or_else(|error| panic!("{error}\n{}", self.told.describe()));
        String::from_utf8(reply.data.to_vec()).unwrap()
    }

    /// Stops the host; everything accepted must have been settled.
    pub(crate) async fn stop(self) {
        self.stop_and_leave().await;
    }

    /// Lets go of the host without a word to it.
    pub(crate) fn abandon(self) -> Place {
        self.place
    }

    /// The same as [`TestHost::stop`]; what it leaves behind is there for another one.
    pub(crate) async fn stop_and_leave(self) -> Place {
        let Self { host, told, place } = self;
        drop(told);
        let report = host.shutdown(Duration::from_secs(30)).await;
        assert!(report.unsettled.is_empty(), "{report:?}");
        place
    }
}
