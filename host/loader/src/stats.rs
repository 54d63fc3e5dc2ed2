//! What the loader counts.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};

use serde::Serialize;

/// The counters behind [`LoaderStats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) scans: AtomicU64,
    pub(crate) scans_failed: AtomicU64,
    pub(crate) hints: AtomicU64,
    pub(crate) loaded: AtomicU64,
    pub(crate) reloaded: AtomicU64,
    pub(crate) unloaded: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) unchanged: AtomicU64,
    pub(crate) watches: AtomicU64,
    pub(crate) watching: AtomicBool,
}

/// What a loader has done since it started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoaderStats {
    /// Looks at the folder.
    pub scans: u64,
    /// Looks that failed: the folder was missing, unreadable or too full. What ran went on running.
    pub scans_failed: u64,
    /// Wakes because the system said that something changed; many changes at once may be one.
    pub hints: u64,
    /// Plugins loaded into an empty slot.
    pub loaded: u64,
    /// Generations that took over from another.
    pub reloaded: u64,
    /// Plugins unloaded because their file was gone.
    pub unloaded: u64,
    /// Refusals.
    pub rejected: u64,
    /// Files that were touched, with contents as before.
    pub unchanged: u64,
    /// Times that a folder was begun to be watched: more than 1 when it was replaced.
    pub watches: u64,
    /// Whether the folder is watched now. If not, changes are seen at the next rescan only.
    pub watching: bool,
    /// Plugins the folder holds or that still run.
    pub plugins: usize,
}

/// Counts one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

impl Counters {
    pub(crate) fn snapshot(&self, plugins: usize) -> LoaderStats {
        let get = |counter: &AtomicU64| counter.load(Relaxed);
        LoaderStats {
            scans: get(&self.scans),
            scans_failed: get(&self.scans_failed),
            hints: get(&self.hints),
            loaded: get(&self.loaded),
            reloaded: get(&self.reloaded),
            unloaded: get(&self.unloaded),
            rejected: get(&self.rejected),
            unchanged: get(&self.unchanged),
            watches: get(&self.watches),
            watching: self.watching.load(Relaxed),
            plugins,
        }
    }
}
