//! [`Host`]: a bus, a folder of plugins and a local socket, started and stopped together.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use plugbus_bus::{Bus, DeadLetterLimits, EventLimits, ShutdownReport};

use crate::config::Config;
use crate::socket::{Bound, Limits, Server, Services, SocketError, SocketStats};

/// Time that watchers have to read their last lines when the host stops.
const LAST_LINES: Duration = Duration::from_secs(1);

/// A running host. It lives in the tokio runtime that it was started in, has no global state, sets up no logging and
/// handles no signals.
///
/// Stop it with [`Host::shutdown`]; dropped without, it stops at once and leaves unsettled what is unsettled.
#[derive(Debug)]
pub struct Host {
    bus: Bus,
    server: Option<Server>,
    config: Config,
}

/// What to start a host with. Every default is fit for use; see [`Config`].
#[derive(Default)]
#[must_use = "nothing runs before `start`"]
pub struct HostBuilder {
    config: Config,
    bus: Option<Bus>,
}

/// Why a host did not start. Nothing of it is left running.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
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
    /// The socket cannot be served.
    #[error(transparent)]
    Socket(#[from] SocketError),
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

    /// What it runs with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Stops in order: takes nothing more from clients, lets handlers settle what is accepted for at most the grace, stops
    /// the plugins, and says good-bye to watchers, who see everything until then. The report says what was not settled.
    pub async fn shutdown(mut self, grace: Duration) -> ShutdownReport {
        if let Some(server) = &self.server {
            server.drain();
        }
        let report = self.bus.shutdown(grace).await;
        if let Some(server) = self.server.take() {
            server.close(LAST_LINES).await;
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

    /// The folder for what the host keeps.
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.config.data_dir = path.into();
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

    /// Uses this bus instead of making one from the configuration; native subscriptions made before the start see the
    /// very first events. The configuration's bounds on events and dead letters, and its `source`, do not apply to it.
    pub fn bus(mut self, bus: Bus) -> Self {
        self.bus = Some(bus);
        self
    }

    /// Starts the host: takes the socket's path, loads every plugin in the folder, then begins to answer clients (who may
    /// connect before and wait).
    ///
    /// # Errors
    /// [`HostError`]; a plugin that cannot be loaded is none, it is reported as rejected.
    pub async fn start(self) -> Result<Host, HostError> {
        let Self { config, bus } = self;
        make_folder("data_dir", &config.data_dir, 0o700)?;
        let bound = if config.serve_socket { Some(Bound::take(&config.socket_path()).await?) } else { None };
        let bus = bus.unwrap_or_else(|| make_bus(&config));
        let server = bound.map(|bound| bound.serve(Arc::new(Services::new(bus.clone(), Limits::new(&config)))));
        Ok(Host { bus, server, config })
    }
}

fn make_bus(config: &Config) -> Bus {
    let events = EventLimits {
        data_bytes_max: size(config.events.data_bytes_max),
        extensions_max: size(config.events.extensions_max),
    };
    let dead = DeadLetterLimits {
        letters_max: size(config.dead_letters.count_max),
        bytes_max: size(config.dead_letters.bytes_max),
    };
    Bus::builder().event_limits(events).dead_letters(dead).default_source(config.source.as_str()).build()
}

/// Makes a folder that is not there; one that is there keeps its mode.
fn make_folder(key: &'static str, path: &Path, mode: u32) -> Result<(), HostError> {
    let made = DirBuilder::new().recursive(true).mode(mode).create(path);
    made.map_err(|source| HostError::Folder { key, path: path.to_owned(), source })
}

/// A number of the configuration as a size; what does not fit means "no bound of this kind".
fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
