//! Carries out what the plan says about a listing of the folder.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Engine, ScanRequest};
use crate::job::{self, Order, Token, answer};
use crate::load::LoadError;
use crate::loader::ReloadError;
use crate::name::PluginName;
use crate::plan::{Judged, Rules, Step, plan};
use crate::scan::{Files, Listing, ScanError, Unusable};
use crate::stats::count;
use crate::status::chain;

impl Engine {
    pub(super) fn apply(&mut self, listing: Result<Listing, ScanError>, mut request: ScanRequest) {
        let listing = match listing {
            Ok(listing) => listing,
            Err(error) => return self.scan_failed(error, request),
        };
        if self.scan_problem.take().is_some() {
            tracing::info!(dir = %self.context.config.dir.display(), "the plugins folder can be read again");
        }
        self.name_orphans(&listing);
        for step in self.plan(&listing, &request) {
            self.carry_out(step, &mut request);
        }
        // Whoever is left asked for a plugin that the folder does not hold.
        for (name, replies) in request.reloads {
            answer(replies, || Err(ReloadError::NotFound { name: name.clone() }));
        }
        for result in request.results {
            // Whoever asked may have gone.
            let _ = result.send(Ok(()));
        }
    }

    /// What runs goes on running: a folder that is gone for a moment must not take the plugins with it.
    fn scan_failed(&mut self, error: ScanError, request: ScanRequest) {
        count(&self.context.counters.scans_failed);
        let problem = chain(&error);
        if self.scan_problem.as_ref() != Some(&problem) {
            tracing::error!(problem, "the plugins folder cannot be scanned; what runs goes on running");
        }
        let error = Arc::new(error);
        for replies in request.reloads.into_values() {
            answer(replies, || Err(ReloadError::Scan { cause: problem.clone() }));
        }
        for result in request.results {
            // Whoever asked may have gone.
            let _ = result.send(Err(error.clone()));
        }
        self.scan_problem = Some(problem);
    }

    /// A manifest without a component is most often a misspelt name.
    fn name_orphans(&mut self, listing: &Listing) {
        let orphans: BTreeSet<String> = listing.orphans.iter().cloned().collect();
        for name in orphans.difference(&self.orphans) {
            tracing::warn!(
                manifest = format!("{name}.toml"),
                "this manifest has no component of the same name beside it"
            );
        }
        self.orphans = orphans;
    }

    fn plan(&self, listing: &Listing, request: &ScanRequest) -> Vec<Step> {
        let config = &self.context.config;
        let now = Instant::now();
        let mut table = self.context.slots.lock();
        for (key, slot) in &mut table.slots {
            let present = listing.entries.contains_key(key);
            slot.absent_since = if present { None } else { slot.absent_since.or(Some(now)) };
        }
        if request.at_once {
            table.judge_refused_again();
        }
        let mut known = table.known(now);
        for name in request.reloads.keys() {
            if let Some(slot) = known.get_mut(name) {
                slot.judged = None;
            }
        }
        let unload_grace = if request.at_once { Duration::ZERO } else { config.unload_grace };
        plan(&known, &listing.entries, Rules { plugins_max: config.plugins_max, unload_grace })
    }

    fn carry_out(&mut self, step: Step, request: &mut ScanRequest) {
        match step {
            Step::Keep(_) => {}
            // A lingering plugin goes on running, but it cannot be reloaded: its reply is "not found".
            Step::Linger(_) => {}
            Step::Load(name, files) | Step::Swap(name, files) => self.begin_load(name, files, request),
            Step::Unload(key) => self.begin_unload(key, request.tokens.clone()),
            Step::Forget(key) => {
                self.context.slots.lock().remove(&key);
            }
            Step::Reject(key, why) => self.reject(&key, why, request),
            Step::Later(key) => {
                let later = self.later.entry(key.clone()).or_default();
                later.replies.extend(request.reloads.remove(&key).unwrap_or_default());
                later.tokens.extend(request.tokens.iter().cloned());
                later.at_once |= request.at_once;
            }
        }
    }

    fn begin_load(&mut self, name: PluginName, files: Files, request: &mut ScanRequest) {
        let key = name.to_string();
        self.context.slots.lock().slot(&key).busy = true;
        let replies = request.reloads.remove(&key).unwrap_or_default();
        let order = Order { name, files, replies, tokens: request.tokens.clone() };
        let job = self.jobs.spawn(job::load(self.context.clone(), order));
        self.job_slots.insert(job.id(), (key, Some(Judged::Files(files))));
    }

    fn begin_unload(&mut self, key: String, tokens: Vec<Token>) {
        self.context.slots.lock().slot(&key).busy = true;
        let job = self.jobs.spawn(job::unload(self.context.clone(), key.clone(), tokens));
        self.job_slots.insert(job.id(), (key, None));
    }

    fn reject(&self, key: &str, why: Unusable, request: &mut ScanRequest) {
        let error = LoadError::Unusable(why.clone());
        let reload = job::refuse(&self.context, key, &error, Some(Judged::Unusable(why)), None);
        answer(request.reloads.remove(key).unwrap_or_default(), || Ok(reload.clone()));
    }
}
