//! The loader's task: one loop, one closed enum of wakes.
//!
//! It looks at the folder, plans, and starts jobs; it never waits for one of them. What bounds it: commands come through a
//! bounded channel whose senders wait; requests for a scan are merged into one ([`OpQueue`]); at most one scan runs, and at
//! most one begins every [`SCAN_GAP`], however many hints come; a slot has at most one job.

mod apply;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::{Id, JoinError, JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::job::{Context, Reply, Token, refuse};
use crate::load::LoadError;
use crate::op_queue::{Merge, OpQueue};
use crate::plan::Judged;
use crate::scan::{Listing, ScanError, scan};
use crate::stats::count;
use crate::watch::Watch;

/// Shortest time from one scan to the next.
const SCAN_GAP: Duration = Duration::from_millis(50);

/// What somebody asks of the loader.
pub(crate) enum Command {
    /// Look at the folder now. A missing file is unloaded without waiting.
    Rescan { result: ScanResult, done: Token },
    /// Load a plugin anew, even if its content is the same.
    Reload { name: String, reply: Reply },
    /// End everything; the answer is the number of handlers that were cut off.
    Stop { reply: oneshot::Sender<usize> },
}

/// Told once, when the folder has been scanned and what follows has been begun.
pub(crate) type ScanResult = oneshot::Sender<Result<(), Arc<ScanError>>>;

/// A scan that has ended, and the watch it took along.
type Scanned = (Result<Listing, ScanError>, Watch);

enum Wake {
    Command(Command),
    Hint,
    ScanDue,
    Scanned(Result<Scanned, JoinError>),
    JobEnded(Id, Option<JoinError>),
    Abandoned,
}

/// One scan, for all the reasons there are.
#[derive(Default)]
struct ScanRequest {
    causes: BTreeSet<&'static str>,
    /// Unload what is missing without waiting.
    at_once: bool,
    reloads: BTreeMap<String, Vec<Reply>>,
    results: Vec<ScanResult>,
    tokens: Vec<Token>,
}

/// The state of the loader's task.
pub(crate) struct Engine {
    context: Arc<Context>,
    commands: mpsc::Receiver<Command>,
    hints: Arc<Notify>,
    watch: Option<Watch>,
    scans: OpQueue<ScanRequest>,
    scan: Option<(JoinHandle<Scanned>, ScanRequest)>,
    scan_began: Option<Instant>,
    /// What was logged of the last scan, so that it is logged once.
    scan_problem: Option<String>,
    orphans: BTreeSet<String>,
    jobs: JoinSet<()>,
    /// The slot of each job, and how its files are judged if the job is lost.
    job_slots: HashMap<Id, (String, Option<Judged>)>,
    /// Who waits for a slot whose job is to end first.
    later: BTreeMap<String, Later>,
}

/// Who waits for a slot whose job is to end first, and how.
#[derive(Default)]
struct Later {
    replies: Vec<Reply>,
    tokens: Vec<Token>,
    at_once: bool,
}

impl Engine {
    pub(crate) fn new(context: Arc<Context>, commands: mpsc::Receiver<Command>) -> Self {
        let hints = Arc::new(Notify::new());
        Self {
            watch: Some(Watch::new(&context.config.dir, hints.clone())),
            context,
            commands,
            hints,
            scans: OpQueue::new(),
            scan: None,
            scan_began: None,
            scan_problem: None,
            orphans: BTreeSet::new(),
            jobs: JoinSet::new(),
            job_slots: HashMap::new(),
            later: BTreeMap::new(),
        }
    }

    /// Runs until somebody stops it, or nobody is left who could.
    pub(crate) async fn run(mut self) {
        let reply = loop {
            match self.next_wake().await {
                Wake::Command(Command::Stop { reply }) => break Some(reply),
                Wake::Abandoned => break None,
                Wake::Command(Command::Rescan { result, done }) => {
                    let (results, tokens) = (vec![result], vec![done]);
                    self.request(ScanRequest { at_once: true, results, tokens, ..because("command") });
                }
                Wake::Command(Command::Reload { name, reply }) => {
                    let reloads = [(name, vec![reply])].into();
                    self.request(ScanRequest { reloads, ..because("command") });
                }
                Wake::Hint => {
                    count(&self.context.counters.hints);
                    self.request(because("hint"));
                }
                Wake::ScanDue => self.begin_scan(),
                Wake::Scanned(scanned) => self.end_scan(scanned),
                Wake::JobEnded(id, error) => self.end_job(id, error),
            }
        };
        let cut_off = self.stop().await;
        if let Some(reply) = reply {
            // Whoever asked may have gone.
            let _ = reply.send(cut_off);
        }
    }

