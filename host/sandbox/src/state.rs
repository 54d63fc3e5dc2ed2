//! What one instance has on the host's side.
//!
//! Bounds of what wasmtime keeps here for a guest: at most [`HANDLES_MAX`] resources (streams, descriptors, requests, buckets, messages; a
//! descriptor is an open file of the host) and [`HANDLES_MAX`] handles, [`RANDOM_BYTES_MAX`] random bytes in one call, 64 KiB
//! in one read of a stream, [`HEADER_BYTES_MAX`] of HTTP headers,
//! 64 KiB on their way out of each TCP socket. Not bounded here: what a guest writes into a folder that it
//! was granted for writing (give it a quota or a file system of its own), the names that the host holds while a guest lists a
//! folder (all of them at once: grant no folder of millions), and the one blocking thread that a file operation
//! on a dead network mount holds until the system gives up, although the call itself is cut off at its deadline.

use std::sync::Arc;
use std::time::Instant;

use plugbus_bus::Delivery;
use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_config::WasiConfig;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::bindings::Plugin;
use crate::grants::{DirGrant, DirMode, Grants};
use crate::http::{Gate, outgoing};
use crate::keyvalue::{self, Pages};
use crate::limiter::Limiter;
use crate::messaging::{self, Messages};
use crate::plugin_log::PluginLog;
use crate::sockets::{self, Network};
use crate::template::Inner;

/// Most resources and most handles of one instance.
pub(crate) const HANDLES_MAX: u16 = 1024;
/// Most random bytes in one call.
const RANDOM_BYTES_MAX: u64 = 64 << 10;
/// Most bytes of HTTP headers in one message, roughly, as they lie in memory.
const HEADER_BYTES_MAX: usize = 64 << 10;

/// The data of a store.
pub(crate) struct State {
    pub(crate) template: Arc<Inner>,
    pub(crate) limiter: Limiter,
    pub(crate) log: PluginLog,
    /// When the running call must be over.
    deadline: Instant,
    wasi: WasiCtx,
    pub(crate) table: ResourceTable,
    /// Cursors into the store.
    pub(crate) pages: Pages,
    pub(crate) messages: Messages,
    http: WasiHttpCtx,
    gate: Gate,
    pub(crate) network: Arc<Network>,
}

impl State {
    /// A store with the data of one instance, its limits and its clock.
    pub(crate) fn store(template: &Arc<Inner>) -> Result<Store<Self>, DirError> {
        let log = PluginLog::new(template.clone());
        let network = Arc::new(Network::new(template.clone(), log.clone()));
        let wasi = wasi(&template.spec.grants, Some((&log, &network)))?;
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES_MAX.into());
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(HEADER_BYTES_MAX);
        let state = Self {
            template: template.clone(),
            limiter: Limiter::new(&template.spec.limits),
            gate: Gate::new(template.clone(), log.clone()),
            network,
            log,
            deadline: Instant::now(),
            wasi,
            table,
            pages: Pages::default(),
            messages: Messages::default(),
            http,
        };
        let mut store = Store::new(template.component.inner.sandbox.engine(), state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(usize::try_from(template.spec.limits.hostcall_bytes).unwrap_or(usize::MAX));
        store.set_max_component_handles(HANDLES_MAX.into());
        store.epoch_deadline_callback(|store| {
            if Instant::now() >= store.data().deadline {
                return Ok(UpdateDeadline::Interrupt);
            }
            // tokio's own yield, which keeps to its task budget; wasmtime's does not.
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        });
        Ok(store)
    }

    /// A call begins: what is counted for each call is reset.
    pub(crate) fn begin(&mut self, delivery: Option<&Arc<Delivery>>, deadline: Instant) {
        self.deadline = deadline;
        self.limiter.begin();
        self.pages.begin();
        self.messages.begin(self.template.spec.limits.hostcall_bytes);
        self.log.begin(delivery);
        self.gate.begin(deadline);
        self.network.begin();
    }

    /// A call is over: its connections end, its log is complete.
    pub(crate) fn end(&mut self) {
        self.gate.end();
        self.log.end();
    }
}

/// A call that was dropped before its end is over too: what the guest had written until then is not lost.
impl Drop for State {
    fn drop(&mut self) {
        self.log.end();
    }
}

/// Puts everything into a linker that the component may have: always the contract and WASI's own, the rest where granted.
pub(crate) fn add_to_linker(linker: &mut Linker<State>, grants: &Grants) -> wasmtime::Result<()> {
    Plugin::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    messaging::add_to_linker(linker)?;
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    sockets::add_to_linker(linker)?;
    if !grants.http.is_empty() {
        outgoing::add_to_linker(linker)?;
    }
    if grants.kv {
        keyvalue::add_to_linker(linker)?;
    }
    if grants.config {
        wasmtime_wasi_config::add_to_linker(linker, |state: &mut State| {
            WasiConfig::from(&state.template.config_variables)
        })?;
    }
    Ok(())
}

/// A granted folder that cannot be opened.
#[derive(Debug)]
pub(crate) struct DirError {
    pub(crate) grant: DirGrant,
    pub(crate) source: std::io::Error,
}

/// A WASI context with what is granted and nothing else. Without an instance, sockets are refused: the builder's default.
pub(crate) fn wasi(grants: &Grants, instance: Option<(&PluginLog, &Arc<Network>)>) -> Result<WasiCtx, DirError> {
    let mut builder = WasiCtxBuilder::new();
    builder.max_random_size(RANDOM_BYTES_MAX);
    if let Some((log, network)) = instance {
        builder.stdout(log.stdout()).stderr(log.stderr());
        let network = network.clone();
        builder
            .allow_tcp(!grants.tcp.is_empty())
            .socket_addr_check(move |address, purpose| Box::pin(std::future::ready(network.may_use(address, purpose))));
    }
    for (name, value) in &grants.env {
        builder.env(name, value);
    }
    for grant in &grants.dirs {
        let permissions = match grant.mode {
            DirMode::ReadOnly => FsPerms::ReadOnly,
            DirMode::ReadWrite => FsPerms::ReadWrite,
        };
        builder.preopened_dir(&grant.host, &grant.guest, permissions).map_err(|error| {
            let source =
                error.downcast::<std::io::Error>().unwrap_or_else(|error| std::io::Error::other(format!("{error:#}")));
            DirError { grant: grant.clone(), source }
        })?;
    }
    Ok(builder.build())
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.gate, table: &mut self.table, ctx: &mut self.http }
    }
}
