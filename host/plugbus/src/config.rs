//! The host's configuration: `plugbus.toml`, or a [`Config`] filled in by hand.
//!
//! Every key has a default, a unit in its name and a range ([`keys::KEYS`]); a key or value that is wrong is an error with
//! its place and the nearest right key. The library reads neither environment nor command line: the binary does that and
//! hands each setting to [`Config::set`].

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

mod file;
mod http;
pub mod keys;
mod otlp;

pub use http::{Compat, Http, SocketIo, Tls};
pub use otlp::Otlp;

/// Everything that can be set. Read the fields' defaults from [`Config::default`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Folder of plugins: `<name>.wasm`, each with an optional `<name>.toml`. Default `./plugins.d`; made if absent.
    pub plugins_dir: PathBuf,
    /// Folder for what the host keeps: the journal, the compile cache, and the socket where none is named. Default `./.plugbus`.
    pub data_dir: PathBuf,
    /// Path of the local socket. Default `<data_dir>/plugbus.sock` (the binary prefers `$XDG_RUNTIME_DIR/plugbus.sock`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket: Option<PathBuf>,
    /// Whether to serve the socket. Default true.
    pub serve_socket: bool,
    /// Source of events whose publisher names none. Default `plugbus`.
    pub source: String,
    /// Longest time that a stop waits for what is in flight. Default 10 s.
    pub shutdown_grace_ms: u64,
    /// Bounds on one event.
    pub events: Events,
    /// Bounds on dead letters.
    pub dead_letters: DeadLetters,
    /// The journal.
    pub journal: Journal,
    /// The last events in memory, where there is no journal.
    pub history: History,
    /// The engine.
    pub sandbox: Sandbox,
    /// The plugins folder.
    pub loader: Loader,
    /// Bounds on the clients of the socket.
    pub clients: Clients,
    /// What hooks leave while no daemon answers.
    pub spool: Spool,
    /// The gateway: HTTP on a port.
    pub http: Http,
    /// Certificate and key of the gateway.
    pub tls: Tls,
    /// Socket.IO.
    pub socketio: SocketIo,
    /// Spans for a collector.
    pub otlp: Otlp,
    /// What the binary logs. The library logs through `tracing` and sets nothing up.
    pub log: Log,
}

/// Bounds on one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Events {
    /// Bytes of data. Default 1 MiB. Worst case: this × queue bound × subscriptions that are behind.
    pub data_bytes_max: u64,
    /// Extensions. Default 32.
    pub extensions_max: u64,
}

/// Bounds on dead letters; the oldest makes room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeadLetters {
    /// How many. Default 10,000.
    pub count_max: u64,
    /// Bytes in all. Default 64 MiB.
    pub bytes_max: u64,
}

/// Settings of the journal, see `plugbus_journal`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Journal {
    /// Keep a journal in `<data_dir>/journal`: an event is acknowledged once it is there, and plugins are durable. Default
    /// true. Off, everything is in memory.
    pub enabled: bool,
    /// What an acknowledgement waits for. Default `group`.
    pub sync: Sync,
    /// Bytes before the oldest events are retired. Default 1 GiB.
    pub bytes_max: u64,
    /// Age at which events are retired that everybody has settled. Default 7 days.
    pub age_max_ms: u64,
    /// What happens when it is full of events that somebody has not settled. Default `refuse`.
    pub on_full: OnFull,
    /// Events whose id and source are remembered, so that a repetition is acknowledged and not delivered. Default 100,000.
    pub dedupe_events_max: u64,
    /// How long. Default 10 min.
    pub dedupe_age_ms: u64,
    /// Writes on their way at one time. Default 4096. Worst case in memory: this × the largest event.
    pub writes_max: u64,
    /// How long the place of a durable subscription that is gone is kept, and with it the events it has not settled.
    /// Default 24 h.
    pub absent_max_ms: u64,
}

/// What an acknowledgement waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sync {
    /// A sync of the disk for each event.
    Always,
    /// A sync that it shares with all that queued during the last one. As safe as `always`.
    #[default]
    Group,
    /// Nothing: the system syncs when it likes. Survives a killed process, not a dead machine.
    Os,
}

/// What happens when the journal is full of events that somebody has not settled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFull {
    /// Publishers are refused.
    #[default]
    Refuse,
    /// The oldest events go, settled or not; what each subscription lost is counted and reported.
    DropOldestAndReport,
}

