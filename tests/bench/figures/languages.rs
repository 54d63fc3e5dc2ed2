//! What a plugin costs in each language: the guests of the conformance suite, which all do the same, beside the one in Rust.
//!
//! An event is that of the row `c.count`: 1 KB of JSON that is parsed, and a little published. Starting is what a daemon does with a
//! component that it has compiled before: take the code out of the cache, link, instantiate, `init`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use plugbus::bus::{Delivery, Filter, Handler, Payload};
use plugbus::sandbox::{PluginSpec, Sandbox, SandboxConfig, SandboxHandler};
use plugbus_fixtures::built;

use crate::clock::{Clock, ThreadTime};
use crate::delivery::delivery;
use crate::effort;
use crate::host::one_thread;
use crate::record::{Record, Records, percentile};

/// Each guest, and what `cargo xtask guests` calls its toolchain.
pub(crate) const LANGUAGES: [(&str, &str); 6] =
    [("rust", "rust"), ("js", "js"), ("ts", "js"), ("python", "python"), ("c", "c"), ("go", "go")];
/// The manifest of each.
pub(crate) const MANIFEST: &str = "publish = [\"out.>\"]\n";

/// Starts, and turns of events.
const ROUNDS: usize = 25;
/// Events of a turn.
const EVENTS: usize = 400;
/// Events before the first turn: an interpreter has caches of its own.
const WARM_UP: usize = 100;
const TOPIC: &str = "c.count";

/// What one language costs.
struct Cost {
    size_kib: f64,
    compile: Duration,
    start: Duration,
    event: Duration,
    fuel: u64,
    memory_kib: f64,
}

pub(crate) fn languages(records: &mut Records) {
    let mut rust = None;
    for (name, tools) in LANGUAGES {
        if let Some(reason) = built::skipped(tools) {
            println!("languages: there is no guest of {name}: {reason}");
            continue;
        }
        let cost = cost(&built::conformance_bytes(name));
        add(records, name, &cost, rust.as_ref());
        if name == "rust" {
            rust = Some(cost);
        }
    }
}

fn add(records: &mut Records, name: &str, cost: &Cost, rust: Option<&Cost>) {
    let mut add = |what: &str, unit, of: &dyn Fn(&Cost) -> f64| {
        let record = Record::new(format!("languages/{name}, {what}"), of(cost), unit);
        match rust {
            Some(rust) => records.add(&record.beside("rust", of(rust))),
            None => records.add(&record),
        }
    };
    add("component", "KiB", &|cost| cost.size_kib);
    add("compile, nothing cached", "ns", &|cost| cost.compile.as_nanos() as f64);
    add("start, code cached", "ns", &|cost| cost.start.as_nanos() as f64);
    add("an event", "ns", &|cost| cost.event.as_nanos() as f64);
    add("fuel of an event", "fuel", &|cost| cost.fuel as f64);
    add("memory of an instance", "KiB", &|cost| cost.memory_kib);
}

fn cost(wasm: &[u8]) -> Cost {
    let runtime = one_thread();
    let cache = tempfile::tempdir().expect("a temporary folder is made");
    let began = Instant::now();
    runtime.block_on(start(&sandbox(cache.path()), wasm));
    let compile = began.elapsed();

    // The cache as the next host finds it.
    let sandbox = sandbox(cache.path());
    let mut starts = Vec::new();
    for _ in 0..effort::times(ROUNDS) {
        let began = Instant::now();
        runtime.block_on(start(&sandbox, wasm));
        starts.push(began.elapsed());
    }
    let mut handler = runtime.block_on(start(&sandbox, wasm));
    let mut turn = |count: usize| {
        let deliveries: Vec<Arc<Delivery>> = (0..count).map(|n| Arc::new(event(n))).collect();
        let handled = ThreadTime.time(|| runtime.block_on(handle(&mut handler, &deliveries)));
        handled / u32::try_from(count).expect("a turn has few events")
    };
    turn(effort::times(WARM_UP));
    let mut events: Vec<Duration> = (0..effort::times(ROUNDS)).map(|_| turn(effort::times(EVENTS))).collect();
    let metrics = handler.template().metrics();
    Cost {
        size_kib: wasm.len() as f64 / 1024.0,
        compile,
        start: percentile(&mut starts, 50),
        event: percentile(&mut events, 50),
        fuel: metrics.fuel_last,
        memory_kib: metrics.memory_bytes_peak as f64 / 1024.0,
    }
}

fn sandbox(cache: &Path) -> Sandbox {
    let config = SandboxConfig { cache_dir: Some(cache.into()), ..SandboxConfig::default() };
    Sandbox::new(config).expect("the engine is made")
}

async fn start(sandbox: &Sandbox, wasm: &[u8]) -> SandboxHandler {
    let component = sandbox.compile(Bytes::copy_from_slice(wasm)).await.expect("the component compiles");
    let publish = vec![Filter::parse("out.>").expect("it is a filter")];
    let spec = PluginSpec { publish, ..PluginSpec::new("bench") };
    let template = component.link(spec).expect("the component links");
    template.start().await.expect("the guest starts")
}

async fn handle(handler: &mut SandboxHandler, deliveries: &[Arc<Delivery>]) {
    for delivery in deliveries {
        handler.handle(delivery).await.expect("the guest acks");
    }
}

/// An event of the row.
fn event(n: usize) -> Delivery {
    let pad = "x".repeat(1000);
    delivery(TOPIC, Payload::new("application/json", format!(r#"{{"n":{n},"pad":"{pad}"}}"#)))
}
