//! Every key of the configuration, with its flag, its environment variable, its range and one line of help.
//!
//! One table for the file, the environment and the command line, so that none of the three can lack a key.

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Dotted path in the file.
    pub name: &'static str,
    /// The flag without its dashes.
    pub flag: &'static str,
    /// The environment variable.
    pub env: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// One line for `--help`.
    pub help: &'static str,
}

/// What values a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number from `min` to `max`.
    Number {
        /// The least.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// `true` or `false`.
    Switch,
    /// A path.
    Path,
    /// An IP address and a port: `127.0.0.1:7117`, `[::1]:7117`.
    Address,
    /// Where a collector is: `http://127.0.0.1:4318`.
    Collector,
    /// Text of 1 to 255 bytes without control characters.
    Text,
    /// Any number of texts: an array in the file, with commas between elsewhere.
    Texts,
    /// One of these.
    Choice(&'static [&'static str]),
}

/// A day, the largest of any time here.
const DAY_MS: u64 = 24 * 3600 * 1000;

const fn number(min: u64, max: u64) -> Kind {
    Kind::Number { min, max }
}

macro_rules! keys {
    ($($name:literal $flag:literal $env:literal $kind:expr, $help:literal;)*) => {
        /// The keys, in the order of the documentation.
        pub const KEYS: &[Key] = &[$(Key { name: $name, flag: $flag, env: $env, kind: $kind, help: $help }),*];
    };
}

