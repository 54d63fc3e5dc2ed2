//! `plugbus dev`: builds a project, runs it in a host of its own, and builds and swaps again whenever the source changes.
//!
//! One loop over one closed enum. Bounds: what the host has to tell waits in a channel of [`TOLD_MAX`] (more is counted as
//! missed, and the bus never waits for it); a build is one at a time, and changes meanwhile are one more build.
//! The host keeps no journal and lives in the project's `.plugbus/dev`.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use plugbus::bus::{DeadReason, Event, Settlement, SubscribeError, Subscription};
use plugbus::loader::LoaderError;
use plugbus::report::chain;
use plugbus::sandbox::{LogLevel, LogLine, LogSink};
use plugbus::{Host, HostError};
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::build::{self, BuildError, Built, build};
use crate::project::Project;
use crate::samples::{self, Expected, Sample, SampleError};
use crate::stamps::Stamps;

/// How often the source is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// Things to tell that may wait.
const TOLD_MAX: usize = 4096;
/// Time for a sample to be settled.
const SAMPLE_TIME: Duration = Duration::from_secs(30);
/// Time for the plugin to finish what it holds at the end.
const GRACE: Duration = Duration::from_secs(2);

/// What to run.
#[derive(Debug, Clone)]
pub struct Dev {
    /// The project.
    pub project: Project,
    /// Whether to send the samples each time the plugin was loaded.
    pub samples: bool,
    /// The socket of the host [default: `.plugbus/dev/plugbus.sock` in the project].
    pub socket: Option<PathBuf>,
}

/// What has happened, in the order of happening.
#[derive(Debug)]
#[non_exhaustive]
pub enum Happened {
    /// The host runs; others reach it here.
    Started {
        /// Its socket.
        socket: PathBuf,
    },
    /// A file was changed.
    Changed {
        /// The first one that differs.
        path: PathBuf,
    },
    /// Something is being done.
    Doing(String),
    /// It was built, and is being loaded.
    Built(Built),
    /// It was not built; what ran before goes on.
    NotBuilt(BuildError),
    /// An event passed the bus: the plugin's own, those of others, and the host's.
    Event(Arc<Event>),
    /// The plugin wrote to its log.
    Log {
        /// How important.
        level: LogLevel,
        /// The part of the plugin.
        context: String,
        /// The text.
        message: String,
    },
    /// What became of a sample.
    Sample {
        /// Its file.
        path: PathBuf,
        /// `acked`, `dead` or another word of [`Settlement`]; why, where it was not acked.
        outcome: String,
        /// Whether that was expected.
        expected: bool,
    },
    /// The samples cannot be sent.
    NoSamples(SampleError),
    /// So many things were not told: they came faster than they were taken.
    Missed(u64),
}

