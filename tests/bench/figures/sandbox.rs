//! What a plugin costs, event by event: the whole host around it, beside the bare call, beside itself.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::measurement::{Measurement, WallTime};
use criterion::{BenchmarkGroup, BenchmarkId, Criterion};
use normalize_hooks::NormalizeHooks;
use plugbus::bus::{Bus, Draft, Handler};
use plugbus::sandbox::{PluginSpec, Sandbox, SandboxConfig, SandboxHandler};
use plugbus_fixtures::built;
use plugbus_sdk::testing;
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::BESIDE;
use crate::bare::{Bare, Calls};
use crate::clock::{Clock, ThreadTime};
use crate::delivery::delivery;
use crate::host::{OnePlugin, TOPIC, draft, draft_of, one_thread, publish_many, publish_one, two_threads};

/// The manifest of `normalize-hooks`.
const NORMALIZE: &str = "publish = [\"hook.>\"]\n";

/// A plugin that does nothing: what one event of a stream costs, whose publisher is ahead of the handler.
pub(crate) fn call(criterion: &mut Criterion<ThreadTime>) {
    let mut group = criterion.benchmark_group("call");
    let (runtime, wasm) = (one_thread(), built::fixture_bytes("noop"));
    through_host(&ThreadTime, &mut group, "through the whole bus, in a stream", &runtime, &wasm, "", &draft());

    let mut handler = runtime.block_on(handler(wasm.clone()));
    group.bench_function("the sandboxed handler alone, without the bus", |bencher| {
        bencher.iter_custom(|count| ThreadTime.time(|| runtime.block_on(handle_many(&mut handler, count))));
    });
    let mut bare = runtime.block_on(Bare::start(&wasm)).expect("the bare component starts");
    group.bench_function(format!("{BESIDE}the bare call that bindgen makes"), |bencher| {
        bencher.iter_custom(|count| {
            ThreadTime.time(|| runtime.block_on(bare.call_many(count)).expect("the guest answers"))
        });
    });
    group.finish();
}

/// The same plugin: how long a publisher waits until its one event is settled, when nothing else goes on. Most of it is two
/// tasks waking each other up, and so it stands beside a task that does the same for the bare call.
pub(crate) fn awaited(criterion: &mut Criterion<WallTime>) {
    let mut group = criterion.benchmark_group("awaited");
    let wasm = built::fixture_bytes("noop");
    for (threads, runtime) in [("on one thread", one_thread()), ("on two threads", two_threads())] {
        let plugin = runtime.block_on(OnePlugin::start(&wasm, ""));
        let (bus, event) = (plugin.host.bus().clone(), draft());
        group.bench_function(BenchmarkId::new("publish to settled", threads), |bencher| {
            bencher.iter_custom(|count| in_a_task(&runtime, publish_each(bus.clone(), event.clone(), count)));
        });
        runtime.block_on(plugin.stop());

        let bare = runtime.block_on(Bare::start(&wasm)).expect("the bare component starts");
        let (calls, served) = runtime.block_on(async { bare.serve() });
        let name = format!("{BESIDE}the bare call in a task, there and back by channels");
        group.bench_function(BenchmarkId::new(name, threads), |bencher| {
            bencher.iter_custom(|count| in_a_task(&runtime, call_each(calls.clone(), count)));
        });
        drop(calls);
        runtime.block_on(served).expect("the task ends");
    }
    group.finish();
}

/// How long something takes in a task. A task and not the runtime's own future, so that it is woken like any other.
fn in_a_task(runtime: &Runtime, work: impl Future<Output = ()> + Send + 'static) -> Duration {
    WallTime.time(|| runtime.block_on(async { tokio::spawn(work).await.expect("the task ends") }))
}

async fn publish_each(bus: Bus, draft: Draft, count: u64) {
    for _ in 0..count {
        publish_one(&bus, &draft).await;
    }
}

async fn call_each(calls: Calls, count: u64) {
    for _ in 0..count {
        let (answer, answered) = oneshot::channel();
        calls.send(answer).await.expect("somebody serves");
        answered.await.expect("somebody answers");
    }
}

