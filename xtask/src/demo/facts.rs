//! What was measured, all of it: by the daemon, and by others independently of it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::watch::Seen;
use super::webhook::Posts;
use crate::live::{LiveError, json};

/// The plugin that every hook goes through, and that is swapped.
pub(super) const NORMALIZE: &str = "normalize-hooks";
/// The one that keeps counts.
pub(super) const COUNT: &str = "count-topics";
/// The one that writes a file.
pub(super) const LOG: &str = "log-jsonl";
/// Beside the plugins folder, the one that log-jsonl is granted: its sample manifest says `../log`.
pub(super) const LOG_FOLDER: &str = "log";
/// The one that posts to a webhook.
pub(super) const RELAY: &str = "relay-webhook";
/// The plugins that are expected to handle everything they get.
pub(super) const GOOD: [&str; 4] = [NORMALIZE, COUNT, LOG, RELAY];
/// A plugin that traps on each event.
pub(super) const TRAPS: &str = "traps";
/// A plugin that never comes back.
pub(super) const SPINS: &str = "spins";
/// A file that is no component.
pub(super) const TEXT: &str = "not-a-component";

/// Everything that was measured in a demo.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// Lines that were written to `emit`.
    pub(super) lines: u64,
    /// The ids of the events that the daemon made of them, as `emit` printed them.
    pub(super) accepted: Vec<String>,
    /// What `tail` saw.
    pub(super) seen: Seen,
    /// What the daemon counts of each plugin; of those that are taken out later, just before.
    pub(super) plugins: Vec<Plugin>,
    /// Generations that took over from another, by the daemon's count.
    pub(super) reloads: u64,
    /// Files that were refused.
    pub(super) rejections: Vec<Rejection>,
    /// Dead letters at the end.
    pub(super) dead: Vec<DeadLetter>,
    /// The ids of the events in the files of log-jsonl, line by line.
    pub(super) logged: Vec<String>,
    /// What the webhook's server saw.
    pub(super) posts: Posts,
    /// Events of each topic, as count-topics answers.
    pub(super) counted: BTreeMap<String, u64>,
    /// Whether the daemon stopped with nothing left unsettled.
    pub(super) is_settled: bool,
}

/// What the daemon counts of a plugin.
#[derive(Debug, Clone, Default)]
pub(super) struct Plugin {
    pub(super) name: String,
    /// Events that it was to get.
    pub(super) matched: u64,
    pub(super) attempts: u64,
    pub(super) acked: u64,
    pub(super) retried: u64,
    pub(super) dead: u64,
    /// Events that wait for it.
    pub(super) waiting: u64,
    /// Events that are with it.
    pub(super) in_flight: u64,
    /// Attempts that ended in a fault, by kind.
    pub(super) faults: BTreeMap<String, u64>,
    /// The last of them.
    pub(super) last_fault: Option<Fault>,
    /// Time in its handler, all attempts together.
    pub(super) handler_ns_total: u64,
    /// Time of the longest attempt.
    pub(super) handler_ns_max: u64,
}

/// What the daemon says of a fault.
#[derive(Debug, Clone, Default)]
pub(super) struct Fault {
    pub(super) kind: String,
    pub(super) limit: Option<String>,
    pub(super) message: String,
}

/// A file that was refused.
#[derive(Debug, Clone, Default)]
pub(super) struct Rejection {
    pub(super) plugin: String,
    pub(super) kind: String,
    pub(super) cause: String,
}

/// An event that a subscription gave up.
#[derive(Debug, Clone, Default)]
pub(super) struct DeadLetter {
    /// The plugin, or the whole name of a subscription that is none.
    pub(super) plugin: String,
    pub(super) kind: String,
    pub(super) reason: String,
}

impl Facts {
    /// What is known of a plugin; nothing but zeros where the daemon does not list it.
    pub(super) fn plugin(&self, name: &str) -> Plugin {
        self.plugins.iter().find(|plugin| plugin.name == name).cloned().unwrap_or_default()
    }

    /// How many dead letters a plugin has.
    pub(super) fn dead_of(&self, plugin: &str) -> u64 {
        count(self.dead.iter().filter(|letter| letter.plugin == plugin))
    }

    /// Faults of all plugins, by kind.
    pub(super) fn faults(&self) -> BTreeMap<&str, u64> {
        let mut all = BTreeMap::new();
        for (kind, count) in self.plugins.iter().flat_map(|plugin| &plugin.faults) {
            *all.entry(kind.as_str()).or_default() += count;
        }
        all
    }
}

/// The plugins in what `plugins list --json` prints that run, and what the others were refused for.
pub(super) fn plugins(list: &Value) -> Result<(Vec<Plugin>, Vec<Rejection>), LiveError> {
    let all = json::list(list, "")?;
    let (running, refused): (Vec<&Value>, Vec<&Value>) = all.iter().partition(|one| one.get("counters").is_some());
    let running = running.into_iter().map(plugin).collect::<Result<_, _>>()?;
    Ok((running, refused.into_iter().map(rejection).collect::<Result<_, _>>()?))
}

fn plugin(value: &Value) -> Result<Plugin, LiveError> {
    let last = value.pointer("/last_faults").and_then(Value::as_array).and_then(|faults| faults.last());
    Ok(Plugin {
        name: json::text(value, "/name")?,
        matched: json::number(value, "/counters/matched")?,
        attempts: json::number(value, "/counters/attempts")?,
        acked: json::number(value, "/counters/acked")?,
        retried: json::number(value, "/counters/retried")?,
        dead: json::number(value, "/counters/dead")?,
        waiting: json::number(value, "/counters/waiting")?,
        in_flight: json::number(value, "/counters/in_flight")?,
        faults: json::numbers(value, "/counters/faults_by_kind")?,
        last_fault: last.map(fault).transpose()?,
        handler_ns_total: json::number(value, "/counters/handler_ns_total")?,
        handler_ns_max: json::number(value, "/counters/handler_ns_max")?,
    })
}

fn fault(value: &Value) -> Result<Fault, LiveError> {
    Ok(Fault {
        kind: json::text(value, "/kind")?,
        limit: json::optional(value, "/limit"),
        message: json::text(value, "/message")?,
    })
}

fn rejection(value: &Value) -> Result<Rejection, LiveError> {
    Ok(Rejection {
        plugin: json::text(value, "/name")?,
        kind: json::text(value, "/last_rejection/kind")?,
        cause: json::text(value, "/last_rejection/cause")?,
    })
}

/// The dead letters in what `dead list --json` prints.
pub(super) fn dead_letters(list: &Value) -> Result<Vec<DeadLetter>, LiveError> {
    let letter = |value: &Value| {
        let subscription = json::optional(value, "/subscription").unwrap_or_else(|| "nobody".to_owned());
        Ok(DeadLetter {
            plugin: subscription.strip_prefix("plugin/").unwrap_or(&subscription).to_owned(),
            kind: json::text(value, "/kind")?,
            reason: json::text(value, "/reason")?,
        })
    };
    json::list(list, "")?.iter().map(letter).collect()
}

/// Counts, in the numbers that the daemon counts in.
pub(super) fn count(of: impl Iterator) -> u64 {
    of.fold(0, |count, _| count + 1)
}

#[cfg(test)]
mod tests;
