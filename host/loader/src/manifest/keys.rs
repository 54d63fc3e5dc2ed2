//! Every key of the manifest, once: the parser takes bounds and suggestions from here, and the reference text is made of it.

use std::fmt::Write as _;

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The table it stands in; empty at the top.
    pub section: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What its value may be.
    pub kind: Kind,
    /// What holds when it is left out, as TOML or in words.
    pub default: &'static str,
    /// What it does.
    pub about: &'static str,
}

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number between two bounds, both allowed.
    Integer {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
        /// What is counted.
        unit: &'static str,
    },
    /// `true` or `false`.
    Boolean,
    /// Text, 1 to 255 bytes.
    Text,
    /// One of a few words; `-` and `_` count as the same.
    Choice(&'static [&'static str]),
    /// An array with at most so many elements of some kind, named in words.
    Array {
        /// Most elements.
        max: usize,
        /// What the elements are.
        of: &'static str,
    },
    /// Where a durable subscription begins.
    Start,
    /// A table.
    Table,
}

/// Most filters in `filters` and in `publish`.
pub const FILTERS_MAX: usize = 64;
/// Most variables in `[grants.env]`, folders in `[[grants.dirs]]`, origins in `http` and endpoints in `tcp`.
pub const GRANTS_MAX: usize = 64;

const EVENTS: &str = "events";
const BYTES: &str = "bytes";
const MS: &str = "milliseconds";
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
const MIB: u64 = 1 << 20;
const FUEL_MAX: u64 = 1_000_000_000_000_000;

const fn key(section: &'static str, name: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Key {
    Key { section, name, kind, default, about }
}
const fn int(min: u64, max: u64, unit: &'static str) -> Kind {
    Kind::Integer { min, max, unit }
}

