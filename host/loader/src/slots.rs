//! The slots: one for each plugin that the folder holds or that still runs. Shared by the loader's task, its jobs, and
//! whoever asks for status; locked for moments only, never across an await.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use plugbus_bus::{Control, Filter, Subscription};
use plugbus_sandbox::{Component, Template};
use tokio::time::Instant;

use crate::capture::Identity;
use crate::clock::unix_ns;
use crate::faults::FaultLog;
use crate::host_events::About;
use crate::manifest::Manifest;
use crate::plan::{Judged, Known};
use crate::status::settings::{ms, ordering_key};
use crate::status::{PluginState, PluginStatus, Rejection, RunningStatus};
use crate::supervise::State;
use crate::supervise::guard::Guard;
use crate::tick::Ticker;

/// Names of unloaded plugins whose last generation number is remembered, so that numbers go on rising.
const RETIRED_MAX: usize = 1024;

/// All slots.
#[derive(Default)]
pub(crate) struct Slots(Mutex<Table>);

#[derive(Default)]
pub(crate) struct Table {
    pub(crate) slots: BTreeMap<String, Slot>,
    retired: BTreeMap<String, u64>,
}

/// One slot.
#[derive(Default)]
pub(crate) struct Slot {
    /// The state of the files that was judged last.
    pub(crate) judged: Option<Judged>,
    /// The files were changing: look again soon.
    pub(crate) changing: bool,
    /// The content that was refused last: not tried again until it changes or somebody asks.
    pub(crate) refused: Option<Identity>,
    pub(crate) rejection: Option<Rejection>,
    pub(crate) running: Option<Running>,
    pub(crate) faults: Arc<FaultLog>,
    pub(crate) paused: bool,
    pub(crate) busy: bool,
    pub(crate) absent_since: Option<Instant>,
    /// The number of the last generation.
    pub(crate) generations: u64,
}

/// What runs in a slot.
pub(crate) struct Running {
    pub(crate) generation: Arc<Generation>,
    /// Ends when dropped.
    pub(crate) subscription: Subscription,
    /// Where the manifest asks for ticks; ends when dropped.
    pub(crate) ticker: Option<Ticker>,
}

/// One loaded version of a plugin.
pub(crate) struct Generation {
    pub(crate) about: About,
    pub(crate) wasm_sha256: Identity,
    pub(crate) manifest: Manifest,
    pub(crate) component: Component,
    pub(crate) template: Template,
    pub(crate) filters: Vec<Filter>,
    pub(crate) guard: Arc<Guard>,
    pub(crate) loaded_ns: u64,
}

impl Slots {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// The slot, made if there is none.
    pub(crate) fn slot(&mut self, key: &str) -> &mut Slot {
        let generations = self.retired.remove(key).unwrap_or_default();
        let slot = self.slots.entry(key.to_owned()).or_default();
        slot.generations = slot.generations.max(generations);
        slot
    }

    /// Takes a slot out; the number of its last generation is remembered.
    pub(crate) fn remove(&mut self, key: &str) -> Option<Slot> {
        let slot = self.slots.remove(key)?;
        if slot.generations > 0 {
            if self.retired.len() >= RETIRED_MAX {
                self.retired.pop_first();
            }
            self.retired.insert(key.to_owned(), slot.generations);
        }
        Some(slot)
    }

    /// What was refused is to be tried again: what was wrong may stand outside of its files (a granted folder that was
    /// missing, say).
    pub(crate) fn judge_refused_again(&mut self) {
        for slot in self.slots.values_mut().filter(|slot| slot.rejection.is_some() && !slot.busy) {
            slot.judged = None;
            slot.refused = None;
        }
    }

    /// What the plan needs to know.
    pub(crate) fn known(&self, now: Instant) -> BTreeMap<String, Known> {
        let known = |slot: &Slot| Known {
            judged: slot.judged.clone(),
            runs: slot.running.is_some(),
            busy: slot.busy,
            absent: slot.absent_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since)),
        };
        self.slots.iter().map(|(key, slot)| (key.clone(), known(slot))).collect()
    }
}

impl Slot {
    /// The generation that runs, in short.
    pub(crate) fn about(&self) -> Option<&About> {
        self.running.as_ref().map(|running| &running.generation.about)
    }

    /// The subscription, if it is live: somebody else may have ended it.
    pub(crate) fn control(&self) -> Option<Control> {
        let control = self.running.as_ref().map(|running| running.subscription.control())?;
        (!control.is_ended()).then_some(control)
    }

    /// Pauses or resumes.
    pub(crate) fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
        match (&self.running, paused) {
            (None, _) => {}
            (Some(running), true) => running.subscription.pause(),
            (Some(running), false) => running.subscription.resume(),
        }
    }

    /// The status.
    pub(crate) fn status(&self, key: &str) -> PluginStatus {
        PluginStatus {
            name: key.to_owned(),
            state: self.state(),
            paused: self.paused,
            busy: self.busy,
            running: self.running.as_ref().map(Running::status),
            last_faults: self.faults.list(),
            last_rejection: self.rejection.clone(),
        }
    }

    fn state(&self) -> PluginState {
        let Some(running) = &self.running else {
            return if self.rejection.is_some() { PluginState::Rejected } else { PluginState::Starting };
        };
        if self.paused {
            return PluginState::Paused;
        }
        let standing = running.generation.guard.standing();
        match standing.state {
            State::Running => PluginState::Running,
            State::Probing => PluginState::Probing,
            State::Suspended { .. } => {
                let rest = standing.probe_in.unwrap_or_default();
                let rest_ns = u64::try_from(rest.as_nanos()).unwrap_or(u64::MAX);
                PluginState::Suspended { until_ns: unix_ns().saturating_add(rest_ns) }
            }
        }
    }
}

impl Running {
    fn status(&self) -> RunningStatus {
        let generation = &self.generation;
        let info = generation.template.info();
        let manifest = &generation.manifest;
        let settings = &manifest.settings;
        RunningStatus {
            generation: generation.about.generation,
            sha256: generation.about.sha256,
            wasm_sha256: generation.wasm_sha256,
            size_bytes: info.size_bytes,
            loaded_ns: generation.loaded_ns,
            filters: generation.filters.clone(),
            publish: manifest.publish.clone(),
            instances: settings.concurrency.get(),
            fresh: manifest.fresh,
            contract: info.contract,
            imports: info.imports.clone(),
            exports: info.exports.clone(),
            ordering_key: ordering_key(settings),
            tick_ms: manifest.tick.map(ms),
            source: settings.source.as_ref().map(|source| source.as_str().to_owned()),
            queue: settings.into(),
            retry: settings.into(),
            supervision: (&manifest.supervision).into(),
            limits: manifest.limits.clone(),
            grants: manifest.grants.clone(),
            needs: generation.template.needs(),
            denials: generation.template.denials(),
            suspensions: generation.guard.standing().suspensions,
            counters: self.subscription.stats(),
            metrics: generation.template.metrics(),
        }
    }
}
