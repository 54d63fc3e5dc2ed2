//! What an operator sees of a plugin.

use std::error::Error;

use plugbus_bus::{Filter, SubscriptionStats};
use plugbus_sandbox::{Contract, Denial, Grants, Limits, MetricsSnapshot, NeededImport};
use serde::Serialize;

use crate::capture::Identity;
use crate::clock::unix_ns;
use crate::faults::{FaultRecord, cut_backtrace, cut_stderr};
use crate::load::LoadError;

pub(crate) mod settings;

pub use settings::{QueueStatus, RetryStatus, SupervisionStatus};

/// Most levels of an error's causes that are shown.
const CAUSES_MAX: usize = 16;
/// Most characters of each.
const CAUSE_CHARS_MAX: usize = 4096;

/// One plugin, as it stands.
#[derive(Debug, Clone, Serialize)]
pub struct PluginStatus {
    /// The stem of its file.
    pub name: String,
    /// Whether it runs, and if not, why.
    #[serde(flatten)]
    pub state: PluginState,
    /// Paused by an operator. Outlasts a reload.
    pub paused: bool,
    /// A load, swap or unload is under way.
    pub busy: bool,
    /// What runs, where something does.
    #[serde(flatten)]
    pub running: Option<RunningStatus>,
    /// The last faults, oldest first, at most [`FAULTS_KEPT_MAX`](crate::FAULTS_KEPT_MAX).
    pub last_faults: Vec<FaultRecord>,
    /// Why what the folder holds now is not what runs.
    pub last_rejection: Option<Rejection>,
}

/// Whether a plugin runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
#[non_exhaustive]
pub enum PluginState {
    /// Its first load is under way.
    Starting,
    /// Events are delivered.
    Running,
    /// An operator has paused it. Events queue up.
    Paused,
    /// The supervisor has suspended it. Events queue up.
    Suspended {
        /// When one event will be tried, in nanoseconds since the Unix epoch.
        until_ns: u64,
    },
    /// One event is let through to see whether the plugin works again.
    Probing,
    /// Nothing runs: what the folder holds was refused.
    Rejected,
}

/// The generation that runs.
#[derive(Debug, Clone, Serialize)]
pub struct RunningStatus {
    /// Its number, rising with each that this plugin had.
    pub generation: u64,
    /// The hash of component and manifest together.
    pub sha256: Identity,
    /// The hash of the component alone.
    pub wasm_sha256: Identity,
    /// Size of the component.
    pub size_bytes: usize,
    /// When it took over, in nanoseconds since the Unix epoch.
    pub loaded_ns: u64,
    /// Which events it gets.
    pub filters: Vec<Filter>,
    /// Which topics it may publish to.
    pub publish: Vec<Filter>,
    /// Instances, which is events handled at once.
    pub instances: u32,
    /// Whether each event has a new instance.
    pub fresh: bool,
    /// The contract that the component follows, with its version.
    pub contract: Contract,
    /// What the component imports.
    pub imports: Vec<String>,
    /// What the component exports.
    pub exports: Vec<String>,
    /// Of which events the order is kept where there are several instances, as the manifest writes it.
    pub ordering_key: Option<String>,
    /// How often it is given a tick, in milliseconds, if at all.
    pub tick_ms: Option<u64>,
    /// The only source it listens to, where there is one.
    pub source: Option<String>,
    /// What waits for it.
    pub queue: QueueStatus,
    /// What follows a failed attempt.
    pub retry: RetryStatus,
    /// When it is suspended.
    pub supervision: SupervisionStatus,
    /// Bounds on each instance.
    pub limits: Limits,
    /// What it may touch. Names of variables, never their values.
    pub grants: Grants,
    /// Its imports, and what each of them needs.
    pub needs: Vec<NeededImport>,
    /// What this generation asked for and was denied, the most frequent first. Bounded.
    pub denials: Vec<Denial>,
    /// How often this generation was suspended.
    pub suspensions: u64,
    /// What its subscription counts, over all generations.
    pub counters: SubscriptionStats,
    /// What the sandbox measures, of this generation.
    pub metrics: MetricsSnapshot,
}

/// Why something was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rejection {
    /// When, in nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// The hash of the refused content, where it could be read.
    pub sha256: Option<Identity>,
    /// In which step: `files`, `manifest`, `compile`, `link`, `init`, `subscribe`, or the kind of the fault in `init`.
    pub kind: &'static str,
    /// The limit that was hit, with its unit, where a fault hit one.
    pub limit: Option<String>,
    /// The whole chain of causes in one text.
    pub cause: String,
    /// What the guest wrote to stderr, where `init` faulted.
    pub stderr: Option<String>,
    /// The wasm backtrace, where `init` faulted.
    pub backtrace: Vec<String>,
}

impl Rejection {
    /// The record of an error.
    pub(crate) fn of(error: &LoadError, sha256: Option<Identity>) -> Self {
        let fault = error.fault();
        Self {
            time_ns: unix_ns(),
            sha256,
            kind: error.kind_name(),
            limit: fault.and_then(|fault| fault.kind.limit()),
            cause: chain(error),
            stderr: fault.and_then(cut_stderr),
            backtrace: fault.map(cut_backtrace).unwrap_or_default(),
        }
    }
}

impl Rejection {
    /// Whether it says the same of the same content.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (self.sha256, self.kind, &self.cause) == (other.sha256, other.kind, &other.cause)
    }
}

/// An error and its causes in one text, outermost first. What is cut is marked.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    for _ in 0..CAUSES_MAX {
        let Some(error) = next else { break };
        if !text.is_empty() {
            text.push_str(": ");
        }
        let message = error.to_string();
        let mut chars = message.chars();
        text.extend(chars.by_ref().take(CAUSE_CHARS_MAX));
        if chars.next().is_some() {
            text.push_str(" … (cut)");
        }
        next = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Inner(String);

    #[test]
    fn causes_are_joined_and_what_is_cut_is_marked() {
        assert_eq!(chain(&Outer(Inner("inner".into()))), "outer: inner");
        let cut = chain(&Outer(Inner("ä".repeat(CAUSE_CHARS_MAX + 1))));
        assert_eq!(cut.chars().count(), "outer: ".len() + CAUSE_CHARS_MAX + " … (cut)".chars().count());
        assert!(cut.ends_with("ä … (cut)"));
    }
}