/// The last events in memory: what a watcher can begin with where there is no journal. A host with a journal has them there and
/// keeps no history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct History {
    /// Events kept. Default 10,000; 0 keeps none.
    pub events_max: u64,
    /// Bytes of events kept. Default 16 MiB.
    pub bytes_max: u64,
}

/// Settings of the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sandbox {
    /// Keep compiled code in `<data_dir>/cache`. Default true. Off, each start compiles again.
    pub compile_cache: bool,
    /// Largest component that is looked at. Default 64 MiB.
    pub component_bytes_max: u64,
    /// Compilations at one time. Default 1; each may use every core.
    pub compiles_max: u64,
    /// Live instances that the pool has room for. Default 256. Costs address space, not memory.
    pub instances_max: u64,
    /// Take instances from a pool where the address space allows one. Default true.
    pub pooling: bool,
    /// Bytes of wasm stack. Default 512 KiB.
    pub stack_bytes: u64,
    /// How often a running guest lets other tasks run. Default 2 ms.
    pub tick_ms: u64,
}

/// Settings of the plugins folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Loader {
    /// How often the folder is looked through, notified or not. Default 2 s.
    pub rescan_ms: u64,
    /// How long a file must be unchanged before it is read. Default 100 ms.
    pub settle_ms: u64,
    /// How long an old generation may finish what it holds. Default 5 s.
    pub drain_grace_ms: u64,
    /// How long a file must be missing before its plugin is unloaded. Default 2 s.
    pub unload_grace_ms: u64,
    /// Plugins that may be loaded at once. Default 256; more are rejected with that reason.
    pub plugins_max: u64,
    /// Plugins that are read, compiled and started at one time. Default 2. Memory while loading: this × the largest
    /// component.
    pub loads_max: u64,
}

/// Bounds on the clients of the socket. A client is hostile until the contrary is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clients {
    /// Connections at one time, each with at most one request in hand. Default 128. Worst case in memory: this × one line
    /// (about twice `events.data_bytes_max`).
    pub connections_max: u64,
    /// Time to finish a line that was begun. Default 10 s.
    pub line_timeout_ms: u64,
    /// Time without any line before a connection that is not watching is closed. Default 1 h.
    pub idle_timeout_ms: u64,
    /// Time that a client may leave an answer unread. Default 10 s. Watchers have none: they miss events instead.
    pub write_timeout_ms: u64,
    /// Events kept for one watcher that is behind; beyond, it misses some and is told how many. Default 1024.
    pub watch_events_max: u64,
    /// Bytes kept for one watcher that is behind. Default 8 MiB. Events are shared with everyone else who holds them.
    pub watch_bytes_max: u64,
}

/// The file in the data folder in which `plugbus hook` leaves the events that no daemon took in time, see
/// [`spool`](crate::spool).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spool {
    /// Whether the daemon takes in what is there. Default true; in a host that is embedded, where a data folder is named.
    pub enabled: bool,
    /// How often it looks. Default 1 s.
    pub look_ms: u64,
    /// Bytes of the file; what does not fit is refused, and what is there stays. Default 16 MiB. Read by the hooks.
    pub bytes_max: u64,
    /// Events in the file. Default 10,000. Read by the hooks.
    pub events_max: u64,
}

/// What the binary logs to stderr.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `text` or `json`. Default text.
    pub format: LogFormat,
    /// A level (`error`, `warn`, `info`, `debug`, `trace`) or filter directives (`info,plugbus_loader=debug`). Default info.
    pub level: String,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why a configuration is not acceptable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A key or value is wrong.
    #[error("{place}: {problem}")]
    Invalid {
        /// File, line and column, or the flag or variable.
        place: String,
        /// What is wrong and what is right.
        problem: String,
    },
}