/// All keys, in the order of the reference.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key("", "filters", Kind::Array { max: FILTERS_MAX, of: "topic filters" }, "what the plugin registers", "Which events the plugin gets. Takes the place of the filters that its `init` registers."),
    key("", "publish", Kind::Array { max: FILTERS_MAX, of: "topic filters" }, "[]", "Topics the plugin may publish to. Nothing by default; never the host's own (`plugbus.`)."),
    key("", "instances", int(1, 64, "instances"), "1", "Events handled at once, each on an instance of its own. With 1 events come in strict order."),
    key("", "fresh", Kind::Boolean, "false", "A new instance for every event, with no state left from the one before. Costs an instantiation each time."),
    key("", "ordering_key", Kind::Text, "none", "`subject`, `source`, `topic` or `extension:NAME`: events with the same value stay in order when `instances` is over 1."),
    key("", "source", Kind::Text, "every source", "Only events of this source; a final `*` stands for any ending (`hook/*`)."),
    key("", "tick_ms", int(100, HOUR_MS, MS), "no ticks where it is left out", "Give the plugin a tick every so often: an event on `plugbus.tick.NAME`, in order with the others, whatever its filters, that nobody else sees. There is none while it is paused or suspended or one is still on its way; one that fails does not come again."),
    key("", "durable", Kind::Boolean, "true where the host keeps a journal", "Keep the plugin's place in the host's journal: what it has not settled comes again after a restart or a crash. Without, it is in memory."),
    key("", "start", Kind::Start, "\"new\"", "Where a durable plugin begins that the journal does not know yet. One that it knows goes on where it was."),
    key("", "queue", Kind::Table, "see below", "What waits for the plugin."),
    key("", "retry", Kind::Table, "see below", "What follows a failed attempt."),
    key("", "limits", Kind::Table, "see below", "Bounds on what the plugin uses."),
    key("", "supervision", Kind::Table, "see below", "When a faulting plugin is suspended."),
    key("", "grants", Kind::Table, "nothing", "What the plugin may touch."),
    key("", "secrets", Kind::Table, "{}", "Values that the plugin uses without seeing them: one table `[secrets.NAME]` for each, at most 16. `${secret:NAME}` in a text of `[config]` or `[grants.env]` is a placeholder for the plugin; the host puts the value there in headers, path and query of HTTP requests."),
    key("", "config", Kind::Table, "{}", "Handed to the plugin's `init` as a JSON object. Free form, at most 32 tables or arrays deep."),
    key("queue", "events_max", int(1, 1_000_000, EVENTS), "1024", "Events that may wait, those waiting for a retry included."),
    key("queue", "bytes_max", int(1, 4096 * MIB, BYTES), "67108864", "Bytes of events that may wait. One event is always taken, whatever its size."),
    key("queue", "when_full", Kind::Choice(&["wait", "drop_oldest", "drop_newest", "refuse", "spill"]), "\"spill\" where the plugin is durable, else \"wait\"", "What a publisher meets when the queue is full. Every dropped event is counted. `spill` leaves events in the journal until there is room; one of the others makes a plugin not durable, unless `durable` says otherwise, which is an error."),
    key("queue", "wait_max_ms", int(1, HOUR_MS, MS), "1000", "With `wait`: longest wait of a publisher for one event, which then becomes a dead letter. An error with another `when_full`."),
    key("queue", "dead_letter_drops", Kind::Boolean, "false", "Keep what `drop_oldest` and `drop_newest` drop as dead letters."),
    key("retry", "attempts", int(1, 100, "attempts"), "5", "Attempts to deliver one event, the first included. After the last one it is a dead letter."),
    key("retry", "backoff_min_ms", int(1, DAY_MS, MS), "100", "Delay before the second attempt. Doubles with each further one."),
    key("retry", "backoff_max_ms", int(1, DAY_MS, MS), "30000", "Bound on the doubling. Not under `backoff_min_ms`."),
    key("retry", "retry_after_max_ms", int(1, DAY_MS, MS), "300000", "Bound on the delay that the plugin itself asks for."),
    key("limits", "fuel_per_event", int(1, FUEL_MAX, "fuel"), "500000000", "Fuel for one event; a unit is about one wasm instruction."),
    key("limits", "fuel_init", int(1, FUEL_MAX, "fuel"), "5000000000", "Fuel for instantiation and `init`."),
    key("limits", "deadline_ms", int(1, HOUR_MS, MS), "5000", "Wall-clock time for one event, host calls included."),
    key("limits", "deadline_init_ms", int(1, HOUR_MS, MS), "30000", "Wall-clock time for instantiation and `init`."),
    key("limits", "memory_bytes", int(65_536, 4096 * MIB, BYTES), "134217728", "Linear memory of one instance. The plugin's worst case is this times `instances`."),
    key("limits", "table_elements", int(1, 10_000_000, "elements"), "200000", "Elements of all tables of one instance, 8 bytes each."),
    key("limits", "core_instances", int(1, 1000, "instances"), "64", "Core instances inside one instance of the component."),
    key("limits", "tables", int(1, 1000, "tables"), "64", "Tables inside one instance."),
    key("limits", "memories", int(1, 100, "memories"), "8", "Linear memories inside one instance."),
    key("limits", "hostcall_bytes", int(4096, 1024 * MIB, BYTES), "8388608", "What the host allocates for the arguments of one host call or one answer."),
    key("limits", "publishes_max", int(0, 10_000, EVENTS), "64", "Events that the plugin may publish while it handles one."),
    key("limits", "publish_bytes", int(0, 256 * MIB, BYTES), "1048576", "Bytes that the plugin may publish while it handles one event."),
    key("limits", "log_bytes", int(0, 16 * MIB, BYTES), "16384", "Log, stdout and stderr for one event. What is over is cut and counted."),
    key("limits", "reply_bytes", int(0, 256 * MIB, BYTES), "1048576", "Data in one reply."),
    key("limits", "error_bytes", int(64, MIB, BYTES), "4096", "Text of one failure or `init` error. What is over is cut."),
    key("limits", "http_requests_max", int(0, 10_000, "requests"), "32", "Outgoing HTTP requests for one event."),
    key("limits", "tcp_connects_max", int(0, 10_000, "connections"), "64", "Outgoing TCP connections and lookups of names for one event, refused ones included."),
    key("limits", "tcp_sockets_max", int(0, 256, "sockets"), "16", "TCP sockets that one instance has at one time. They stay open from event to event until the plugin closes them."),
    key("limits", "kv_bytes", int(1024, 256 * MIB, BYTES), "16777216", "Keys and values in the plugin's store, each pair with its bucket's name and 64 bytes more. All of it is in memory, and each event in flight may hold changes of as much again."),
    key("limits", "kv_value_bytes", int(1, 16 * MIB, BYTES), "65536", "One value in the store. Over `hostcall_bytes` it cannot come."),
    key("limits", "kv_key_bytes", int(64, 4096, BYTES), "256", "One key in the store."),
    key("supervision", "budget", int(1, 1000, EVENTS), "5", "The plugin is suspended when so many different events have made it fault within the window."),
    key("supervision", "window_ms", int(1, DAY_MS, MS), "60000", "Length of the sliding window."),
    key("supervision", "suspend_min_ms", int(1, DAY_MS, MS), "1000", "First suspension; doubles each time the plugin faults again when it is tried."),
    key("supervision", "suspend_max_ms", int(1, DAY_MS, MS), "300000", "Bound on the doubling. Not under `suspend_min_ms`."),
    key("grants", "config", Kind::Boolean, "false", "`wasi:config/store` shows the `[config]` table, nested keys joined by dots."),
    key("grants", "http", Kind::Array { max: GRANTS_MAX, of: "origins like `https://api.example.com`" }, "[]", "Outgoing HTTP to exactly these origins."),
    key("grants", "tcp", Kind::Array { max: GRANTS_MAX, of: "hosts with ports like `redis.example.com:6379`" }, "[]", "Outgoing TCP to exactly these hosts and ports. A name must lead to public addresses, but for `localhost`; write a private address itself (`10.0.0.5:6379`, `[::1]:9000`)."),
    key("grants", "kv", Kind::Boolean, "false", "`wasi:keyvalue`: a store of the plugin's own. What it writes while it handles an event is committed with the ack. In the journal where the plugin is durable, else in memory."),
    key("grants", "env", Kind::Table, "{}", "Environment variables the plugin sees: name and value. It never sees the host's own."),
    key("grants", "dirs", Kind::Array { max: GRANTS_MAX, of: "tables with `host`, `guest` and `mode`" }, "[]", "Folders the plugin sees."),
    key("grants.dirs", "host", Kind::Text, "required", "Folder on the host. A relative path starts at the plugins folder."),
    key("grants.dirs", "guest", Kind::Text, "required", "Absolute path under which the plugin sees it, for example `/data`."),
    key("grants.dirs", "mode", Kind::Choice(&["read-only", "read-write"]), "\"read-only\"", "What the plugin may do there."),
    key("secrets", "env", Kind::Text, "none", "The variable of the daemon's environment that has the value. This or `file`. A value has 8 to 8192 printable ASCII characters."),
    key("secrets", "file", Kind::Text, "none", "The file that has the value; nobody but its owner may read or write it (mode 600). A relative path starts at the plugins folder. Read at each load and reload of the plugin."),
    key("secrets", "origins", Kind::Array { max: GRANTS_MAX, of: "origins like `https://api.example.com`" }, "required unless `expose` is true", "The origins that may have the value, each also in `http` under `[grants]`; by https, but for `localhost` and addresses. A request with the placeholder to another origin is refused."),
    key("secrets", "expose", Kind::Boolean, "false", "Give the plugin the value itself. For what the host cannot put in: signatures, bodies, TCP."),
];

