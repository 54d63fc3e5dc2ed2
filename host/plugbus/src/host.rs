//! [`Host`]: a bus, a folder of plugins and a local socket, started and stopped together.

use std::fs::DirBuilder;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use plugbus_bus::{Bus, DeadLetterLimits, ShutdownReport};
use plugbus_journal::{DiskJournal, OpenError};
use plugbus_loader::{Loader, LoaderConfig, LoaderError};
use plugbus_sandbox::{LogSink, Sandbox, SandboxConfig, SandboxError};

use plugbus_gateway::{Bound as BoundGateway, Gateway, GatewayError, GatewayStats, Server as HttpServer};
use tokio::task::JoinHandle;

use crate::admin::HostAdmin;
use crate::config::{self, Config, ConfigError, size};
use crate::socket::{Bound, Limits, Server, Services, SocketError, SocketStats};
use crate::spool::{Looking, Taker};

mod http;
mod settings;
mod spans;

use settings::{event_limits, history_limits, journal_config, loader_config, sandbox_config};
use spans::Spans;

/// How often cursors of subscriptions that are away are looked at.
const UPKEEP: Duration = Duration::from_secs(60);
/// Time that watchers have to read their last lines when the host stops.
const LAST_LINES: Duration = Duration::from_secs(1);

/// A running host. It lives in the tokio runtime that it was started in, has no global state, sets up no logging and
/// handles no signals.
///
/// Stop it with [`Host::shutdown`]; dropped without, it stops at once and leaves unsettled what is unsettled.
pub struct Host {
    bus: Bus,
    loader: Option<Loader>,
    server: Option<Server>,
    gateway: Gateway,
    /// The gateway on its port.
    http: Option<HttpServer>,
    journal: Option<Arc<DiskJournal>>,
    /// Looks after the journal now and then; ends with the host.
    upkeep: Option<Upkeep>,
    /// Takes in what hooks leave; ends with the host.
    looking: Option<Looking>,
    /// Sends the spans of the bus.
    spans: Option<Spans>,
    /// What the gateway asks for figures and plugins; it holds it weakly.
    _services: Arc<Services>,
    config: Config,
}

/// What to start a host with. Every default is fit for use; see [`Config`].
#[must_use = "nothing runs before `start`"]
pub struct HostBuilder {
    config: Config,
    bus: Option<Bus>,
    no_plugins: bool,
    /// What is wrong with an address that was given; said at the start.
    wrong: Option<ConfigError>,
    log: Option<Arc<dyn LogSink>>,
    sandbox: Option<Adjust<SandboxConfig>>,
    loader: Option<Adjust<LoaderConfig>>,
}

impl Default for HostBuilder {
    /// As documented at each setting. Without a data folder named, nothing is kept on the disk but compiled code.
    fn default() -> Self {
        let journal = config::Journal { enabled: false, ..config::Journal::default() };
        let spool = config::Spool { enabled: false, ..config::Spool::default() };
        let http = config::Http { enabled: false, ..config::Http::default() };
        let config = Config { journal, spool, http, ..Config::default() };
        Self { config, bus: None, no_plugins: false, wrong: None, log: None, sandbox: None, loader: None }
    }
}

/// A last word on settings that were made from the configuration.
type Adjust<T> = Box<dyn FnOnce(&mut T) + Send>;

