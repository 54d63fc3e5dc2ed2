//! The engine that every plugin of a host shares.
//!
//! What bounds it: compilations at one time by a semaphore ([`SandboxConfig::compiles_max`]; the others wait, in order),
//! live instances by the pool where there is one ([`SandboxConfig::instances_max`]; one more does not start, and says so).
//! One ticker thread in all, whatever the number of plugins and calls: it holds the engine weakly and ends with it. Threads
//! that compile: as many as cores, at most 16, which sleep unless something is compiled.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_rustls::rustls;
use wasmtime::{Engine, EngineWeak};

use crate::allocation::{self, Allocation};
use crate::cache::CacheFolder;
use crate::compile::threads::Compilers;
use crate::config::SandboxConfig;

/// The engine: compiler, allocator, clock. Cloning shares it. One per host.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

struct Inner {
    config: SandboxConfig,
    engine: Engine,
    cache: Option<CacheFolder>,
    allocation: Allocation,
    compiles: Arc<Semaphore>,
    compilers: Compilers,
    tls: OnceLock<Result<Arc<rustls::ClientConfig>, rustls::Error>>,
}

/// Why an engine cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The folder of the compile cache cannot be made, or others may write into it: the host runs what lies there.
    #[error("compile cache {}: not usable; name another folder or none", path.display())]
    Cache {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A setting that wasmtime does not take.
    #[error("engine settings: {0}")]
    Engine(String),
    /// The ticker thread cannot be started.
    #[error("the ticker thread does not start")]
    Ticker(#[source] std::io::Error),
    /// The threads that compile cannot be started.
    #[error("the threads that compile do not start")]
    Compilers(#[source] std::io::Error),
}

impl Sandbox {
    /// Makes an engine and starts its threads (the ticker, and those that compile), which end with the last clone and the last
    /// instance.
    ///
    /// # Errors
    /// Where the cache folder is not usable, a setting is out of range or the system refuses a thread.
    pub fn new(config: SandboxConfig) -> Result<Self, SandboxError> {
        if config.tick.is_zero() || config.compiles_max == 0 || config.instances_max == 0 {
            return Err(SandboxError::Engine("tick, compiles_max and instances_max must not be zero".into()));
        }
        if config.tick > TICK_MAX {
            return Err(SandboxError::Engine(format!("a tick is at most {} s long", TICK_MAX.as_secs())));
        }
        let mut settings = settings(&config);
        let mut cache = None;
        if let Some(folder) = &config.cache_dir {
            let opened = CacheFolder::open(folder);
            let (opened, of_engine) = opened.map_err(|source| SandboxError::Cache { path: folder.clone(), source })?;
            settings.cache(Some(of_engine));
            cache = Some(opened);
        }
        let (engine, allocation) = allocate(settings, &config)?;
        start_ticker(engine.weak(), config.tick).map_err(SandboxError::Ticker)?;
        let compiles = Arc::new(Semaphore::new(config.compiles_max.min(Semaphore::MAX_PERMITS)));
        let compilers = Compilers::start().map_err(SandboxError::Compilers)?;
        let inner = Inner { config, engine, cache, allocation, compiles, compilers, tls: OnceLock::new() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The settings it was made with.
    #[must_use]
    pub fn config(&self) -> &SandboxConfig {
        &self.inner.config
    }

    /// Whether instances come from a pool.
    #[must_use]
    pub fn is_pooling(&self) -> bool {
        self.inner.allocation == Allocation::Pool
    }

    /// Makes what is compiled from now on step back behind whatever else wants the processor: there are events to handle. To be
    /// called when the plugins that a host starts with are there. On Linux; elsewhere it changes nothing.
    pub fn step_back(&self) {
        self.inner.compilers.step_back();
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    pub(crate) fn cache(&self) -> Option<&CacheFolder> {
        self.inner.cache.as_ref()
    }

    pub(crate) fn compilers(&self) -> &Compilers {
        &self.inner.compilers
    }

    pub(crate) fn compiles(&self) -> Arc<Semaphore> {
        self.inner.compiles.clone()
    }

    /// TLS settings with Mozilla's roots, made once. They name their cryptography themselves: a process-wide default belongs
    /// to the program that embeds this crate.
    pub(crate) fn tls(&self) -> Result<Arc<rustls::ClientConfig>, rustls::Error> {
        let made = self.inner.tls.get_or_init(|| {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
            let config = rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots)
                .with_no_client_auth();
            Ok(Arc::new(config))
        });
        made.clone()
    }
}

/// Everything but the allocator and the cache.
fn settings(config: &SandboxConfig) -> wasmtime::Config {
    let mut settings = wasmtime::Config::new();
    settings
        .consume_fuel(true)
        .epoch_interruption(true)
        // One call at a time in an instance: without the machinery for more, a call costs half.
        .concurrency_support(false)
        .max_wasm_stack(config.stack_bytes)
        .async_stack_size(config.stack_bytes.saturating_add(HOST_STACK_BYTES))
        // A garbage-collected heap would be one more thing to bound, and no toolchain for components needs it yet.
        .wasm_gc(false)
        .wasm_function_references(false)
        // Names of functions only: for file and line wasmtime reads all debug information anew for each frame of a trap, on
        // the thread that runs the guest, which a guest with much of it would hold up for seconds.
        .wasm_backtrace_details(wasmtime::WasmBacktraceDetails::Disable)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(crate::fault::FRAMES_MAX));
    settings
}

/// Longest tick: a spinning guest keeps its thread for so long, and deadlines are no more exact.
const TICK_MAX: Duration = Duration::from_secs(1);

/// Stack for host functions on top of the wasm stack. Address space; only what is touched is memory.
const HOST_STACK_BYTES: usize = 2 << 20;

/// Makes the engine with the allocator that was decided on. The reservation itself is the last probe of the address space.
fn allocate(settings: wasmtime::Config, config: &SandboxConfig) -> Result<(Engine, Allocation), SandboxError> {
    let wanted = allocation::decide(config.pooling, config.instances_max, allocation::address_space_limit());
    let make = |allocation: Allocation| {
        let mut settings = settings.clone();
        allocation::apply(allocation, config.instances_max, &mut settings);
        Engine::new(&settings)
    };
    match make(wanted) {
        Ok(engine) => Ok((engine, wanted)),
        Err(error) if wanted == Allocation::Pool => {
            tracing::info!("no pooling allocator, instances are allocated on demand: {error:#}");
            let engine = make(Allocation::OnDemand).map_err(|error| SandboxError::Engine(format!("{error:#}")))?;
            Ok((engine, Allocation::OnDemand))
        }
        Err(error) => Err(SandboxError::Engine(format!("{error:#}"))),
    }
}

fn start_ticker(engine: EngineWeak, tick: Duration) -> std::io::Result<()> {
    let run = move || {
        loop {
            std::thread::sleep(tick);
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => break,
            }
        }
    };
    std::thread::Builder::new().name("plugbus-ticker".into()).spawn(run).map(drop)
}
