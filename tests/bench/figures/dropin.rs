//! Whether others notice that a large component is dropped in: the one in Python, 20 MB of code that takes seconds to compile.
//!
//! A plugin handles events at a steady rate the whole time, on a host with two threads for events, as a daemon has them. From publish
//! to handled is measured before the component comes, from then on until it runs, and after that. Nothing of it is in the cache.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use plugbus::bus::{Bus, Draft};
use plugbus::loader::{Loader, PluginState};
use plugbus_fixtures::built;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::effort;
use crate::host::{OnePlugin, draft_of, publish_one, two_threads};
use crate::languages;
use crate::record::{Record, Records, per_mille};
use crate::sandbox::hook;

/// The component.
const NAME: &str = "python";
/// The manifest of the other plugin. Its queue has room for all that may come while it stands still on a machine that has other things to
/// do: an event should be late, and not a dead letter.
const NORMALIZE: &str = "publish = [\"hook.>\"]\n[queue]\nevents_max = 100000\n";
/// Between two events: 500 a second.
const EVERY: Duration = Duration::from_millis(2);
/// How long is measured before the component comes, and after it runs.
const PHASE: Duration = Duration::from_secs(15);
/// Longest wait for the component: other programs may want the processor too.
const PATIENCE: Duration = Duration::from_secs(900);
/// How often it is asked whether it runs.
const POLL: Duration = Duration::from_millis(20);

pub(crate) fn dropin(records: &mut Records) {
    if let Some(reason) = built::skipped(NAME) {
        return println!("dropin: there is no component in Python: {reason}");
    }
    let wasm = built::conformance_bytes(NAME);
    let measured = two_threads().block_on(measure(&wasm));
    let size = wasm.len() as f64 / 1e6;
    let took = Record::millis(format!("dropin/{size:.1} MB of Python from rename to running"), measured.loading);
    records.add(&took);
    let [mut before, mut during, mut after] = measured.phases;
    for (name, part) in [("p50", 500), ("p99", 990), ("the longest", 1000)] {
        let [before, during, after] =
            [&mut before, &mut during, &mut after].map(|times| per_mille(times, part).as_nanos() as f64);
        let name = format!("dropin/another plugin, publish to handled, {name}");
        records.add(&Record::new(format!("{name}, while it is compiled"), during, "ns").beside("before", before));
        records.add(&Record::new(format!("{name}, after that"), after, "ns").beside("before", before));
    }
}

struct Measured {
    /// From publish to handled: before, during, after.
    phases: [Vec<Duration>; 3],
    loading: Duration,
}

/// When an event was published, and how long it took until it was handled.
type Times = Arc<Mutex<Vec<(Duration, Duration)>>>;

async fn measure(wasm: &[u8]) -> Measured {
    let normalize = std::fs::read(built::plugin("normalize-hooks")).expect("the plugin is read");
    let plugin = OnePlugin::start(&normalize, NORMALIZE).await;
    let (began, times, stop) = (Instant::now(), Times::default(), Arc::new(AtomicBool::new(false)));
    let publisher =
        Publisher { bus: plugin.host.bus().clone(), runtime: Handle::current(), began, times: times.clone() };
    let stopped = stop.clone();
    let publishing = tokio::task::spawn_blocking(move || publisher.publish_until(&stopped));

    tokio::time::sleep(effort::lasting(PHASE)).await;
    let dropped_in = began.elapsed();
    plugin.place.put(NAME, wasm, languages::MANIFEST);
    running(plugin.host.loader().expect("the host has a loader")).await;
    let runs = began.elapsed();
    tokio::time::sleep(effort::lasting(PHASE)).await;

    stop.store(true, Relaxed);
    let mut events = publishing.await.expect("the publisher ends");
    while let Some(event) = events.join_next().await {
        event.expect("the event is handled");
    }
    plugin.stop().await;
    let mut phases = [Vec::new(), Vec::new(), Vec::new()];
    for (published, took) in times.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        let phase = usize::from(published >= dropped_in) + usize::from(published >= runs);
        phases[phase].push(took);
    }
    Measured { phases, loading: runs - dropped_in }
}

/// Waits until the component runs.
async fn running(loader: &Loader) {
    let began = Instant::now();
    loop {
        let status = loader.plugin(NAME);
        let rejection = status.as_ref().and_then(|status| status.last_rejection.as_ref());
        assert!(rejection.is_none(), "{rejection:?}");
        if status.is_some_and(|status| status.state == PluginState::Running) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "it does not run within {PATIENCE:?}");
        tokio::time::sleep(POLL).await;
    }
}

/// Publishes at the rate, from a thread of its own: the runtime's timers know no less than a millisecond.
struct Publisher {
    bus: Bus,
    runtime: Handle,
    began: Instant,
    times: Times,
}

impl Publisher {
    /// The events that may not be handled yet.
    fn publish_until(&self, stop: &AtomicBool) -> JoinSet<()> {
        let draft: Draft = draft_of("hook.raw", Bytes::from(hook()));
        let mut events = JoinSet::new();
        let mut due = Instant::now();
        while !stop.load(Relaxed) {
            due += EVERY;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            // An event that is late is late from when it should have been published: what holds up the publisher holds up others.
            let (bus, draft, times, began) = (self.bus.clone(), draft.clone(), self.times.clone(), self.began);
            let event = async move {
                publish_one(&bus, &draft).await;
                let time = (due.saturating_duration_since(began), due.elapsed());
                times.lock().unwrap_or_else(PoisonError::into_inner).push(time);
            };
            events.spawn_on(event, &self.runtime);
            while events.try_join_next().is_some() {}
        }
        events
    }
}