impl Config {
    /// Reads a file. Relative paths in it are relative to its folder.
    ///
    /// # Errors
    /// [`ConfigError`] with the place of the first thing that is wrong.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::from_toml(&text, path)
    }

    /// Reads the text of a file. `path` is for messages and for relative paths in the text.
    ///
    /// # Errors
    /// [`ConfigError`] with the place of the first thing that is wrong.
    pub fn from_toml(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let mut config = file::parse(text, path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let (tls, http) = (&mut config.tls, &mut config.http);
        let given = [Some(&mut config.plugins_dir), Some(&mut config.data_dir), config.socket.as_mut()];
        let more = [http.tokens.as_mut(), tls.cert.as_mut(), tls.key.as_mut()];
        for given in given.into_iter().chain(more).flatten() {
            *given = folder.join(&*given);
        }
        Ok(config)
    }

    /// Sets one key from text, as a flag or an environment variable gives it. `place` names that one in the error.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] where there is no such key or the value is not acceptable.
    pub fn set(&mut self, key: &str, text: &str, place: &str) -> Result<(), ConfigError> {
        file::set(self, key, text).map_err(|problem| ConfigError::Invalid { place: place.into(), problem })
    }

    /// Where the journal is, or would be.
    #[must_use]
    pub fn journal_dir(&self) -> PathBuf {
        self.data_dir.join("journal")
    }

    /// Checks a configuration that was filled in by hand as strictly as one from a file. [`Host`](crate::Host) does it.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] names the first key whose value is not acceptable.
    pub fn check(&self) -> Result<(), ConfigError> {
        file::check(self).map_err(|problem| ConfigError::Invalid { place: "configuration".into(), problem })
    }

    /// Where the socket is, or would be.
    #[must_use]
    pub fn socket_path(&self) -> PathBuf {
        self.socket.clone().unwrap_or_else(|| self.data_dir.join("plugbus.sock"))
    }
}

/// A number of the configuration as a size; what does not fit means "no bound of this kind".
pub(crate) fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl Clients {
    /// Longest line for a given bound on data: base64 makes 4/3 of it, JSON text at most twice (what escapes to more is
    /// sent as base64); the attributes come on top.
    #[must_use]
    pub fn line_bytes_max(data_bytes_max: u64) -> usize {
        size(data_bytes_max.saturating_mul(2).saturating_add(512 << 10))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            plugins_dir: "./plugins.d".into(),
            data_dir: "./.plugbus".into(),
            socket: None,
            serve_socket: true,
            source: "plugbus".into(),
            shutdown_grace_ms: 10_000,
            events: Events::default(),
            dead_letters: DeadLetters::default(),
            journal: Journal::default(),
            history: History::default(),
            sandbox: Sandbox::default(),
            loader: Loader::default(),
            clients: Clients::default(),
            spool: Spool::default(),
            http: Http::default(),
            tls: Tls::default(),
            socketio: SocketIo::default(),
            otlp: Otlp::default(),
            log: Log::default(),
        }
    }
}

impl Default for Events {
    fn default() -> Self {
        Self { data_bytes_max: 1 << 20, extensions_max: 32 }
    }
}

impl Default for DeadLetters {
    fn default() -> Self {
        Self { count_max: 10_000, bytes_max: 64 << 20 }
    }
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            enabled: true,
            sync: Sync::Group,
            bytes_max: 1 << 30,
            age_max_ms: 7 * 24 * 3_600_000,
            on_full: OnFull::Refuse,
            dedupe_events_max: 100_000,
            dedupe_age_ms: 600_000,
            writes_max: 4096,
            absent_max_ms: 24 * 3_600_000,
        }
    }
}

impl Default for History {
    fn default() -> Self {
        Self { events_max: 10_000, bytes_max: 16 << 20 }
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self {
            compile_cache: true,
            component_bytes_max: 64 << 20,
            compiles_max: 1,
            instances_max: 256,
            pooling: true,
            stack_bytes: 512 << 10,
            tick_ms: 2,
        }
    }
}

impl Default for Loader {
    fn default() -> Self {
        Self {
            rescan_ms: 2_000,
            settle_ms: 100,
            drain_grace_ms: 5_000,
            unload_grace_ms: 2_000,
            plugins_max: 256,
            loads_max: 2,
        }
    }
}

impl Default for Clients {
    fn default() -> Self {
        Self {
            connections_max: 128,
            line_timeout_ms: 10_000,
            idle_timeout_ms: 3_600_000,
            write_timeout_ms: 10_000,
            watch_events_max: 1024,
            watch_bytes_max: 8 << 20,
        }
    }
}

impl Default for Spool {
    fn default() -> Self {
        Self { enabled: true, look_ms: 1_000, bytes_max: 16 << 20, events_max: 10_000 }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".into() }
    }
}