/// Why there is no live host.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// A folder or file of its own cannot be used.
    #[error("cannot use {}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The host did not start.
    #[error("cannot start the host")]
    Host(#[from] HostError),
    /// The bus cannot be watched.
    #[error("cannot watch the bus")]
    Watch(#[from] SubscribeError),
    /// The plugins folder cannot be looked through.
    #[error("cannot load the plugin")]
    Load(#[from] LoaderError),
    /// The build was cut off.
    #[error("the build was cut off")]
    CutOff(#[from] tokio::task::JoinError),
}

/// What the loop wakes for.
enum Wake {
    Told(Happened),
    Look,
    Stop,
}

/// Runs until `stop` resolves. Must be called within a multi-threaded tokio runtime. `tell` hears everything; it is called
/// from one task and may block shortly.
///
/// # Errors
/// [`DevError`] where the host cannot run. A build that fails, or a plugin that is refused, is told and waited out.
pub async fn dev(
    what: Dev,
    stop: impl Future<Output = ()>,
    tell: &mut (dyn FnMut(Happened) + Send),
) -> Result<(), DevError> {
    let Dev { project, samples, socket } = what;
    let (live, mut told) = Live::start(&project, socket).await?;
    if let Some(socket) = live.host.socket() {
        tell(Happened::Started { socket: socket.to_owned() });
    }
    let result = live.follow(&project, samples, stop, &mut told, tell).await;
    live.host.shutdown(GRACE).await;
    result
}

/// The host and what it has to tell.
struct Live {
    host: Host,
    missed: Arc<AtomicU64>,
    plugins: PathBuf,
    _watch: Subscription,
}

impl Live {
    async fn start(project: &Project, socket: Option<PathBuf>) -> Result<(Self, Receiver<Happened>), DevError> {
        let own = project.own().join("dev");
        let plugins = own.join("plugins");
        // What an earlier run left there may be another version, under another name.
        let remade = match fs::remove_dir_all(&plugins) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => fs::create_dir_all(&plugins),
        };
        remade.map_err(|source| DevError::Folder { path: plugins.clone(), source })?;
        let (tell, told) = mpsc::channel(TOLD_MAX);
        let missed = Arc::<AtomicU64>::default();
        let log = Arc::new(Teller { tell: tell.clone(), missed: missed.clone() });
        let host = Host::builder()
            .data_dir(&own)
            .journal(false)
            .plugins_dir(&plugins)
            .socket(socket.unwrap_or_else(|| own.join("plugbus.sock")))
            .plugin_log(log.clone())
            .start()
            .await?;
        let watch = host.bus().subscribe([">", "plugbus.>"]).name("dev").observe(move |event| {
            log.tell(Happened::Event(event.clone()));
        })?;
        Ok((Self { host, missed, plugins, _watch: watch }, told))
    }

    async fn follow(
        &self,
        project: &Project,
        samples: bool,
        stop: impl Future<Output = ()>,
        told: &mut Receiver<Happened>,
        tell: &mut (dyn FnMut(Happened) + Send),
    ) -> Result<(), DevError> {
        let mut stop = std::pin::pin!(stop);
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut source = Source::new(project);
        loop {
            let wake = tokio::select! {
                biased;
                () = &mut stop => Wake::Stop,
                Some(happened) = told.recv() => Wake::Told(happened),
                _ = looks.tick() => Wake::Look,
            };
            match wake {
                Wake::Stop => return Ok(()),
                Wake::Told(happened) => {
                    tell(happened);
                    self.tell_waiting(told, tell);
                }
                Wake::Look => {
                    let Some(change) = source.change(look(&source).await?) else { continue };
                    if let Some(path) = change {
                        tell(Happened::Changed { path });
                    }
                    let round = self.round(project, samples, told, tell);
                    tokio::select! {
                        () = &mut stop => return Ok(()),
                        done = round => done?,
                    }
                    source.built(look(&source).await?);
                }
            }
        }
    }

    /// Tells what the host has told so far.
    fn tell_waiting(&self, told: &mut Receiver<Happened>, tell: &mut (dyn FnMut(Happened) + Send)) {
        for _ in 0..TOLD_MAX {
            match told.try_recv() {
                Ok(happened) => tell(happened),
                Err(_) => break,
            }
        }
        match self.missed.swap(0, Relaxed) {
            0 => {}
            count => tell(Happened::Missed(count)),
        }
    }

    /// Builds, loads, and sends the samples.
    async fn round(
        &self,
        project: &Project,
        with_samples: bool,
        told: &mut Receiver<Happened>,
        tell: &mut (dyn FnMut(Happened) + Send),
    ) -> Result<(), DevError> {
        let (said, mut saying) = mpsc::channel(64);
        let building = {
            let project = project.clone();
            tokio::task::spawn_blocking(move || build(&project, &mut |text| drop(said.blocking_send(text.to_owned()))))
        };
        while let Some(text) = saying.recv().await {
            tell(Happened::Doing(text));
        }
        match building.await? {
            Err(error) => tell(Happened::NotBuilt(error)),
            Ok(built) => {
                tell(Happened::Built(built));
                self.load(project).await?;
                self.tell_waiting(told, tell);
                if with_samples {
                    match samples::read(&project.dir) {
                        Ok(samples) => self.send(&samples, told, tell).await,
                        Err(error) => tell(Happened::NoSamples(error)),
                    }
                }
            }
        }
        Ok(())
    }

    /// Puts component and manifest into the plugins folder, and waits until they are looked at.
    async fn load(&self, project: &Project) -> Result<(), DevError> {
        let (wasm, manifest) = (project.wasm(), project.manifest());
        let place = |file: &Path| self.plugins.join(file.file_name().unwrap_or_default());
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| DevError::Folder { path, source }
        };
        // The manifest first: with the component alone the plugin would be looked at without its grants.
        match build::replace(&manifest, &place(&manifest)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::remove_file(place(&manifest)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&manifest)(error)),
                _ => {}
            },
            done => done.map_err(at(&manifest))?,
        }
        build::replace(&wasm, &place(&wasm)).map_err(at(&wasm))?;
        match self.host.loader() {
            Some(loader) => Ok(loader.rescan().await?),
            None => Ok(()),
        }
    }

    async fn send(&self, samples: &[Sample], told: &mut Receiver<Happened>, tell: &mut (dyn FnMut(Happened) + Send)) {
        for Sample { path, event, expected } in samples {
            // A sample is sent again and again: its id must be another each time, or it would be taken for a repetition.
            let mut draft = event.clone();
            draft.id = None;
            let (outcome, expected) = match self.host.bus().publish_and_wait(draft, SAMPLE_TIME).await {
                Ok(settled) => outcome(&settled.results, *expected),
                Err(error) => (format!("not published: {}", chain(&error)), false),
            };
            self.tell_waiting(told, tell);
            tell(Happened::Sample { path: path.clone(), outcome, expected });
        }
    }
}

