//! The contracts with a plugin, by the names of interfaces: what it must export, what it may import, and with which grant.
//!
//! A component is told by its exports. One that exports both contracts, to run here and elsewhere, is a plugin of the first: it
//! says more. The table of imports is in `wit/world.wit` for authors too; change both together.

use serde::{Serialize, Serializer};

use crate::compile::CompileError;
use crate::grants::Grants;
use crate::text::prefix;

/// The world of a plugin.
pub const WORLD: &str = "plugbus:plugin/plugin@0.1.0";
/// The interface that a plugin exports.
pub const SUBSCRIBER: &str = "plugbus:plugin/subscriber@0.1.0";
/// The interface that a component made for other hosts exports.
pub const INCOMING_HANDLER: &str = "wasi:messaging/incoming-handler@0.2.0-draft";
/// The largest of the worlds around it.
const MESSAGING_WORLD: &str = "wasi:messaging/messaging-request-reply@0.2.0-draft";

/// What host and component have agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contract {
    /// plugbus's own: `init` registers filters and has the configuration, `handle` gets events.
    Plugin,
    /// `wasi:messaging`: one function that gets messages. Filters can only come from the manifest.
    Messaging,
}

impl Contract {
    /// The world that the host offers.
    #[must_use]
    pub fn world(self) -> &'static str {
        match self {
            Self::Plugin => WORLD,
            Self::Messaging => MESSAGING_WORLD,
        }
    }

    /// Package and version that the host speaks.
    #[must_use]
    pub fn package(self) -> &'static str {
        match self {
            Self::Plugin => "plugbus:plugin@0.1.0",
            Self::Messaging => "wasi:messaging@0.2.0-draft",
        }
    }

    /// How a plugin that has no filters gets some.
    #[must_use]
    pub fn how_to_have_filters(self) -> &'static str {
        match self {
            Self::Plugin => "return some from `init`, or write",
            Self::Messaging => "a `wasi:messaging` component has no `init` to register any in: write",
        }
    }
}

/// As [`Contract::package`].
impl Serialize for Contract {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.package())
    }
}

/// What an import needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Import {
    /// Nothing: always linked.
    Free,
    /// `config = true`.
    Config,
    /// `http = […]`.
    Http,
    /// `kv = true`.
    KeyValue,
    /// The host has the interface, in another version.
    OtherVersion(&'static str),
    /// The host does not have it.
    Unknown,
}

/// Interfaces that are always linked, without their versions.
const FREE: &[(&str, &str, &[&str])] = &[
    ("plugbus:plugin", "0.1", &["publisher", "types"]),
    ("wasi:logging", "0.1.0-draft", &["logging"]),
    ("wasi:messaging", "0.2.0-draft", &["types", "producer", "request-reply"]),
    (
        "wasi:cli",
        "0.2",
        &[
            "environment",
            "exit",
            "stdin",
            "stdout",
            "stderr",
            "terminal-input",
            "terminal-output",
            "terminal-stdin",
            "terminal-stdout",
            "terminal-stderr",
        ],
    ),
    ("wasi:clocks", "0.2", &["monotonic-clock", "wall-clock"]),
    ("wasi:random", "0.2", &["random", "insecure", "insecure-seed"]),
    ("wasi:io", "0.2", &["error", "poll", "streams"]),
    ("wasi:filesystem", "0.2", &["types", "preopens"]),
    (
        "wasi:sockets",
        "0.2",
        &["network", "instance-network", "ip-name-lookup", "tcp", "tcp-create-socket", "udp", "udp-create-socket"],
    ),
];

/// Interfaces that need a grant.
const GRANTED: &[(&str, &str, &[&str], Import)] = &[
    ("wasi:http", "0.2", &["types", "outgoing-handler"], Import::Http),
    ("wasi:config", "0.2.0-rc.1", &["store"], Import::Config),
    ("wasi:keyvalue", "0.2.0-draft", &["store", "atomics", "batch"], Import::KeyValue),
];

/// What an import needs. Pure.
pub(crate) fn classify(import: &str) -> Import {
    let (path, version) = import.split_once('@').unwrap_or((import, ""));
    let Some((package, interface)) = path.split_once('/') else {
        return Import::Unknown;
    };
    let free = FREE.iter().map(|(package, version, interfaces)| (package, version, interfaces, Import::Free));
    let granted = GRANTED.iter().map(|(package, version, interfaces, needs)| (package, version, interfaces, *needs));
    for (known, have, interfaces, needs) in free.chain(granted) {
        if *known == package && interfaces.contains(&interface) {
            return if fits(version, have) { needs } else { Import::OtherVersion(have) };
        }
    }
    Import::Unknown
}