/// The keys of one table.
pub(super) fn of_section(section: &str) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |key| key.section == section)
}

/// One key.
pub(super) fn find(section: &str, name: &str) -> Option<&'static Key> {
    of_section(section).find(|key| key.name == name)
}

impl Kind {
    /// What is allowed, for an error message.
    #[must_use]
    pub fn expected(self) -> String {
        match self {
            Self::Integer { min, max, unit } => format!("a whole number of {unit} from {min} to {max}"),
            Self::Boolean => "true or false".into(),
            Self::Text => "text of 1 to 255 bytes".into(),
            Self::Choice(words) => {
                let words: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
                format!("one of {}", words.join(", "))
            }
            Self::Array { max, of } => format!("an array of at most {max} {of}"),
            Self::Start => "\"new\", \"earliest\" or the number of an event".into(),
            Self::Table => "a table".into(),
        }
    }
}

/// The reference of the manifest as Markdown: one table of keys for each table of the file.
#[must_use]
pub fn reference() -> String {
    let mut text = String::new();
    let mut section = None;
    for key in KEYS {
        if section != Some(key.section) {
            section = Some(key.section);
            let title = match key.section {
                "" => "Top of the file".into(),
                "grants.dirs" => "`[[grants.dirs]]`".into(),
                "secrets" => "`[secrets.NAME]`".into(),
                name => format!("`[{name}]`"),
            };
            // Writing to a String cannot fail.
            let _ = write!(text, "\n### {title}\n\n| key | value | default | meaning |\n| --- | --- | --- | --- |\n");
        }
        let _ = writeln!(text, "| `{}` | {} | {} | {} |", key.name, key.kind.expected(), key.default, key.about);
    }
    text.trim_start().to_owned()
}
