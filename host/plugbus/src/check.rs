//! One component, one event, no daemon: what would it do? For `plugbus check` and for tests of plugins.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use plugbus_bus::{
    Delivery, Draft, EventLimits, Fault, Filter, Handler, InvalidEvent, Name, NameError, Notes, Outbox, State,
};
use plugbus_loader::manifest::{Manifest, ManifestError};
use plugbus_sandbox::{
    CompileError, Contract, LinkError, Sandbox, SandboxConfig, SandboxError, SandboxHandler, StartError,
};

mod report;

pub use report::{CheckReport, LogEntry, StoreChange};

pub(crate) use report::Collected;

/// What to run.
#[derive(Debug, Clone)]
pub struct Check {
    /// The component.
    pub wasm: PathBuf,
    /// Its manifest; `<name>.toml` beside the component when absent, if there is one.
    pub manifest: Option<PathBuf>,
    /// The event.
    pub event: Draft,
    /// Folder of the compile cache, see [`SandboxConfig::cache_dir`]. None: the component is compiled each time.
    pub cache_dir: Option<PathBuf>,
}

/// Why the component was not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The manifest is wrong.
    #[error("manifest")]
    Manifest(#[from] ManifestError),
    /// The event is not acceptable.
    #[error("event not acceptable")]
    Event(#[from] InvalidEvent),
    /// The engine cannot be made.
    #[error("cannot make the sandbox")]
    Sandbox(#[from] SandboxError),
    /// The file is no component.
    #[error("{} is no plugin", path.display())]
    NoComponent {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        source: CompileError,
    },
    /// The file is no component of the plugin world.
    #[error("cannot compile {}", path.display())]
    Compile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: CompileError,
    },
    /// A grant is missing or cannot be given.
    #[error("cannot link {} with its manifest", path.display())]
    Link {
        /// The file.
        path: PathBuf,
        /// Why.
        source: LinkError,
    },
    /// Instantiation or `init` failed.
    #[error("cannot start {}", path.display())]
    Start {
        /// The file.
        path: PathBuf,
        /// Why.
        source: StartError,
    },
    /// Nobody says which events it wants.
    #[error("{} registers no filters and its manifest has none; {} `filters = [\"…\"]` into {}", path.display(), contract.how_to_have_filters(), path.with_extension("toml").display())]
    NoFilters {
        /// The component.
        path: PathBuf,
        /// What it follows, which has a function to register some or has not.
        contract: Contract,
    },
    /// A host task ended before its time.
    #[error("the check was cut off")]
    CutOff(#[from] tokio::task::JoinError),
    /// The file's name is none for a plugin.
    #[error("the name of the file")]
    Name(#[from] NameError),
    /// What the component made has no JSON form.
    #[error("cannot show the result")]
    Show(#[from] serde_json::Error),
}

impl CheckError {
    /// The fault in `init`, if that is what it was: its backtrace is worth showing.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Start { source: StartError::Fault(fault), .. } => Some(fault),
            _ => None,
        }
    }
}

/// Runs the component once. Must be called within a tokio runtime.
///
/// # Errors
/// [`CheckError`] where the component did not get as far as the event. What it makes of the event is in the report.
pub async fn run(check: Check) -> Result<CheckReport, CheckError> {
    let Check { wasm, manifest, event, cache_dir } = check;
    EventLimits::default().check(&event)?;
    Checker::start(&wasm, manifest, cache_dir).await?.event(event).await
}

/// A component that has started, to be given one event after the other, as a daemon would with a single instance.
pub struct Checker {
    name: String,
    filters: Vec<Filter>,
    manifest: Manifest,
    handler: SandboxHandler,
    log: Arc<Collected>,
    /// Events so far; numbers them.
    events: u64,
}

impl Checker {
    /// Compiles, links and starts a component. `manifest` is `<name>.toml` beside it when absent, if there is one; `cache_dir` is
    /// the folder of the compile cache, if any. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`CheckError`] says what keeps a daemon from loading it; [`CheckError::Sandbox`], that there is no engine, because the cache
    /// cannot be used for instance.
    pub async fn start(wasm: &Path, manifest: Option<PathBuf>, cache_dir: Option<PathBuf>) -> Result<Self, CheckError> {
        let name = wasm.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (manifest, _) = read_manifest(wasm, manifest)?;
        let log = Arc::new(Collected::default());
        let handler = start(wasm, &name, &manifest, log.clone(), cache_dir).await?;
        let filters = filters(wasm, &manifest, &handler)?;
        Ok(Self { name, filters, manifest, handler, log, events: 0 })
    }

    /// Gives it an event. The first report has the log of `init` too. What it publishes goes nowhere, and its store is
    /// empty each time.
    ///
    /// # Errors
    /// [`CheckError::Event`] where the event is not acceptable; what the component makes of it is in the report.
    pub async fn event(&mut self, event: Draft) -> Result<CheckReport, CheckError> {
        EventLimits::default().check(&event)?;
        let mut entries = self.log.take(true);
        self.events += 1;
        let delivery = Arc::new(Delivery {
            event: Arc::new(report::stamp(event, "plugbus check", self.events)),
            attempt: 1,
            subscription: Name::parse(format!("plugin/{}", self.name))?,
            outbox: Outbox::new(self.manifest.settings.outbox),
            state: State::detached(self.manifest.settings.state),
            notes: Notes::default(),
        });
        let outcome = self.handler.handle(&delivery).await;
        entries.extend(self.log.take(false));
        let (name, filters) = (self.name.clone(), self.filters.clone());
        Ok(report::make(name, filters, self.handler.template(), &delivery, outcome, entries)?)
    }
}

/// The manifest that is named, or the one beside the component, or none; and where it is.
pub(crate) fn read_manifest(wasm: &Path, manifest: Option<PathBuf>) -> Result<(Manifest, Option<PathBuf>), CheckError> {
    let (path, named) = match manifest {
        Some(path) => (path, true),
        None => (wasm.with_extension("toml"), false),
    };
    match std::fs::read(&path) {
        Ok(bytes) => {
            let manifest = Manifest::parse(&path, &bytes, path.parent().unwrap_or(Path::new("")))?;
            Ok((manifest, Some(path)))
        }
        Err(error) if !named && error.kind() == std::io::ErrorKind::NotFound => Ok((Manifest::default(), None)),
        Err(source) => Err(CheckError::Read { path, source }),
    }
}

/// The filters in force: the manifest's, or else those that `init` registered. There must be some, as in a daemon.
pub(crate) fn filters(path: &Path, manifest: &Manifest, handler: &SandboxHandler) -> Result<Vec<Filter>, CheckError> {
    let filters = if manifest.filters.is_empty() { handler.filters() } else { &manifest.filters };
    if filters.is_empty() {
        let contract = handler.template().info().contract;
        return Err(CheckError::NoFilters { path: path.to_owned(), contract });
    }
    Ok(filters.to_vec())
}

/// Compiles, links and starts one instance.
pub(crate) async fn start(
    path: &Path,
    name: &str,
    manifest: &Manifest,
    log: Arc<Collected>,
    cache_dir: Option<PathBuf>,
) -> Result<SandboxHandler, CheckError> {
    let wasm = std::fs::read(path).map_err(|source| CheckError::Read { path: path.to_owned(), source })?;
    let config = SandboxConfig { cache_dir, ..SandboxConfig::default() };
    let sandbox = tokio::task::spawn_blocking(|| Sandbox::new(config)).await??;
    let component = sandbox.compile(wasm.into()).await;
    let component = component.map_err(|source| CheckError::Compile { path: path.to_owned(), source })?;
    let spec = manifest.to_spec(name, log, EventLimits::default());
    let template = tokio::task::spawn_blocking(move || component.link(spec)).await?;
    let template = template.map_err(|source| CheckError::Link { path: path.to_owned(), source })?;
    template.start().await.map_err(|source| CheckError::Start { path: path.to_owned(), source })
}

impl std::fmt::Debug for Checker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checker").field("name", &self.name).field("events", &self.events).finish_non_exhaustive()
    }
}