    async fn next_wake(&mut self) -> Wake {
        let scan_at = self.scan_at();
        let scanned = async {
            match &mut self.scan {
                Some((task, _)) => task.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            command = self.commands.recv() => command.map_or(Wake::Abandoned, Wake::Command),
            () = self.hints.notified() => Wake::Hint,
            scanned = scanned => Wake::Scanned(scanned),
            Some(ended) = self.jobs.join_next_with_id() => match ended {
                Ok((id, ())) => Wake::JobEnded(id, None),
                Err(error) => Wake::JobEnded(error.id(), Some(error)),
            },
            () = sleep_until(scan_at) => Wake::ScanDue,
        }
    }

    fn request(&mut self, request: ScanRequest) {
        self.scans.request(request);
    }

    /// When the next scan is to begin: soon if it was asked for, else when the rescan is due or a missing file has been
    /// missing for long enough.
    fn scan_at(&self) -> Option<Instant> {
        if self.scan.is_some() {
            return None;
        }
        // The first scan is the one that `Loader::start` asks for.
        let Some(began) = self.scan_began else { return self.scans.is_due().then(Instant::now) };
        if self.scans.is_due() {
            return Some(began + SCAN_GAP);
        }
        let config = &self.context.config;
        let table = self.context.slots.lock();
        let lingering = table.slots.values().filter(|slot| slot.running.is_some() && !slot.busy);
        let unload_at = lingering.filter_map(|slot| slot.absent_since).min().map(|since| since + config.unload_grace);
        let rescan_at = began + config.rescan;
        Some(unload_at.map_or(rescan_at, |at| at.min(rescan_at)).max(began + SCAN_GAP))
    }

    fn begin_scan(&mut self) {
        if !self.scans.is_due() {
            self.request(because("rescan"));
        }
        let Some(request) = self.scans.begin() else { return };
        tracing::trace!(causes = ?request.causes, "scan");
        count(&self.context.counters.scans);
        self.scan_began = Some(Instant::now());
        let dir = self.context.config.dir.clone();
        let watch = self.watch.take();
        let mut watch = watch.unwrap_or_else(|| Watch::new(&dir, self.hints.clone()));
        let task = tokio::task::spawn_blocking(move || {
            watch.rearm();
            (scan(&dir), watch)
        });
        self.scan = Some((task, request));
    }

    fn end_scan(&mut self, scanned: Result<Scanned, JoinError>) {
        let Some((_, request)) = self.scan.take() else { return };
        self.scans.end();
        match scanned {
            Ok((listing, watch)) => {
                self.context.counters.watches.store(watch.armed_count(), Relaxed);
                self.context.counters.watching.store(watch.is_armed(), Relaxed);
                self.watch = Some(watch);
                self.apply(listing, request);
            }
            // A panic in the scan, a bug: the next one begins with a new watch, and whoever waits tries again.
            Err(error) => {
                tracing::error!(%error, "the scan of the plugins folder was lost");
                self.request(request);
            }
        }
    }

    fn end_job(&mut self, id: Id, error: Option<JoinError>) {
        let Some((key, judged)) = self.job_slots.remove(&id) else { return };
        if let (Some(error), Some(judged)) = (error, judged) {
            refuse(&self.context, &key, &LoadError::CutOff(error), Some(judged), None);
        }
        let again = {
            let mut table = self.context.slots.lock();
            table.slots.get_mut(&key).is_some_and(|slot| {
                slot.busy = false;
                std::mem::take(&mut slot.changing)
            })
        };
        if let Some(Later { replies, tokens, at_once }) = self.later.remove(&key) {
            let reloads = if replies.is_empty() { BTreeMap::new() } else { [(key, replies)].into() };
            self.request(ScanRequest { reloads, tokens, at_once, ..because("job ended") });
        } else if again {
            self.request(because("files were changing"));
        }
    }

    /// Ends the watch and the jobs, then all plugins, each within the grace.
    async fn stop(mut self) -> usize {
        self.commands.close();
        self.watch = None;
        self.context.loads.close();
        self.jobs.shutdown().await;
        let running: Vec<_> = {
            let mut table = self.context.slots.lock();
            std::mem::take(&mut table.slots).into_values().filter_map(|slot| slot.running).collect()
        };
        let grace = self.context.config.drain_grace;
        let mut draining = JoinSet::new();
        for running in running {
            running.generation.guard.retire();
            draining.spawn(async move { running.subscription.drain(grace).await });
        }
        draining.join_all().await.into_iter().sum()
    }
}

fn because(cause: &'static str) -> ScanRequest {
    ScanRequest { causes: [cause].into(), ..ScanRequest::default() }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

impl Merge for ScanRequest {
    fn merge(&mut self, later: Self) {
        self.causes.extend(later.causes);
        self.at_once |= later.at_once;
        for (name, replies) in later.reloads {
            self.reloads.entry(name).or_default().extend(replies);
        }
        self.results.extend(later.results);
        self.tokens.extend(later.tokens);
    }
}
