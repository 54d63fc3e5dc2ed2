//! A host with one plugin, and what went into it and came out, in a form that native results have too.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use plugbus::Host;
use plugbus::bus::{DeadReason, Delivery, Event, Payload, Reply, Settlement};
use plugbus::sandbox::{LogLine, LogSink};
use plugbus_fixtures::built;
use plugbus_sdk::testing::{self, EventBuilder};
use plugbus_sdk::{Failure, testing::Outcome as NativeOutcome, testing::Published};
use tempfile::TempDir;

use crate::support::PATIENCE;

const TIME_NS: u64 = 1_795_426_215_250_000_000;
const SOURCE: &str = "test";

/// An event for both.
#[derive(Debug, Clone)]
pub(super) struct Input {
    topic: String,
    id: String,
    content_type: String,
    data: Vec<u8>,
}

/// What became of an event: a reply's media type and data, or the reason why not.
pub(super) type Outcome = Result<Option<(String, Vec<u8>)>, String>;

/// What a plugin published: topic, media type, data, subject, extensions.
type Out = (String, String, Vec<u8>, Option<String>, Vec<(String, String)>);

/// Collects what the plugin published, and its log.
#[derive(Debug, Default)]
struct Heard {
    published: Mutex<Vec<Out>>,
    log: Mutex<Vec<String>>,
}

/// A host with one plugin of this repository.
pub(super) struct Real {
    host: Host,
    plugin: String,
    heard: Arc<Heard>,
    _folder: TempDir,
}

impl Input {
    pub(super) fn new(topic: &str, id: &str, content_type: &str, data: impl Into<Vec<u8>>) -> Self {
        Self { topic: topic.into(), id: id.into(), content_type: content_type.into(), data: data.into() }
    }

    pub(super) fn json(topic: &str, id: &str, data: &str) -> Self {
        Self::new(topic, id, "application/json", data)
    }

    /// The event as the SDK's testing host takes it.
    pub(super) fn for_native(&self) -> EventBuilder {
        let payload = plugbus_sdk::Payload::new(self.content_type.clone(), self.data.clone());
        let event = testing::event(self.topic.clone()).id(self.id.clone()).source(SOURCE).time_ns(TIME_NS);
        event.payload(payload).subject("the-subject").extension("traceparent", "00-trace")
    }
}

impl Real {
    /// Starts a host with a plugin of this repository and this manifest.
    pub(super) async fn start(plugin: &str, manifest: &str) -> Self {
        Self::start_file(&built::plugin(plugin), manifest).await
    }

    /// Starts a host with any component and this manifest.
    pub(super) async fn start_file(wasm: &Path, manifest: &str) -> Self {
        let plugin = wasm.file_stem().unwrap().to_str().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let plugins = folder.path().join("plugins");
        fs::create_dir(&plugins).unwrap();
        fs::copy(wasm, plugins.join(plugin).with_extension("wasm")).unwrap();
        fs::write(plugins.join(plugin).with_extension("toml"), manifest).unwrap();
        let heard = Arc::new(Heard::default());
        let builder = Host::builder().plugins_dir(plugins).data_dir(folder.path().join("data")).no_socket();
        let builder = builder.plugin_log(heard.clone()).sandbox(|sandbox| {
            // Compiled code is kept from test to test and from run to run.
            sandbox.cache_dir = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile-cache"));
        });
        let host = builder.start().await.unwrap();
        let status = host.loader().unwrap().plugin(plugin).unwrap();
        assert!(status.running.is_some(), "{:?}", status.last_rejection);
        let (name, listening) = (format!("plugin/{plugin}"), heard.clone());
        let listen = move |delivery: &Delivery| {
            if *delivery.event.source == *name {
                listening.published.lock().unwrap().push(out_of(&delivery.event));
            }
        };
        host.bus().subscribe(">").name("listener").inline(listen).unwrap().detach();
        Self { host, plugin: format!("plugin/{plugin}"), heard, _folder: folder }
    }

    /// Publishes the event, and waits for what becomes of it.
    pub(super) async fn send(&self, input: &Input) -> Outcome {
        self.offer(input).await.expect("the plugin gets the event")
    }

    /// The same; nothing where the plugin does not get the event.
    pub(super) async fn offer(&self, input: &Input) -> Option<Outcome> {
        let Input { topic, id, content_type, data } = input.clone();
        let draft = Event::draft(topic).unwrap().id(id).source(SOURCE).time_ns(TIME_NS).subject("the-subject");
        let draft = draft.payload(Payload::new(content_type, data)).extension("traceparent", "00-trace");
        let settled = self.host.bus().publish_and_wait(draft, PATIENCE).await.unwrap();
        let of_plugin = settled.results.into_iter().find(|(name, _)| name.as_str() == self.plugin);
        Some(match of_plugin?.1 {
            Settlement::Acked(Reply(reply)) => {
                Ok(reply.map(|reply| (reply.content_type.to_string(), reply.data.to_vec())))
            }
            Settlement::Dead(DeadReason::Rejected(reason)) => Err(format!("reject: {reason}")),
            Settlement::Dead(DeadReason::Exhausted { last, .. }) => Err(last.to_string()),
            other => panic!("{other:?}"),
        })
    }

    /// What the plugin published since the last call.
    pub(super) fn take_published(&self) -> Vec<Out> {
        std::mem::take(&mut self.heard.published.lock().unwrap())
    }

    /// What the plugin logged since the last call.
    pub(super) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.heard.log.lock().unwrap())
    }

    pub(super) async fn stop(self) {
        self.host.shutdown(PATIENCE).await;
    }
}

impl LogSink for Heard {
    fn log(&self, line: &LogLine<'_>) {
        self.log.lock().unwrap().push(line.message.to_owned());
    }
}

fn out_of(event: &Event) -> Out {
    let extensions = event.extensions.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let payload = &event.payload;
    let subject = event.subject.as_deref().map(str::to_owned);
    (event.topic.to_string(), payload.content_type.to_string(), payload.data.to_vec(), subject, extensions)
}

/// What the testing host says became of an event.
pub(super) fn outcome_of(native: NativeOutcome) -> Outcome {
    match native {
        Ok(reply) => Ok(reply.map(|reply| (reply.content_type.clone(), reply.into_bytes()))),
        Err(failure @ (Failure::Retry { .. } | Failure::Reject(_))) => Err(failure.to_string()),
    }
}

/// What the testing host says was published.
pub(super) fn published_of(native: Vec<Published>) -> Vec<Out> {
    let out = |event: Published| {
        let mut extensions = event.extensions;
        extensions.sort();
        (event.topic, event.payload.content_type.clone(), event.payload.into_bytes(), event.subject, extensions)
    };
    native.into_iter().map(out).collect()
}
