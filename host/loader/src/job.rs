//! What is done for one slot: load it, or unload it. One job for a slot at a time; jobs of different slots side by side.
//!
//! What bounds them: a slot has at most one, and [`LoaderConfig::loads_max`] of all are between reading and `init` at one
//! time. Waiting for files to settle and for the old generation to finish take no place there, so neither a file that goes
//! on changing nor a handler that hangs holds up another plugin.

mod install;

use std::sync::Arc;

use plugbus_bus::Bus;
use plugbus_sandbox::Sandbox;
use tokio::sync::{Semaphore, mpsc, oneshot};

use self::install::{New, install};
use crate::capture::{self, CaptureError, Identity, Settled};
use crate::config::LoaderConfig;
use crate::host_events;
use crate::load::{self, LoadError};
use crate::loader::{Reload, ReloadError};
use crate::name::PluginName;
use crate::plan::Judged;
use crate::scan::Files;
use crate::slots::Slots;
use crate::stats::{Counters, count};
use crate::status::Rejection;

/// Whoever waits for a scan to be carried out holds the other end; it closes when the last of these is dropped.
pub(crate) type Token = mpsc::Sender<()>;
/// Whoever waits for one reload holds the other end.
pub(crate) type Reply = oneshot::Sender<Result<Reload, ReloadError>>;

/// What all jobs share.
pub(crate) struct Context {
    pub(crate) config: LoaderConfig,
    pub(crate) bus: Bus,
    pub(crate) sandbox: Sandbox,
    pub(crate) slots: Slots,
    pub(crate) counters: Counters,
    pub(crate) loads: Semaphore,
}

/// One load to be done.
pub(crate) struct Order {
    pub(crate) name: PluginName,
    /// The state of the files that the plan saw.
    pub(crate) files: Files,
    /// Who waits for it. If somebody asked for this reload by name, it is done even if the content is the same.
    pub(crate) replies: Vec<Reply>,
    pub(crate) tokens: Vec<Token>,
}

/// What came of a load, when it did not fail.
enum Done {
    /// The new generation has taken over; the old one, if any, has ended.
    Installed,
    /// What was found is what was judged before.
    Same(Files),
    /// The component has gone.
    Gone,
    /// The files go on changing.
    Changing,
}

/// A load that failed: why, and of what.
struct Refused {
    error: LoadError,
    /// `None`: to be tried again at the next rescan.
    judged: Option<Judged>,
    sha256: Option<Identity>,
}

/// Loads a slot.
pub(crate) async fn load(context: Arc<Context>, mut order: Order) {
    let done = attempt(&context, &mut order).await;
    let key = order.name.as_str();
    match done {
        Ok(Done::Installed) => {}
        Ok(Done::Same(files)) => {
            let mut table = context.slots.lock();
            let slot = table.slot(key);
            slot.judged = Some(Judged::Files(files));
            count(&context.counters.unchanged);
        }
        Ok(Done::Gone) => {
            not_judged(&context, key);
            answer(order.replies, || Err(ReloadError::NotFound { name: key.to_owned() }));
        }
        Ok(Done::Changing) => {
            not_judged(&context, key);
            answer(order.replies, || Err(ReloadError::Changing { name: key.to_owned() }));
        }
        Err(refused) => {
            let reload = refuse(&context, key, &refused.error, refused.judged, refused.sha256);
            answer(order.replies, || Ok(reload.clone()));
        }
    }
}

/// The files are not what they were planned to be: they are to be looked at again soon.
fn not_judged(context: &Context, key: &str) {
    let mut table = context.slots.lock();
    let slot = table.slot(key);
    slot.judged = None;
    slot.changing = true;
}

