//! A reload: from the rename that puts a new component in place to the first event that the new generation has handled.
//!
//! Two builds of one fixture take turns; each answers an event with its own letter. Events are published all the while, one
//! at a time. By design a reload waits for the file to be seen unchanged twice, `settle` apart: that stands beside it.

use std::fs;
use std::time::{Duration, Instant};

use plugbus::bus::{Draft, Payload};
use plugbus::loader::LoaderConfig;
use plugbus::sandbox::{PluginSpec, Sandbox, SandboxConfig};
use plugbus_fixtures::built;
use tokio::time::MissedTickBehavior;

use crate::effort;
use crate::host::{OnePlugin, PATIENCE, data, draft_of, two_threads};
use crate::record::{Record, Records, in_millis, percentile};

/// The two builds, and what each answers.
const BUILDS: [(&str, &str); 2] = [("generation-a", "a"), ("generation-b", "b")];
const MANIFEST: &str = "publish = [\"generation.handled\"]\n";
/// How often each is measured.
const ROUNDS: usize = 15;
/// How often an event is published while a reload is waited for.
const EVERY: Duration = Duration::from_micros(500);

pub(crate) fn reload(records: &mut Records) {
    let (mut warm, mut cold) = two_threads().block_on(swaps());
    let settle = in_millis(LoaderConfig::new("").settle);
    for (name, durations) in [("code cached", &mut warm), ("compiled anew", &mut cold)] {
        let name = format!("reload/from rename to first event handled, {name}");
        records.add(&Record::millis(name, percentile(durations, 50)).beside("the wait for settled files", settle));
    }
    two_threads().block_on(parts(records));
}

/// Durations of reloads whose code is in the cache, and of those whose code is not.
async fn swaps() -> (Vec<Duration>, Vec<Duration>) {
    let [(first, first_answer), (second, second_answer)] = BUILDS;
    let [first, second] = [first, second].map(built::fixture_bytes);
    let plugin = OnePlugin::start(&first, MANIFEST).await;
    let event = draft_of("in.bench", data());
    let (mut warm, mut cold) = (Vec::new(), Vec::new());
    // The first build is what runs, and compiled; the first swap to the second one compiles that.
    swap(&plugin, &second, &event, second_answer).await;
    let turns = [(&first, first_answer), (&second, second_answer)].into_iter().cycle();
    let rounds = effort::times(ROUNDS);
    for ((wasm, answer), round) in turns.zip(0..2 * rounds) {
        if round < rounds {
            warm.push(swap(&plugin, wasm, &event, answer).await);
        } else {
            cold.push(swap(&plugin, &with_note(wasm, round), &event, answer).await);
        }
    }
    plugin.stop().await;
    (warm, cold)
}

async fn swap(plugin: &OnePlugin, wasm: &[u8], event: &Draft, answer: &str) -> Duration {
    let bus = plugin.host.bus();
    let staged = plugin.place.stage(wasm);
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let began = Instant::now();
    fs::rename(staged, plugin.place.plugins().join("bench.wasm")).expect("the component is put in place");
    loop {
        ticks.tick().await;
        let reply: Payload = bus.request(event.clone(), PATIENCE).await.expect("the plugin replies");
        let took = began.elapsed();
        if reply.data == answer.as_bytes() {
            return took;
        }
        assert!(took < PATIENCE, "no reload within {PATIENCE:?}");
    }
}

/// What a reload is made of, beside noticing and settling.
async fn parts(records: &mut Records) {
    let cache = tempfile::tempdir().expect("a temporary folder is made");
    let config = SandboxConfig { cache_dir: Some(cache.path().into()), ..SandboxConfig::default() };
    let sandbox = Sandbox::new(config).expect("the engine is made");
    let wasm = built::fixture_bytes(BUILDS[0].0);
    let (mut cold, mut warm, mut start) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..effort::times(ROUNDS) {
        let noted = with_note(&wasm, round);
        let began = Instant::now();
        sandbox.compile(noted.clone().into()).await.expect("the component compiles");
        cold.push(began.elapsed());

        let began = Instant::now();
        let component = sandbox.compile(noted.into()).await.expect("the component compiles");
        warm.push(began.elapsed());

        let began = Instant::now();
        let template = component.link(PluginSpec::new("bench")).expect("the component links");
        let _handler = template.start().await.expect("the guest starts");
        start.push(began.elapsed());
    }
    let warm = percentile(&mut warm, 50);
    let cold = Record::millis("reload/of it, compile", percentile(&mut cold, 50));
    records.add(&cold.beside("the same from the cache", in_millis(warm)));
    records.add(&Record::millis("reload/of it, link, instantiate and init", percentile(&mut start, 50)));
}

/// The component with a custom section at its end: the same code, but a file that no cache has seen.
fn with_note(wasm: &[u8], number: usize) -> Vec<u8> {
    let note = format!("{number:04}");
    let name = "note";
    let size = 1 + name.len() + note.len();
    let header = [0, u8::try_from(size).expect("it is short"), u8::try_from(name.len()).expect("it is short")];
    [wasm, &header, name.as_bytes(), note.as_bytes()].concat()
}
