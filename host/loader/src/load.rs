//! From a plugin's files to handlers that are ready to take over: read → compile → link → instantiate and `init`.
//!
//! Nothing here touches what runs; whatever fails, the old generation never notices.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use plugbus_bus::{Fault, Filter, SubscribeError};
use plugbus_sandbox::{CompileError, Component, Contract, LinkError, Sandbox, SandboxHandler, StartError, Template};

use crate::capture::{Capture, CaptureError, Identity};
use crate::config::LoaderConfig;
use crate::manifest::{Manifest, ManifestError};
use crate::name::PluginName;
use crate::scan::Unusable;

/// Why what the folder holds does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The entry of the folder cannot be a plugin.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// The files cannot be read.
    #[error(transparent)]
    Files(#[from] CaptureError),
    /// The manifest is wrong.
    #[error("manifest")]
    Manifest(#[from] ManifestError),
    /// The file is no component of the plugin world, or does not compile.
    #[error("cannot compile `{}`", path.display())]
    Compile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: CompileError,
    },
    /// A grant is missing or cannot be given.
    #[error("cannot link `{}` with its manifest", path.display())]
    Link {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: LinkError,
    },
    /// Instantiation or `init` failed.
    #[error("cannot start instance {instance} of `{}`", path.display())]
    Start {
        /// The file.
        path: PathBuf,
        /// Which of the instances, counted from 1.
        instance: u32,
        /// Why.
        #[source]
        source: StartError,
    },
    /// Nobody says which events the plugin wants.
    #[error("`{}` registers no filters and its manifest has none; {} `filters = [\"…\"]` into `{name}.toml`", path.display(), contract.how_to_have_filters())]
    NoFilters {
        /// What the component follows, which has a function to register some or has not.
        contract: Contract,
        /// The file.
        path: PathBuf,
        /// The plugin.
        name: PluginName,
    },
    /// `init` does not give the same answer each time.
    #[error("instance {instance} of `{}` registers other filters than instance 1; `init` must register the same each time", path.display())]
    FiltersDiffer {
        /// The file.
        path: PathBuf,
        /// Which of the instances, counted from 1.
        instance: u32,
    },
    /// The manifest asks for what the host does not keep.
    #[error(
        "`{name}.toml` says that the plugin is durable, but the host keeps no journal; run it with `journal.enabled = true`, or leave `durable` and `when_full = \"spill\"` out"
    )]
    NoJournal {
        /// The plugin.
        name: PluginName,
    },
    /// What runs is durable and the new one is not, or the other way round.
    #[error("the plugin that runs is {}durable and the new one is not so; take `{name}.wasm` out of the folder, wait until it is unloaded, and put it back", if *durable { "" } else { "not " })]
    DurableChanged {
        /// The plugin.
        name: PluginName,
        /// Whether the one that runs is.
        durable: bool,
    },
    /// The bus does not take the subscription.
    #[error("the bus does not take the subscription")]
    Subscribe(#[from] SubscribeError),
    /// A bug of the host.
    #[error("the load was cut off; reload the plugin, and please report this")]
    CutOff(#[source] tokio::task::JoinError),
}

impl LoadError {
    /// The step that failed, in one word; of a fault in `init` its kind.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Unusable(_) | Self::Files(_) => "files",
            Self::Manifest(_) | Self::NoJournal { .. } | Self::DurableChanged { .. } => "manifest",
            Self::Compile { .. } => "compile",
            Self::Link { .. } => "link",
            Self::Start { .. } => self.fault().map_or("init", |fault| fault.kind.name()),
            Self::NoFilters { .. } | Self::FiltersDiffer { .. } => "init",
            Self::Subscribe(_) => "subscribe",
            Self::CutOff(_) => "host",
        }
    }

    /// The fault in `init`, if that is what it was.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Start { source: StartError::Fault(fault), .. } => Some(fault),
            _ => None,
        }
    }
}

/// Handlers that are ready to take over, and what they are made of.
pub(crate) struct Loaded {
    pub(crate) manifest: Manifest,
    pub(crate) component: Component,
    pub(crate) template: Template,
    pub(crate) handlers: Vec<SandboxHandler>,
    /// The manifest's, or else the registered ones.
    pub(crate) filters: Vec<Filter>,
}

/// Makes ready what was captured. `compiled` is the component that runs now, with the hash of its file: a change of the
/// manifest alone compiles nothing.
pub(crate) async fn load(
    sandbox: &Sandbox,
    config: &LoaderConfig,
    name: &PluginName,
    capture: Capture,
    compiled: Option<(Identity, Component)>,
) -> Result<Loaded, LoadError> {
    let path = config.dir.join(format!("{name}.wasm"));
    let manifest = match &capture.manifest {
        None => Manifest::default(),
        Some(bytes) => Manifest::parse(&config.dir.join(format!("{name}.toml")), bytes, &config.dir)?,
    };
    let component = match compiled {
        Some((sha256, component)) if sha256 == capture.wasm_sha256 => component,
        _ => {
            let compile = sandbox.compile(capture.wasm).await;
            compile.map_err(|source| LoadError::Compile { path: path.clone(), source })?
        }
    };
    let template = link(&component, &manifest, config, name, &path).await?;
    let contract = template.info().contract;
    let handlers = start(&template, manifest.settings.concurrency.get(), &path).await?;
    let filters = match (manifest.filters.is_empty(), handlers.first()) {
        (false, _) => manifest.filters.clone(),
        (true, first) => first.map(|first| first.filters().to_vec()).unwrap_or_default(),
    };
    if filters.is_empty() {
        return Err(LoadError::NoFilters { contract, path, name: name.clone() });
    }
    Ok(Loaded { manifest, component, template, handlers, filters })
}

/// Links away from the runtime's threads: it opens the granted folders.
async fn link(
    component: &Component,
    manifest: &Manifest,
    config: &LoaderConfig,
    name: &PluginName,
    path: &Path,
) -> Result<Template, LoadError> {
    let component = component.clone();
    let spec = manifest.to_spec(name.as_str(), Arc::clone(&config.log), config.event_limits);
    let linked = tokio::task::spawn_blocking(move || component.link(spec)).await.map_err(LoadError::CutOff)?;
    linked.map_err(|source| LoadError::Link { path: path.to_owned(), source })
}

async fn start(template: &Template, instances: u32, path: &Path) -> Result<Vec<SandboxHandler>, LoadError> {
    let mut handlers: Vec<SandboxHandler> = Vec::new();
    for instance in 1..=instances {
        let handler = template.start().await;
        let handler = handler.map_err(|source| LoadError::Start { path: path.to_owned(), instance, source })?;
        if handlers.first().is_some_and(|first| first.filters() != handler.filters()) {
            return Err(LoadError::FiltersDiffer { path: path.to_owned(), instance });
        }
        handlers.push(handler);
    }
    Ok(handlers)
}