/// Records and reports that what the folder holds was refused. The same refusal twice in a row is reported once.
pub(crate) fn refuse(
    context: &Context,
    key: &str,
    error: &LoadError,
    judged: Option<Judged>,
    sha256: Option<Identity>,
) -> Reload {
    let rejection = Rejection::of(error, sha256);
    let (running, is_news) = {
        let mut table = context.slots.lock();
        let slot = table.slot(key);
        slot.judged = judged;
        slot.refused = sha256;
        let is_news = slot.rejection.as_ref().is_none_or(|before| !before.is_same(&rejection));
        slot.rejection = Some(rejection.clone());
        (slot.about().cloned(), is_news)
    };
    if is_news {
        count(&context.counters.rejected);
        host_events::rejected(&context.bus, key, running.as_ref(), &rejection);
    }
    match running {
        Some(about) => Reload::KeptOld { generation: about.generation, cause: rejection.cause },
        None => Reload::Rejected { cause: rejection.cause },
    }
}

/// Unloads a slot: its generation finishes what is queued, for as long as the grace allows; the rest becomes dead letters.
pub(crate) async fn unload(context: Arc<Context>, key: String, _tokens: Vec<Token>) {
    let control = {
        let mut table = context.slots.lock();
        let slot = table.slot(&key);
        if let Some(running) = &mut slot.running {
            running.ticker = None;
        }
        slot.control()
    };
    let cut_off = match control {
        Some(control) => control.drain(context.config.drain_grace).await,
        None => 0,
    };
    let removed = context.slots.lock().remove(&key).and_then(|slot| slot.running);
    if let Some(running) = removed {
        running.generation.guard.retire();
        count(&context.counters.unloaded);
        host_events::unloaded(&context.bus, &running.generation.about, cut_off);
    }
}

pub(crate) fn answer(replies: Vec<Reply>, with: impl Fn() -> Result<Reload, ReloadError>) {
    for reply in replies {
        // Whoever asked may have gone; then nobody needs the answer.
        let _ = reply.send(with());
    }
}

async fn attempt(context: &Arc<Context>, order: &mut Order) -> Result<Done, Refused> {
    let config = &context.config;
    let files = match capture::settled(&config.dir, &order.name, config.settle).await {
        Ok(Settled::Files(files)) => files,
        Ok(Settled::Gone) => return Ok(Done::Gone),
        Ok(Settled::Changing) => return Ok(Done::Changing),
        Err(error) => return Err(unreadable(error, order.files)),
    };
    // Closed only when the loader has stopped; then nobody waits for this job any more.
    let Ok(permit) = context.loads.acquire().await else { return Ok(Done::Changing) };
    let capture = match capture::read(&config.dir, &order.name, files, config.wasm_bytes_max).await {
        Ok(Some(capture)) => capture,
        Ok(None) => return Ok(Done::Changing),
        Err(error) => return Err(unreadable(error, files)),
    };
    let (same, compiled) = {
        let mut table = context.slots.lock();
        let slot = table.slot(order.name.as_str());
        let runs = slot.about().is_some_and(|about| about.sha256 == capture.identity) && slot.control().is_some();
        if runs && order.replies.is_empty() {
            // The folder holds again what runs: a refusal in between is history.
            slot.rejection = None;
            slot.refused = None;
        }
        let generation = slot.running.as_ref().map(|running| &running.generation);
        let compiled = generation.map(|old| (old.wasm_sha256, old.component.clone()));
        (runs || slot.refused == Some(capture.identity), compiled)
    };
    if same && order.replies.is_empty() {
        return Ok(Done::Same(files));
    }
    let (sha256, wasm_sha256) = (capture.identity, capture.wasm_sha256);
    let refused = |error| Refused { error, judged: Some(Judged::Files(files)), sha256: Some(sha256) };
    let loaded = load::load(&context.sandbox, config, &order.name, capture, compiled).await.map_err(refused)?;
    drop(permit);
    let new = New { loaded, sha256, wasm_sha256, files };
    install(context, order, new).await.map_err(refused)?;
    Ok(Done::Installed)
}

fn unreadable(error: CaptureError, files: Files) -> Refused {
    let judged = match &error {
        CaptureError::Unusable(why) => Some(Judged::Unusable(why.clone())),
        CaptureError::TooLarge { .. } => Some(Judged::Files(files)),
        // The cause may pass without a change to the files: no descriptors left, a failing disk.
        CaptureError::Read { .. } | CaptureError::CutOff(_) => None,
    };
    Refused { error: error.into(), judged, sha256: None }
}
