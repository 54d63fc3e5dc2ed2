//! The handle on a running loader.

use std::sync::Arc;

use plugbus_bus::Bus;
use plugbus_sandbox::Sandbox;
use serde::Serialize;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::config::LoaderConfig;
use crate::engine::{Command, Engine};
use crate::job::Context;
use crate::scan::ScanError;
use crate::slots::Slots;
use crate::stats::{Counters, LoaderStats};
use crate::status::PluginStatus;

/// Commands that may wait for the loader's task; whoever sends one more waits.
const COMMANDS_MAX: usize = 32;

/// Keeps the plugins on the bus equal to what a folder holds. Cheap to clone; when the last clone is dropped, everything
/// ends at once. [`Loader::stop`] ends in an orderly way.
#[derive(Clone)]
pub struct Loader {
    inner: Arc<Inner>,
}

struct Inner {
    context: Arc<Context>,
    commands: mpsc::Sender<Command>,
    task: JoinHandle<()>,
}

/// Why a loader did not start, or did not look at the folder again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoaderError {
    /// The plugins folder cannot be scanned.
    #[error(transparent)]
    Scan(Arc<ScanError>),
    /// A setting that cannot work.
    #[error("loader settings: {0}")]
    Config(&'static str),
    /// The loader has been stopped.
    #[error("the loader has been stopped")]
    Stopped,
}

/// What came of an explicit reload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Reload {
    /// It runs; nothing ran before.
    Loaded {
        /// The number of the generation.
        generation: u64,
    },
    /// A new generation has taken over.
    Swapped {
        /// The number of the old one.
        from: u64,
        /// The number of the new one.
        to: u64,
    },
    /// What the folder holds was refused; the old generation goes on.
    KeptOld {
        /// Its number.
        generation: u64,
        /// The chain of causes.
        cause: String,
    },
    /// What the folder holds was refused, and nothing runs.
    Rejected {
        /// The chain of causes.
        cause: String,
    },
}

/// Why nothing was reloaded, paused or resumed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// No such plugin.
    #[error("there is no plugin `{}`; the plugins folder has no file of that name", name.escape_debug())]
    NotFound {
        /// The name.
        name: String,
    },
    /// The files go on changing.
    #[error("the files of `{name}` go on changing; it is loaded when they have settled")]
    Changing {
        /// The name.
        name: String,
    },
    /// The folder cannot be scanned.
    #[error("{cause}")]
    Scan {
        /// The chain of causes.
        cause: String,
    },
    /// The loader has been stopped.
    #[error("the loader has been stopped")]
    Stopped,
}

impl Loader {
    /// Starts the loader's task. When this returns, the folder has been scanned and every plugin in it runs or is rejected; what
    /// comes later is compiled behind the events ([`Sandbox::step_back`]). Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`LoaderError`] where the folder cannot be scanned. A plugin that is refused is no error: see [`Loader::plugins`].
    pub async fn start(bus: Bus, sandbox: Sandbox, config: LoaderConfig) -> Result<Self, LoaderError> {
        if config.rescan.is_zero() || config.plugins_max == 0 {
            return Err(LoaderError::Config("`rescan` and `plugins_max` must not be zero"));
        }
        let loads = Semaphore::new(config.loads_max.get().min(Semaphore::MAX_PERMITS));
        let context =
            Arc::new(Context { config, bus, sandbox, slots: Slots::default(), counters: Counters::default(), loads });
        let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
        let task = tokio::spawn(Engine::new(context.clone(), receiver).run());
        let loader = Self { inner: Arc::new(Inner { context, commands, task }) };
        loader.rescan().await?;
        loader.inner.context.sandbox.step_back();
        Ok(loader)
    }

    /// Looks at the folder now. When this returns, what it holds has been carried out: new and changed plugins run or are
    /// rejected, and those whose file is missing are unloaded (without the wait that a rescan by itself gives them). What
    /// was refused is tried again, changed or not; the same refusal is not told a second time.
    ///
    /// # Errors
    /// [`LoaderError`] where the folder cannot be scanned; what runs goes on running.
    pub async fn rescan(&self) -> Result<(), LoaderError> {
        let (result, scanned) = oneshot::channel();
        let (done, mut all_done) = mpsc::channel(1);
        self.send(Command::Rescan { result, done }).await.ok_or(LoaderError::Stopped)?;
        scanned.await.map_err(|_| LoaderError::Stopped)?.map_err(LoaderError::Scan)?;
        // Closes when the last job that follows from the scan has dropped its end.
        while all_done.recv().await.is_some() {}
        Ok(())
    }

    /// Loads a plugin anew, even if its files are the same: fresh instances, and a suspension ends. Returns when the new
    /// generation has the events; the old one may still be finishing.
    ///
    /// # Errors
    /// [`ReloadError`] where there is nothing to load. A refusal is no error, see [`Reload`].
    pub async fn reload(&self, name: &str) -> Result<Reload, ReloadError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Reload { name: name.to_owned(), reply };
        self.send(command).await.ok_or(ReloadError::Stopped)?;
        answer.await.map_err(|_| ReloadError::Stopped)?
    }

    /// Every plugin that the folder holds or that still runs, by name.
    #[must_use]
    pub fn plugins(&self) -> Vec<PluginStatus> {
        let table = self.inner.context.slots.lock();
        table.slots.iter().map(|(key, slot)| slot.status(key)).collect()
    }

    /// One plugin.
    #[must_use]
    pub fn plugin(&self, name: &str) -> Option<PluginStatus> {
        let table = self.inner.context.slots.lock();
        table.slots.get(name).map(|slot| slot.status(name))
    }

    /// Delivers no further event to a plugin until [`Loader::resume`]. Events queue up. Outlasts reloads.
    ///
    /// # Errors
    /// Where there is no such plugin.
    pub fn pause(&self, name: &str) -> Result<(), ReloadError> {
        let mut table = self.inner.context.slots.lock();
        let slot = table.slots.get_mut(name).ok_or_else(|| not_found(name))?;
        slot.set_paused(true);
        Ok(())
    }

    /// Ends a pause, and a suspension too.
    ///
    /// # Errors
    /// Where there is no such plugin.
    pub fn resume(&self, name: &str) -> Result<(), ReloadError> {
        let guard = {
            let mut table = self.inner.context.slots.lock();
            let slot = table.slots.get_mut(name).ok_or_else(|| not_found(name))?;
            slot.set_paused(false);
            slot.running.as_ref().map(|running| running.generation.guard.clone())
        };
        // Outside the lock: it tells the world, and whoever listens may ask for status.
        if let Some(guard) = guard {
            guard.lift();
        }
        Ok(())
    }

    /// What the loader has done.
    #[must_use]
    pub fn stats(&self) -> LoaderStats {
        let plugins = self.inner.context.slots.lock().slots.len();
        self.inner.context.counters.snapshot(plugins)
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &LoaderConfig {
        &self.inner.context.config
    }

    /// Ends the watch and every plugin: each finishes what is queued, for at most the grace; what is left then becomes dead
    /// letters. Returns how many handlers were cut off. To settle everything on the bus, shut the bus down first.
    pub async fn stop(&self) -> usize {
        let (reply, answer) = oneshot::channel();
        if self.send(Command::Stop { reply }).await.is_none() {
            return 0;
        }
        // No answer: somebody else has stopped it.
        answer.await.unwrap_or_default()
    }

    async fn send(&self, command: Command) -> Option<()> {
        self.inner.commands.send(command).await.ok()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn not_found(name: &str) -> ReloadError {
    ReloadError::NotFound { name: name.chars().take(100).collect() }
}
