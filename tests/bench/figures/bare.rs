//! What a plugin's call is set beside: the same component, called by hand with what `bindgen!` makes of the contract.
//!
//! The engine has the sandbox's settings (fuel, epochs, async calls on fibers, a pool), and each call has its fuel and its
//! epoch deadline. Nothing else is there: no bus, no queue, no outbox, no log, no limits but these, no faults to tell apart.

use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use plugbus::sandbox::{Limits, SandboxConfig};
use tokio::sync::{mpsc as channel, oneshot};
use tokio::task;
use wasmtime::component::{Component, HasSelf, Linker, ResourceTable};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::host::{TOPIC, data};

mod bindings {
    #![allow(missing_docs, unreachable_pub, reason = "generated")]
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "plugbus:plugin/plugin",
        ownership: Borrowing { duplicate_if_necessary: true },
        exports: { default: async },
    });
}

use bindings::plugbus::plugin::publisher::{self, PublishError};
use bindings::plugbus::plugin::types::{self, BodyParam, Event, PayloadParam, PayloadResult};
use bindings::wasi::logging::logging;

/// Core instances, memories and tables in the pool: room for one component and to spare.
const POOLED: u32 = 64;

/// A live instance, and the thread that ticks for it.
pub(crate) struct Bare {
    store: Store<State>,
    guest: bindings::Plugin,
    fuel: u64,
    data: String,
    _ticker: Ticker,
}

impl Bare {
    /// Compiles, instantiates, calls `init`.
    pub(crate) async fn start(wasm: &[u8]) -> wasmtime::Result<Self> {
        let sandbox = SandboxConfig::default();
        let engine = engine(&sandbox)?;
        let component = Component::new(&engine, wasm)?;
        let mut linker = Linker::new(&engine);
        bindings::Plugin::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        let state = State { wasi: WasiCtx::builder().build(), table: ResourceTable::new() };
        let mut store = Store::new(&engine, state);
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()))));
        store.set_fuel(Limits::default().fuel_init)?;
        store.set_epoch_deadline(1);
        let ticker = Ticker::start(engine, sandbox.tick);
        let guest = bindings::Plugin::instantiate_async(&mut store, &component, &linker).await?;
        let registered = guest.plugbus_plugin_subscriber().call_init(&mut store, "{}").await?;
        registered.expect("the guest registers");
        let data = String::from_utf8(data().into()).expect("the data is text");
        Ok(Self { store, guest, fuel: Limits::default().fuel_per_event, data, _ticker: ticker })
    }

    /// Calls `handle` so many times, one after the other.
    pub(crate) async fn call_many(&mut self, count: u64) -> wasmtime::Result<()> {
        for _ in 0..count {
            self.store.set_fuel(self.fuel)?;
            self.store.set_epoch_deadline(1);
            let event = event(&self.data);
            let answer = self.guest.plugbus_plugin_subscriber().call_handle(&mut self.store, event).await?;
            answer.expect("the guest acks");
        }
        Ok(())
    }

    /// Calls `handle` in a task of its own for whoever asks, until nobody can any more.
    pub(crate) fn serve(mut self) -> (Calls, task::JoinHandle<()>) {
        let (calls, mut asked) = channel::channel::<oneshot::Sender<()>>(1024);
        let served = tokio::spawn(async move {
            while let Some(answer) = asked.recv().await {
                self.call_many(1).await.expect("the guest answers");
                answer.send(()).expect("somebody waits");
            }
        });
        (calls, served)
    }
}

/// Where a call is asked for; the answer comes back once it has ended.
pub(crate) type Calls = channel::Sender<oneshot::Sender<()>>;

/// The event of [`crate::host::draft`], as the bus stamps it.
fn event(data: &str) -> Event<'_> {
    Event {
        id: "0199a1f2-7c3e-7d21-9f00-5a3c1b2d4e6f",
        source: "native",
        topic: TOPIC,
        subject: None,
        time_ns: 1_767_225_600_000_000_000,
        payload: PayloadParam { content_type: "application/json", body: BodyParam::Text(data) },
        extensions: &[],
        attempt: 1,
    }
}

/// As the sandbox makes it, see its module `sandbox`.
fn engine(sandbox: &SandboxConfig) -> wasmtime::Result<Engine> {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(1)
        .total_core_instances(POOLED)
        .total_memories(POOLED)
        .total_tables(POOLED)
        .total_stacks(2)
        .max_memory_size(1 << 32)
        .table_elements(200_000)
        .max_core_instance_size(4 << 20)
        .max_component_instance_size(4 << 20);
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .epoch_interruption(true)
        .concurrency_support(false)
        .max_wasm_stack(sandbox.stack_bytes)
        .async_stack_size(sandbox.stack_bytes + (2 << 20))
        .wasm_gc(false)
        .wasm_function_references(false)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}

/// Advances the engine's epoch, as the sandbox's own thread does. Ends when it is dropped.
struct Ticker(Option<(mpsc::Sender<()>, JoinHandle<()>)>);

impl Ticker {
    fn start(engine: Engine, tick: Duration) -> Self {
        let (stop, stopped) = mpsc::channel::<()>();
        let run = move || {
            while stopped.recv_timeout(tick) == Err(mpsc::RecvTimeoutError::Timeout) {
                engine.increment_epoch();
            }
        };
        Self(Some((stop, thread::spawn(run))))
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.0.take() {
            drop(stop);
            thread.join().expect("the ticker ends");
        }
    }
}

/// Data of the store: what the component's imports need, and no more.
struct State {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl types::Host for State {}

impl publisher::Host for State {
    fn publish(&mut self, _: String, _: PayloadResult, _: Vec<(String, String)>) -> Result<String, PublishError> {
        Err(PublishError::Denied("nobody is there to publish to".into()))
    }
}

impl logging::Host for State {
    fn log(&mut self, _: logging::Level, _: String, _: String) {}
}