/// Why a host did not start. Nothing of it is left running.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// A setting is out of its range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A folder cannot be made.
    #[error("cannot make the folder {} (`{key}`)", path.display())]
    Folder {
        /// The key of the configuration that names it.
        key: &'static str,
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The journal cannot be used.
    #[error("cannot use the journal in {}", path.display())]
    Journal {
        /// Its folder.
        path: PathBuf,
        /// Why.
        source: Box<OpenError>,
    },
    /// The socket cannot be served.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The gateway cannot be served.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// The engine cannot be made.
    #[error("cannot make the sandbox")]
    Sandbox(#[from] SandboxError),
    /// The plugins folder cannot be used.
    #[error("cannot use the plugins folder {}", path.display())]
    Loader {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: LoaderError,
    },
    /// The runtime is being shut down.
    #[error("the runtime stopped during the start")]
    Runtime(#[from] tokio::task::JoinError),
}

impl Host {
    /// Starts to describe a host.
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    /// The bus: publish and subscribe here.
    #[must_use]
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Where the socket is, if it is served.
    #[must_use]
    pub fn socket(&self) -> Option<&Path> {
        self.server.as_ref().map(Server::path)
    }

    /// What the socket counted.
    #[must_use]
    pub fn socket_stats(&self) -> SocketStats {
        self.server.as_ref().map(Server::stats).unwrap_or_default()
    }

    /// Where HTTP is served, if it is served on a port: with the port that was found where 0 was asked for.
    #[must_use]
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(HttpServer::addr)
    }

    /// The routes of the gateway, to be mounted in an axum app of your own.
    pub fn http_router(&self) -> axum::Router {
        self.gateway.router()
    }

    /// What the gateway counted.
    #[must_use]
    pub fn http_stats(&self) -> GatewayStats {
        self.gateway.stats()
    }

    /// Reads the file of tokens and the certificate with its key again, as [`Gateway::reread`] does; the configuration stays as it
    /// is. What could not be used, and so is as it was.
    pub async fn reread(&self) -> Vec<GatewayError> {
        let gateway = self.gateway.clone();
        // An error means that the runtime is being shut down, and then nobody needs them.
        tokio::task::spawn_blocking(move || gateway.reread()).await.unwrap_or_default()
    }

    /// What it runs with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The journal; none where the host keeps everything in memory, or its bus was made by the embedder.
    #[must_use]
    pub fn journal(&self) -> Option<&DiskJournal> {
        self.journal.as_deref()
    }

    /// The plugins; none where the host was started without a plugins folder.
    #[must_use]
    pub fn loader(&self) -> Option<&Loader> {
        self.loader.as_ref()
    }

    /// Stops in order: takes nothing more from clients, lets handlers settle what is accepted for at most the grace, stops
    /// the plugins, and says good-bye to watchers, who see everything until then. The report says what was not settled.
    pub async fn shutdown(mut self, grace: Duration) -> ShutdownReport {
        self.upkeep = None;
        self.looking = None;
        if let Some(server) = &self.server {
            server.drain();
        }
        self.gateway.drain();
        let report = self.bus.shutdown(grace).await;
        if let Some(loader) = &self.loader {
            let cut_off = loader.stop().await;
            tracing::debug!(cut_off, "plugins stopped");
        }
        self.gateway.close();
        if let Some(server) = self.server.take() {
            server.close(LAST_LINES).await;
        }
        if let Some(http) = self.http.take() {
            http.close(LAST_LINES).await;
        }
        if let Some(spans) = self.spans.take() {
            spans.close().await;
        }
        report
    }
}

impl HostBuilder {
    /// Everything at once, from a file for example. Replaces what was set before.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// The folder of plugins.
    pub fn plugins_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.config.plugins_dir = path.into();
        self
    }

    /// The folder for what the host keeps. With one, the host keeps a journal, unless [`HostBuilder::journal`] says no, and
    /// takes in what hooks leave there ([`spool`](crate::spool)).
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.config.data_dir = path.into();
        self.config.journal.enabled = true;
        self.config.spool.enabled = true;
        self
    }

    /// Whether to keep a journal in the data folder: then an event is accepted once it is on the disk, and plugins resume
    /// where they were after a restart. Default: only where [`HostBuilder::data_dir`] or [`HostBuilder::config`] was called,
    /// and not where [`HostBuilder::bus`] was, whose bus has its own or none.
    pub fn journal(mut self, keep: bool) -> Self {
        self.config.journal.enabled = keep;
        self
    }

    /// Where to serve the local socket.
    pub fn socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.config.serve_socket = true;
        self.config.socket = Some(path.into());
        self
    }

    /// Serves no socket.
    pub fn no_socket(mut self) -> Self {
        self.config.serve_socket = false;
        self
    }

    /// Serves HTTP there: `127.0.0.1:7117`, or `127.0.0.1:0` for any port that is free ([`Host::http_addr`] says which).
    /// Without it nothing is served on a port; [`Host::http_router`] is there all the same.
    pub fn http(mut self, listen: &str) -> Self {
        self.config.http.enabled = true;
        self.wrong = self.config.set("http.listen", listen, "HostBuilder::http").err().or(self.wrong);
        self
    }

    /// Uses this bus instead of making one from the configuration; native subscriptions made before the start see the
    /// very first events. The configuration's bounds on dead letters, its `source` and its `otlp` do not apply to it (the bus
    /// may have a [tracer](plugbus_bus::BusBuilder::tracer) of its own); its bounds on events should be the bus's own.
    pub fn bus(mut self, bus: Bus) -> Self {
        self.bus = Some(bus);
        self
    }

    /// Serves no plugins folder and makes no sandbox: a bus with a socket.
    pub fn no_plugins(mut self) -> Self {
        self.no_plugins = true;
        self
    }

    /// Where the log lines of plugins go. Default: `tracing`.
    pub fn plugin_log(mut self, log: Arc<dyn LogSink>) -> Self {
        self.log = Some(log);
        self
    }

    /// Changes the settings of the engine after they were made from the configuration.
    pub fn sandbox(mut self, adjust: impl FnOnce(&mut SandboxConfig) + Send + 'static) -> Self {
        self.sandbox = Some(Box::new(adjust));
        self
    }

    /// Changes the settings of the plugins folder after they were made from the configuration.
    pub fn loader(mut self, adjust: impl FnOnce(&mut LoaderConfig) + Send + 'static) -> Self {
        self.loader = Some(Box::new(adjust));
        self
    }

    /// Starts the host: takes the socket's path, loads every plugin in the folder, takes in what hooks left in the spool, then
    /// begins to answer clients (who may connect before and wait).
    ///
    /// # Errors
    /// [`HostError`]; a plugin that cannot be loaded is none, it is reported as rejected.
    pub async fn start(self) -> Result<Host, HostError> {
        let Self { config, bus, no_plugins, wrong, log, sandbox, loader } = self;
        wrong.map_or(Ok(()), Err)?;
        config.check()?;
        make_folder("data_dir", &config.data_dir, 0o700)?;
        let bound = if config.serve_socket { Some(Bound::take(&config.socket_path()).await?) } else { None };
        let (bus, journal, spans) = match bus {
            Some(bus) => (bus, None, None),
            None => make_bus(&config).await?,
        };
        let admin = Arc::new(HostAdmin::default());
        let gateway = Gateway::new(bus.clone(), Some(admin.clone()), http::settings(&config))?;
        let http = if config.http.enabled { Some(gateway.bind().await?) } else { None };
        let loader = if no_plugins {
            None
        } else {
            let mut sandbox_config = sandbox_config(&config);
            sandbox.into_iter().for_each(|adjust| adjust(&mut sandbox_config));
            let mut loader_config = loader_config(&config);
            loader_config.log = log.unwrap_or(loader_config.log);
            loader.into_iter().for_each(|adjust| adjust(&mut loader_config));
            Some(start_loader(&bus, sandbox_config, loader_config).await?)
        };
        let upkeep = journal.as_ref().map(|_| Upkeep::start(bus.clone(), config.journal.absent_max_ms));
        let taker = config.spool.enabled.then(|| Arc::new(Taker::new(&config, bus.clone(), journal.clone())));
        if let Some(taker) = &taker {
            // What cannot be taken now is said, counted, and tried again.
            drop(taker.take_in().await);
        }
        let look = Duration::from_millis(config.spool.look_ms);
        let looking = taker.as_ref().map(|taker| Looking::start(taker.clone(), look));
        let limits = Limits::new(&config);
        let services = Services::new(bus.clone(), loader.clone(), journal.clone(), gateway.clone(), limits);
        let tracer = spans.as_ref().map(|spans| spans.tracer.clone());
        let services = Arc::new(services.with_taker(taker).with_tracer(tracer));
        admin.begin(&services);
        let server = bound.map(|bound| bound.serve(services.clone()));
        let http = http.map(BoundGateway::serve);
        Ok(Host { bus, loader, server, gateway, http, journal, upkeep, looking, spans, _services: services, config })
    }
}