keys! {
    "plugins_dir" "plugins-dir" "PLUGBUS_PLUGINS_DIR" Kind::Path,
        "Folder of plugins, made if absent [default: ./plugins.d]";
    "data_dir" "data-dir" "PLUGBUS_DATA_DIR" Kind::Path,
        "Folder for the compile cache and other things the host keeps [default: ./.plugbus]";
    "socket" "socket" "PLUGBUS_SOCKET" Kind::Path,
        "Path of the local socket [default: $XDG_RUNTIME_DIR/plugbus.sock, else <data_dir>/plugbus.sock]";
    "serve_socket" "serve-socket" "PLUGBUS_SERVE_SOCKET" Kind::Switch,
        "Whether to serve the local socket [default: true]";
    "source" "source" "PLUGBUS_SOURCE" Kind::Text,
        "Source of events whose publisher names none [default: plugbus]";
    "shutdown_grace_ms" "shutdown-grace-ms" "PLUGBUS_SHUTDOWN_GRACE_MS" number(0, DAY_MS),
        "Longest time that a stop waits for what is in flight [default: 10000]";
    "events.data_bytes_max" "events-data-bytes-max" "PLUGBUS_EVENTS_DATA_BYTES_MAX" number(1, 256 << 20),
        "Bytes of data in one event [default: 1 MiB]";
    "events.extensions_max" "events-extensions-max" "PLUGBUS_EVENTS_EXTENSIONS_MAX" number(0, 256),
        "Extension attributes of one event [default: 32]";
    "dead_letters.count_max" "dead-letters-count-max" "PLUGBUS_DEAD_LETTERS_COUNT_MAX" number(1, 10_000_000),
        "Dead letters that are kept [default: 10000]";
    "dead_letters.bytes_max" "dead-letters-bytes-max" "PLUGBUS_DEAD_LETTERS_BYTES_MAX" number(1, 64 << 30),
        "Bytes of dead letters that are kept [default: 64 MiB]";
    "journal.enabled" "journal-enabled" "PLUGBUS_JOURNAL_ENABLED" Kind::Switch,
        "Keep accepted events in <data_dir>/journal until every plugin has settled them [default: true]";
    "journal.sync" "journal-sync" "PLUGBUS_JOURNAL_SYNC" Kind::Choice(&["always", "group", "os"]),
        "What an acknowledgement waits for: a sync of its own, one shared with others, or the system's [default: group]";
    "journal.bytes_max" "journal-bytes-max" "PLUGBUS_JOURNAL_BYTES_MAX" number(1 << 20, 1 << 50),
        "Bytes of the journal before its oldest events are retired [default: 1024 MiB]";
    "journal.age_max_ms" "journal-age-max-ms" "PLUGBUS_JOURNAL_AGE_MAX_MS" number(1000, 3650 * DAY_MS),
        "Age at which settled events are retired, a week unless set [default: 604800000]";
    "journal.on_full" "journal-on-full" "PLUGBUS_JOURNAL_ON_FULL" Kind::Choice(&["refuse", "drop-oldest-and-report"]),
        "What happens when the journal is full of events that somebody has not settled [default: refuse]";
    "journal.dedupe_events_max" "journal-dedupe-events-max" "PLUGBUS_JOURNAL_DEDUPE_EVENTS_MAX" number(0, 10_000_000),
        "Events remembered so that a repeated id and source is not delivered twice [default: 100000]";
    "journal.dedupe_age_ms" "journal-dedupe-age-ms" "PLUGBUS_JOURNAL_DEDUPE_AGE_MS" number(0, 30 * DAY_MS),
        "How long an event is remembered for that [default: 600000]";
    "journal.writes_max" "journal-writes-max" "PLUGBUS_JOURNAL_WRITES_MAX" number(1, 1_000_000),
        "Writes on their way into the journal at one time [default: 4096]";
    "journal.absent_max_ms" "journal-absent-max-ms" "PLUGBUS_JOURNAL_ABSENT_MAX_MS" number(1, 3650 * DAY_MS),
        "How long the place of a plugin that is gone is kept in the journal, a day unless set [default: 86400000]";
    "history.events_max" "history-events-max" "PLUGBUS_HISTORY_EVENTS_MAX" number(0, 10_000_000),
        "Last events kept in memory where there is no journal, 0 for none [default: 10000]";
    "history.bytes_max" "history-bytes-max" "PLUGBUS_HISTORY_BYTES_MAX" number(1, 16 << 30),
        "Bytes of them [default: 16 MiB]";
    "sandbox.compile_cache" "sandbox-compile-cache" "PLUGBUS_SANDBOX_COMPILE_CACHE" Kind::Switch,
        "Keep compiled code in <data_dir>/cache [default: true]";
    "sandbox.component_bytes_max" "sandbox-component-bytes-max" "PLUGBUS_SANDBOX_COMPONENT_BYTES_MAX" number(1, 1 << 30),
        "Largest component that is looked at [default: 64 MiB]";
    "sandbox.compiles_max" "sandbox-compiles-max" "PLUGBUS_SANDBOX_COMPILES_MAX" number(1, 64),
        "Compilations at one time [default: 1]";
    "sandbox.instances_max" "sandbox-instances-max" "PLUGBUS_SANDBOX_INSTANCES_MAX" number(1, 10_000),
        "Live instances that the pool has room for [default: 256]";
    "sandbox.pooling" "sandbox-pooling" "PLUGBUS_SANDBOX_POOLING" Kind::Switch,
        "Take instances from a pool where the address space allows one [default: true]";
    "sandbox.stack_bytes" "sandbox-stack-bytes" "PLUGBUS_SANDBOX_STACK_BYTES" number(64 << 10, 1 << 20),
        "Bytes of wasm stack [default: 512 KiB]";
    "sandbox.tick_ms" "sandbox-tick-ms" "PLUGBUS_SANDBOX_TICK_MS" number(1, 1000),
        "How often a running guest lets other tasks run [default: 2]";
    "loader.rescan_ms" "loader-rescan-ms" "PLUGBUS_LOADER_RESCAN_MS" number(50, DAY_MS),
        "How often the plugins folder is looked through [default: 2000]";
    "loader.settle_ms" "loader-settle-ms" "PLUGBUS_LOADER_SETTLE_MS" number(1, 60_000),
        "How long a file must be unchanged before it is read [default: 100]";
    "loader.drain_grace_ms" "loader-drain-grace-ms" "PLUGBUS_LOADER_DRAIN_GRACE_MS" number(0, DAY_MS),
        "How long an old generation may finish what it holds [default: 5000]";
    "loader.unload_grace_ms" "loader-unload-grace-ms" "PLUGBUS_LOADER_UNLOAD_GRACE_MS" number(0, DAY_MS),
        "How long a file must be missing before its plugin is unloaded [default: 2000]";
    "loader.plugins_max" "loader-plugins-max" "PLUGBUS_LOADER_PLUGINS_MAX" number(1, 10_000),
        "Plugins that may be loaded at once [default: 256]";
    "loader.loads_max" "loader-loads-max" "PLUGBUS_LOADER_LOADS_MAX" number(1, 64),
        "Plugins that are read, compiled and started at one time [default: 2]";
    "clients.connections_max" "clients-connections-max" "PLUGBUS_CLIENTS_CONNECTIONS_MAX" number(1, 10_000),
        "Connections to the socket at one time [default: 128]";
    "clients.line_timeout_ms" "clients-line-timeout-ms" "PLUGBUS_CLIENTS_LINE_TIMEOUT_MS" number(1, DAY_MS),
        "Time for a client to finish a line that it began [default: 10000]";
    "clients.idle_timeout_ms" "clients-idle-timeout-ms" "PLUGBUS_CLIENTS_IDLE_TIMEOUT_MS" number(1, 30 * DAY_MS),
        "Time without a line before a client that is not watching is closed [default: 3600000]";
    "clients.write_timeout_ms" "clients-write-timeout-ms" "PLUGBUS_CLIENTS_WRITE_TIMEOUT_MS" number(1, DAY_MS),
        "Time that a client may leave an answer unread [default: 10000]";
    "clients.watch_events_max" "clients-watch-events-max" "PLUGBUS_CLIENTS_WATCH_EVENTS_MAX" number(1, 1_000_000),
        "Events kept for a watcher that is behind [default: 1024]";
    "clients.watch_bytes_max" "clients-watch-bytes-max" "PLUGBUS_CLIENTS_WATCH_BYTES_MAX" number(1, 4 << 30),
        "Bytes kept for a watcher that is behind [default: 8 MiB]";
    "spool.enabled" "spool-enabled" "PLUGBUS_SPOOL_ENABLED" Kind::Switch,
        "Take in the events that hooks left in <data_dir>/spool [default: true]";
    "spool.look_ms" "spool-look-ms" "PLUGBUS_SPOOL_LOOK_MS" number(10, DAY_MS),
        "How often the daemon looks whether there are any [default: 1000]";
    "spool.bytes_max" "spool-bytes-max" "PLUGBUS_SPOOL_BYTES_MAX" number(1, 4 << 30),
        "Bytes that hooks leave there; what does not fit is refused [default: 16 MiB]";
    "spool.events_max" "spool-events-max" "PLUGBUS_SPOOL_EVENTS_MAX" number(1, 10_000_000),
        "Events that hooks leave there [default: 10000]";
    "http.enabled" "http-enabled" "PLUGBUS_HTTP_ENABLED" Kind::Switch,
        "Whether to serve HTTP on a port [default: true]";
    "http.listen" "http-listen" "PLUGBUS_HTTP_LISTEN" Kind::Address,
        "Address and port to serve HTTP on; port 0 takes any that is free [default: 127.0.0.1:7117]";
    "http.upload" "http-upload" "PLUGBUS_HTTP_UPLOAD" Kind::Switch,
        "Whether plugins may be uploaded and removed over HTTP; it runs their code here [default: false]";
    "http.tokens" "http-tokens" "PLUGBUS_HTTP_TOKENS" Kind::Path,
        "File of tokens, a line `name token scope...` for each, mode 0600 [default: none]";
    "http.hosts" "http-hosts" "PLUGBUS_HTTP_HOSTS" Kind::Texts,
        "Names under which HTTP is served beside localhost and addresses, with commas between [default: none]";
    "http.origins" "http-origins" "PLUGBUS_HTTP_ORIGINS" Kind::Texts,
        "Origins of web pages that may ask beside the gateway's own, with commas between [default: none]";
    "http.connections_max" "http-connections-max" "PLUGBUS_HTTP_CONNECTIONS_MAX" number(1, 100_000),
        "HTTP connections at one time [default: 1024]";
    "http.header_bytes_max" "http-header-bytes-max" "PLUGBUS_HTTP_HEADER_BYTES_MAX" number(8 << 10, 1 << 20),
        "Bytes of a request's line and headers [default: 32 KiB]";
    "http.header_timeout_ms" "http-header-timeout-ms" "PLUGBUS_HTTP_HEADER_TIMEOUT_MS" number(1, DAY_MS),
        "Time to send a request's headers, and for which a connection may be idle [default: 30000]";
    "http.body_bytes_max" "http-body-bytes-max" "PLUGBUS_HTTP_BODY_BYTES_MAX" number(1, 1 << 30),
        "Bytes of a request's body [default: 4 MiB]";
    "http.body_timeout_ms" "http-body-timeout-ms" "PLUGBUS_HTTP_BODY_TIMEOUT_MS" number(1, DAY_MS),
        "Time to send a request's body [default: 30000]";
    "http.write_timeout_ms" "http-write-timeout-ms" "PLUGBUS_HTTP_WRITE_TIMEOUT_MS" number(1, DAY_MS),
        "Time in which a client must take a byte of what is sent to it [default: 30000]";
    "http.batch_events_max" "http-batch-events-max" "PLUGBUS_HTTP_BATCH_EVENTS_MAX" number(1, 100_000),
        "Events of one batch [default: 1000]";
    "http.requests_per_second_max" "http-requests-per-second-max" "PLUGBUS_HTTP_REQUESTS_PER_SECOND_MAX"
        number(0, 100_000_000),
        "Requests of one token in a second, of all together where there are no tokens; 0 is no bound [default: 100000]";
    "http.watch_events_max" "http-watch-events-max" "PLUGBUS_HTTP_WATCH_EVENTS_MAX" number(1, 1_000_000),
        "Events kept for a stream, WebSocket or Socket.IO client that is behind [default: 1024]";
    "http.watch_bytes_max" "http-watch-bytes-max" "PLUGBUS_HTTP_WATCH_BYTES_MAX" number(1, 4 << 30),
        "Bytes kept for one that is behind [default: 8 MiB]";
    "http.heartbeat_ms" "http-heartbeat-ms" "PLUGBUS_HTTP_HEARTBEAT_MS" number(10, DAY_MS),
        "How often a silent stream or WebSocket hears something [default: 15000]";
    "http.message_bytes_max" "http-message-bytes-max" "PLUGBUS_HTTP_MESSAGE_BYTES_MAX" number(1 << 10, 1 << 30),
        "Bytes of one message from a WebSocket or Socket.IO client [default: 2 MiB]";
    "socketio.compat" "socketio-compat" "PLUGBUS_SOCKETIO_COMPAT" Kind::Choice(&["none", "claude_event"]),
        "claude_event: every Socket.IO client gets every event under that name, unasked [default: none]";
    "socketio.clients_max" "socketio-clients-max" "PLUGBUS_SOCKETIO_CLIENTS_MAX" number(1, 100_000),
        "Socket.IO clients at one time [default: 1024]";
    "tls.cert" "tls-cert" "PLUGBUS_TLS_CERT" Kind::Path,
        "Certificate for HTTPS, PEM; with tls.key [default: none]";
    "tls.key" "tls-key" "PLUGBUS_TLS_KEY" Kind::Path,
        "Private key for HTTPS, PEM; with tls.cert [default: none]";
    "otlp.endpoint" "otlp-endpoint" "PLUGBUS_OTLP_ENDPOINT" Kind::Collector,
        "Collector of OpenTelemetry that spans are sent to, http://HOST:PORT; without one there are none [default: none]";
    "otlp.service_name" "otlp-service-name" "PLUGBUS_OTLP_SERVICE_NAME" Kind::Text,
        "Name of this service in the spans [default: plugbus]";
    "otlp.sample_percent" "otlp-sample-percent" "PLUGBUS_OTLP_SAMPLE_PERCENT" number(0, 100),
        "Of a hundred traces that begin here, how many are recorded [default: 100]";
    "otlp.spans_max" "otlp-spans-max" "PLUGBUS_OTLP_SPANS_MAX" number(1, 1_000_000),
        "Spans that wait to be sent; what finds no room is dropped and counted [default: 8192]";
    "otlp.timeout_ms" "otlp-timeout-ms" "PLUGBUS_OTLP_TIMEOUT_MS" number(1, 600_000),
        "Time for one request to the collector [default: 5000]";
    "log.format" "log-format" "PLUGBUS_LOG_FORMAT" Kind::Choice(&["text", "json"]),
        "How log lines look: text or json [default: text]";
    "log.level" "log-level" "PLUGBUS_LOG_LEVEL" Kind::Text,
        "error, warn, info, debug, trace, or directives such as info,plugbus_loader=debug; failed requests of plugins are logged only by wasmtime_wasi_http=warn [default: info]";
}

/// The key of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The key that is most like a name that does not exist, if any is like it. Pure.
#[must_use]
pub fn nearest(name: &str) -> Option<&'static str> {
    let name: String = name.chars().take(80).collect();
    let leaf = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    // The right word in the wrong section is as good a hint as a slip of the finger.
    let score =
        |key: &Key| strsim::jaro_winkler(key.name, &name).max(strsim::jaro_winkler(&leaf(key.name), &leaf(&name)));
    let best = KEYS.iter().max_by(|a, b| score(a).total_cmp(&score(b)))?;
    (score(best) > 0.8).then_some(best.name)
}