impl Import {
    /// The line of the manifest's `[grants]` that gives it, as an example; none for what needs no grant or cannot be had.
    pub(crate) fn grant(self) -> Option<&'static str> {
        match self {
            Self::Config => Some("config = true"),
            Self::Http => Some("http = [\"https://host\"]"),
            Self::KeyValue => Some("kv = true"),
            Self::Free | Self::OtherVersion(_) | Self::Unknown => None,
        }
    }

    /// Whether a manifest with these grants gives it.
    pub(crate) fn is_given(self, grants: &Grants) -> bool {
        match self {
            Self::Free => true,
            Self::Config => grants.config,
            Self::Http => !grants.http.is_empty(),
            Self::KeyValue => grants.kv,
            Self::OtherVersion(_) | Self::Unknown => false,
        }
    }
}

/// Whether a version is served by what the host has: any patch release of `0.2`, or exactly a draft.
fn fits(version: &str, have: &str) -> bool {
    if have.contains('-') {
        return version == have;
    }
    let mut numbers = version.split('.');
    let series = [numbers.next(), numbers.next()];
    let patch = numbers.next().is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|b| b.is_ascii_digit()));
    let mut wanted = have.split('.');
    patch && numbers.next().is_none() && series == [wanted.next(), wanted.next()]
}

/// Package and version of the contract that a component exports, which need not be one that this host speaks. Pure.
pub(crate) fn named(exports: &[String]) -> Option<String> {
    if of(exports) == Ok(Contract::Messaging) {
        return Some(Contract::Messaging.package().to_owned());
    }
    let found = |interface: &str, package: &str| {
        let version = exports.iter().find_map(|name| name.strip_prefix(interface));
        version.map(|version| format!("{package}@{version}"))
    };
    found("plugbus:plugin/subscriber@", "plugbus:plugin")
        .or_else(|| found("wasi:messaging/incoming-handler@", "wasi:messaging"))
}

/// Which contract a component exports. Pure.
pub(crate) fn of(exports: &[String]) -> Result<Contract, CompileError> {
    let subscriber = "plugbus:plugin/subscriber@";
    if exports.iter().any(|name| name.strip_prefix(subscriber).is_some_and(|version| fits(version, "0.1"))) {
        return Ok(Contract::Plugin);
    }
    if exports.iter().any(|name| name == INCOMING_HANDLER) {
        return Ok(Contract::Messaging);
    }
    let named = |what: &str| exports.iter().find(|name| name.starts_with(what)).map(|name| shown(name));
    let problem = if let Some(near) = named(subscriber) {
        format!("it exports `{near}`, and this host speaks 0.1; build it against this host's wit folder")
    } else if let Some(near) = named("wasi:messaging/incoming-handler") {
        format!("it exports `{near}`, and this host has 0.2.0-draft of it; build it against that")
    } else if let Some(near) = named("wasmcloud:messaging/handler") {
        format!("it exports `{near}`, which is one host's own; build it against `wasi:messaging`")
    } else if let Some(near) = named("plugbus:plugin") {
        format!("it exports `{near}` but no subscriber")
    } else if named("wasi:cli/run").is_some() {
        "it is a command (exports `wasi:cli/run`)".into()
    } else if named("wasi:http/incoming-handler").is_some() {
        "it is an HTTP server (exports `wasi:http/incoming-handler`)".into()
    } else if exports.is_empty() {
        "it exports nothing".into()
    } else {
        let some: Vec<String> = exports.iter().take(8).map(|name| format!("`{}`", shown(name))).collect();
        let more =
            if exports.len() > some.len() { format!(" and {} more", exports.len() - some.len()) } else { "".into() };
        format!("it exports {}{more}", some.join(", "))
    };
    Err(CompileError::ForeignWorld { problem })
}

/// Checks that there is no import which no grant could give. Pure.
pub(crate) fn check_imports(imports: &[String]) -> Result<(), CompileError> {
    let mut unknown: Vec<String> = imports
        .iter()
        .filter_map(|name| match classify(name) {
            Import::Unknown => Some(format!("`{}`", shown(name))),
            Import::OtherVersion(have) => Some(format!("`{}` (this host has version {have})", shown(name))),
            Import::Free | Import::Config | Import::Http | Import::KeyValue => None,
        })
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    if unknown.len() > NAMES_MAX {
        let more = unknown.len() - NAMES_MAX;
        unknown.truncate(NAMES_MAX);
        unknown.push(format!("and {more} more"));
    }
    Err(CompileError::UnknownImports { imports: unknown })
}

/// Most names in one message.
const NAMES_MAX: usize = 16;