async fn start_loader(bus: &Bus, sandbox: SandboxConfig, config: LoaderConfig) -> Result<Loader, HostError> {
    make_folder("plugins_dir", &config.dir, 0o755)?;
    // Making the engine reserves address space and may read the cache's settings: not on a runtime thread.
    let sandbox = tokio::task::spawn_blocking(|| Sandbox::new(sandbox)).await??;
    let path = config.dir.clone();
    let loader = Loader::start(bus.clone(), sandbox, config).await;
    loader.map_err(|source| HostError::Loader { path, source })
}

/// Looks now and then whether somebody has been away for too long. Ends when it is dropped.
#[derive(Debug)]
struct Upkeep(JoinHandle<()>);

impl Upkeep {
    fn start(bus: Bus, absent_max_ms: u64) -> Self {
        let absent_max = Duration::from_millis(absent_max_ms);
        Self(tokio::spawn(async move {
            loop {
                tokio::time::sleep(UPKEEP.min(absent_max)).await;
                let retired = bus.retire_absent(absent_max);
                if retired > 0 {
                    tracing::info!(
                        retired,
                        "places in the journal retired: their subscriptions were away for too long"
                    );
                }
            }
        }))
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A bus as it is configured, with its journal and the export of its spans where there are to be.
type Made = (Bus, Option<Arc<DiskJournal>>, Option<Spans>);

async fn make_bus(config: &Config) -> Result<Made, HostError> {
    let dead = DeadLetterLimits {
        letters_max: size(config.dead_letters.count_max),
        bytes_max: size(config.dead_letters.bytes_max),
    };
    let builder =
        Bus::builder().event_limits(event_limits(config)).dead_letters(dead).default_source(config.source.as_str());
    let spans = Spans::start(config)?;
    let builder = match &spans {
        Some(spans) => builder.tracer(spans.tracer.clone()),
        None => builder,
    };
    if !config.journal.enabled {
        let history = history_limits(config);
        let builder = if history.events_max > 0 { builder.history(history) } else { builder };
        return Ok((builder.build(), None, spans));
    }
    let settings = journal_config(config);
    let path = settings.dir.clone();
    // It reads and checks the whole journal: not on a runtime thread.
    let opened = tokio::task::spawn_blocking(|| DiskJournal::open(settings)).await?;
    let journal = Arc::new(opened.map_err(|source| HostError::Journal { path, source: source.into() })?);
    Ok((builder.journal(journal.clone()).build(), Some(journal), spans))
}

/// Makes a folder that is not there; one that is there keeps its mode.
fn make_folder(key: &'static str, path: &Path, mode: u32) -> Result<(), HostError> {
    let made = DirBuilder::new().recursive(true).mode(mode).create(path);
    made.map_err(|source| match source.kind() {
        // The system says "exists" then, which sounds as if all were well.
        io::ErrorKind::AlreadyExists => {
            io::Error::new(io::ErrorKind::NotADirectory, "it is there, but it is no folder")
        }
        _ => source,
    })
    .map_err(|source| HostError::Folder { key, path: path.to_owned(), source })
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("server", &self.server).field("config", &self.config).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for HostBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}