/// A new instance for each event.
pub(crate) fn fresh(criterion: &mut Criterion<ThreadTime>) {
    let mut group = criterion.benchmark_group("fresh");
    let (runtime, wasm) = (one_thread(), built::fixture_bytes("noop"));
    through_host(
        &ThreadTime,
        &mut group,
        "a fresh instance for each event",
        &runtime,
        &wasm,
        "fresh = true\n",
        &draft(),
    );
    through_host(&ThreadTime, &mut group, &format!("{BESIDE}one long-lived instance"), &runtime, &wasm, "", &draft());
    group.finish();
}

/// A plugin that does something: written with the SDK, JSON in, JSON out, one publish.
pub(crate) fn normalize(criterion: &mut Criterion<ThreadTime>) {
    let mut group = criterion.benchmark_group("normalize");
    let (runtime, wasm, hook) = (one_thread(), plugin("normalize-hooks"), hook());
    let draft = draft_of("hook.raw", Bytes::from(hook.clone()));
    through_host(
        &ThreadTime,
        &mut group,
        "normalize-hooks, sandboxed, through the whole bus",
        &runtime,
        &wasm,
        NORMALIZE,
        &draft,
    );

    let mut native = testing::Host::<NormalizeHooks>::new(json!({})).expect("the plugin starts");
    let event: plugbus_sdk::Event = testing::event("hook.raw").raw_json(hook).into();
    group.bench_function(format!("{BESIDE}the same handler as native code, without bus"), |bencher| {
        bencher.iter(|| {
            native.send(event.clone()).expect("the plugin acks");
            assert_eq!(native.take_published().len(), 1);
        });
    });
    group.finish();
}

/// Two instances that share one queue, on two threads.
pub(crate) fn instances(criterion: &mut Criterion<WallTime>) {
    let mut group = criterion.benchmark_group("instances");
    let (runtime, wasm) = (two_threads(), plugin("normalize-hooks"));
    let draft = draft_of("hook.raw", Bytes::from(hook()));
    let two = format!("instances = 2\n{NORMALIZE}");
    through_host(&WallTime, &mut group, "normalize-hooks with two instances", &runtime, &wasm, &two, &draft);
    through_host(&WallTime, &mut group, &format!("{BESIDE}with one instance"), &runtime, &wasm, NORMALIZE, &draft);
    group.finish();
}

/// Measures events through a host with one plugin, and sees that all of them were handled.
fn through_host<M: Measurement<Value = Duration>>(
    clock: &M,
    group: &mut BenchmarkGroup<'_, M>,
    name: &str,
    runtime: &Runtime,
    wasm: &[u8],
    manifest: &str,
    draft: &Draft,
) {
    let plugin = runtime.block_on(OnePlugin::start(wasm, manifest));
    let bus = plugin.host.bus().clone();
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|count| publish_many(clock, runtime, &bus, draft, count));
    });
    runtime.block_on(plugin.stop());
}

/// A handler with the sandbox's own defaults, as the loader makes it.
async fn handler(wasm: Vec<u8>) -> SandboxHandler {
    let sandbox = Sandbox::new(SandboxConfig::default()).expect("the engine is made");
    let component = sandbox.compile(wasm.into()).await.expect("the component compiles");
    let template = component.link(PluginSpec::new("bench")).expect("the component links");
    template.start().await.expect("the guest starts")
}

async fn handle_many(handler: &mut SandboxHandler, count: u64) {
    let delivery = Arc::new(delivery(TOPIC, draft().payload));
    for _ in 0..count {
        handler.handle(&delivery).await.expect("the guest acks");
    }
}

fn plugin(name: &str) -> Vec<u8> {
    std::fs::read(built::plugin(name)).expect("the plugin is read")
}

/// A recorded hook of middling length: a tool that was used.
pub(crate) fn hook() -> String {
    let lines = include_str!("../../data/hooks.jsonl").lines();
    let line = lines.filter(|line| line.contains("\"PostToolUse\"")).min_by_key(|line| line.len().abs_diff(600));
    line.expect("a tool was used").to_owned()
}