/// A name from a component, fit for a message.
fn shown(name: &str) -> String {
    prefix(name, 160).escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_sorted_by_what_they_need() {
        let table = [
            ("plugbus:plugin/publisher@0.1.0", Import::Free),
            ("plugbus:plugin/types@0.1.7", Import::Free),
            ("plugbus:plugin/types@0.2.0", Import::OtherVersion("0.1")),
            ("wasi:logging/logging@0.1.0-draft", Import::Free),
            ("wasi:logging/logging@0.1.0", Import::OtherVersion("0.1.0-draft")),
            ("wasi:cli/environment@0.2.3", Import::Free),
            ("wasi:cli/run@0.2.3", Import::Unknown),
            ("wasi:io/streams@0.3.0", Import::OtherVersion("0.2")),
            ("wasi:io/streams@0.2", Import::OtherVersion("0.2")),
            ("wasi:io/streams@0.2.0-rc.1", Import::OtherVersion("0.2")),
            ("wasi:io/streams", Import::OtherVersion("0.2")),
            ("wasi:http/outgoing-handler@0.2.6", Import::Http),
            ("wasi:http/types@0.2.0", Import::Http),
            ("wasi:http/incoming-handler@0.2.0", Import::Unknown),
            ("wasi:config/store@0.2.0-rc.1", Import::Config),
            ("wasi:config/store@0.2.0-draft", Import::OtherVersion("0.2.0-rc.1")),
            ("wasi:keyvalue/store@0.2.0-draft", Import::KeyValue),
            ("wasi:keyvalue/atomics@0.2.0-draft", Import::KeyValue),
            ("wasi:keyvalue/batch@0.2.0-draft2", Import::OtherVersion("0.2.0-draft")),
            ("wasi:keyvalue/watcher@0.2.0-draft", Import::Unknown),
            ("wasi:messaging/producer@0.2.0-draft", Import::Free),
            ("wasi:messaging/types@0.2.0", Import::OtherVersion("0.2.0-draft")),
            ("wasi:messaging/consumer@0.2.0-draft", Import::Unknown),
            ("env", Import::Unknown),
            ("", Import::Unknown),
        ];
        for (name, expected) in table {
            assert_eq!(classify(name), expected, "{name}");
        }
    }

    #[test]
    fn a_foreign_world_is_named_by_the_nearest_export() {
        let check = |names: &[&str]| of(&owned(names));
        let table: [(&[&str], &str); 8] = [
            (&[], "exports nothing"),
            (&["plugbus:plugin/subscriber@0.2.0"], "speaks 0.1"),
            (&["plugbus:plugin/other@0.1.0"], "no subscriber"),
            (&["wasi:messaging/incoming-handler@0.3.0"], "this host has 0.2.0-draft"),
            (&["wasmcloud:messaging/handler@0.2.0"], "against `wasi:messaging`"),
            (&["wasi:cli/run@0.2.3"], "a command"),
            (&["wasi:http/incoming-handler@0.2.3"], "an HTTP server"),
            (&["a:b/c", "x"], "`a:b/c`, `x`"),
        ];
        for (names, expected) in table {
            let message = check(names).unwrap_err().to_string();
            assert!(message.contains(expected) && message.contains(SUBSCRIBER), "{message}");
            assert!(message.contains(INCOMING_HANDLER), "{message}");
        }
    }

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_contract_is_told_by_the_exports_and_the_hosts_own_comes_first() {
        let table: [(&[&str], Contract, &str); 5] = [
            (&["plugbus:plugin/subscriber@0.1.0"], Contract::Plugin, "plugbus:plugin@0.1.0"),
            (&["other", "plugbus:plugin/subscriber@0.1.9"], Contract::Plugin, "plugbus:plugin@0.1.9"),
            (&["other", INCOMING_HANDLER], Contract::Messaging, "wasi:messaging@0.2.0-draft"),
            (&[INCOMING_HANDLER, SUBSCRIBER], Contract::Plugin, "plugbus:plugin@0.1.0"),
            (&["plugbus:plugin/subscriber@0.2.0", INCOMING_HANDLER], Contract::Messaging, "wasi:messaging@0.2.0-draft"),
        ];
        for (names, contract, package) in table {
            assert_eq!(
                (of(&owned(names)), named(&owned(names))),
                (Ok(contract), Some(package.to_owned())),
                "{names:?}"
            );
        }
        assert_eq!(named(&owned(&["wasi:messaging/incoming-handler@9"])).as_deref(), Some("wasi:messaging@9"));
        assert_eq!(named(&owned(&["wasi:cli/run@0.2.0"])), None);
        assert_eq!(serde_json::to_value(Contract::Messaging).unwrap(), "wasi:messaging@0.2.0-draft");
    }

    #[test]
    fn unknown_imports_are_listed_with_hints_and_a_bound() {
        let names: Vec<String> = (0..40).map(|n| format!("x:y/z{n}@1.0.0")).collect();
        let message = check_imports(&names).unwrap_err().to_string();
        assert!(message.contains("`x:y/z0@1.0.0`") && message.contains("and 24 more"), "{message}");
        let message = check_imports(&["wasi:io/poll@0.3.0".into()]).unwrap_err().to_string();
        assert!(message.contains("version 0.2"), "{message}");
    }
}