/// What became of a sample at the plugin. Pure.
fn outcome(results: &[(plugbus::bus::Name, Settlement)], expected: Expected) -> (String, bool) {
    let ours = results.iter().find(|(name, _)| name.as_str().starts_with("plugin/"));
    match ours {
        None => ("no filter of the plugin matches its topic, or it does not run".into(), false),
        Some((_, Settlement::Acked(_))) => ("acked".into(), expected == Expected::Acked),
        Some((_, Settlement::Dead(reason))) => {
            let refused = match reason {
                DeadReason::Rejected(_) => true,
                // It was the plugin that asked for it, each time; a fault is never what a sample is for.
                DeadReason::Exhausted { last, .. } => last.fault().is_none(),
                _ => false,
            };
            (chain(reason), refused && expected == Expected::Refused)
        }
        Some((_, other)) => (other.name().to_owned(), false),
    }
}

async fn look(source: &Source) -> Result<Stamps, DevError> {
    let (dir, except) = (source.dir.clone(), source.products.clone());
    Ok(tokio::task::spawn_blocking(move || Stamps::of(&dir, &except)).await?)
}

/// What the source was when it was built last. No I/O.
struct Source {
    dir: PathBuf,
    /// What builds write: no source.
    products: Vec<PathBuf>,
    seen: Option<Stamps>,
    /// What changed in the time of the last build.
    in_build: BTreeSet<PathBuf>,
}

impl Source {
    fn new(project: &Project) -> Self {
        let own = project.output.iter().map(|path| project.dir.join(path));
        let products = std::iter::once(project.wasm()).chain(own).collect();
        Self { dir: project.dir.clone(), products, seen: None, in_build: BTreeSet::new() }
    }

    /// Whether a build is due, and because of which file; none for the first one.
    fn change(&mut self, now: Stamps) -> Option<Option<PathBuf>> {
        let change = match &self.seen {
            None => None,
            Some(seen) => Some(seen.changes(&now).into_iter().find(|path| !self.products.contains(path))?),
        };
        self.seen = Some(now);
        Some(change)
    }

    /// A file that changes in the time of two builds in a row is taken for something that builds write: or they would never
    /// end. One that changes in the time of a single one may be the author's.
    fn built(&mut self, now: Stamps) {
        let in_build = self.seen.as_ref().map(|seen| seen.changes(&now)).unwrap_or_default();
        self.products.extend(in_build.intersection(&self.in_build).cloned());
        self.in_build = in_build;
    }
}

/// Tells without waiting.
struct Teller {
    tell: Sender<Happened>,
    missed: Arc<AtomicU64>,
}

impl Teller {
    fn tell(&self, happened: Happened) {
        if self.tell.try_send(happened).is_err() {
            self.missed.fetch_add(1, Relaxed);
        }
    }
}

impl LogSink for Teller {
    fn log(&self, line: &LogLine<'_>) {
        self.tell(Happened::Log { level: line.level, context: line.context.into(), message: line.message.into() });
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("plugins", &self.plugins).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_build_writes_is_no_change_and_what_the_author_writes_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let write = |name: &str, text: &str| fs::write(at(name), text).unwrap();
        let language = crate::Language::C;
        let project = Project { dir: dir.path().into(), name: "p".into(), language, command: None, output: None };
        let mut source = Source::new(&project);
        let look = |source: &Source| Stamps::of(&source.dir, &source.products);
        write("a.c", "1");
        assert_eq!(source.change(look(&source)), Some(None));
        for log in ["1", "22"] {
            // Each build writes its log; the author saves in the time of the first one.
            write("build.log", log);
            if log == "1" {
                write("a.c", "12");
            }
            source.built(look(&source));
            let due = source.change(look(&source));
            assert_eq!(due.is_some(), log == "1", "{due:?}");
        }
        write("a.c", "123");
        assert_eq!(source.change(look(&source)), Some(Some(at("a.c"))));
    }
}
