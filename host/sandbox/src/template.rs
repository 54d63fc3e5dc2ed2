//! A linked plugin, ready to make instances.

use std::sync::Arc;

use plugbus_bus::{Fault, FaultKind, TopicError};
use tokio::sync::Semaphore;
use wasmtime_wasi_config::WasiConfigVariables;

use crate::compile::{Component, ComponentInfo};
use crate::config::PluginSpec;
use crate::denials::{Denial, Denials};
use crate::guest::GuestPre;
use crate::handler::SandboxHandler;
use crate::inspect::NeededImport;
use crate::instance::Instance;
use crate::metrics::{Metrics, MetricsSnapshot};
use crate::secrets::Secrets;

/// One generation of a plugin: a component with its limits and grants. Cloning shares it, counters included.
#[derive(Clone)]
pub struct Template {
    pub(crate) inner: Arc<Inner>,
}

/// What every instance of a template shares.
pub(crate) struct Inner {
    pub(crate) component: Component,
    pub(crate) pre: GuestPre,
    pub(crate) spec: PluginSpec,
    /// `plugin/<name>`: the source of what it publishes.
    pub(crate) publisher: Arc<str>,
    /// For `wasi:config/store`; empty where it is not granted.
    pub(crate) config_variables: WasiConfigVariables,
    /// With their values, as they were when it was linked.
    pub(crate) secrets: Secrets,
    pub(crate) metrics: Metrics,
    pub(crate) denials: Denials,
    /// Turns for lookups of names.
    pub(crate) lookups: Arc<Semaphore>,
}

/// Why an instance did not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The guest's own word, from `init`.
    #[error("init: {0}")]
    Init(String),
    /// What the host saw while it made the instance or ran `init`.
    #[error("init failed")]
    Fault(#[source] Box<Fault>),
    /// More than [`FILTERS_MAX`](crate::FILTERS_MAX) filters. (None at all is for the loader to judge: the manifest may have
    /// some.)
    #[error("init registered {count} filters; at most {} are allowed", crate::FILTERS_MAX)]
    FilterCount {
        /// Filters found.
        count: usize,
    },
    /// A filter that is none.
    #[error("init registered `{}` as filter number {position}", filter.escape_debug())]
    Filter {
        /// The text, cut to 160 bytes.
        filter: String,
        /// Its place in the list, counted from 1.
        position: usize,
        /// What is wrong.
        #[source]
        source: TopicError,
    },
}

impl StartError {
    /// The same as a fault: what the host saw, or a broken contract.
    #[must_use]
    pub fn into_fault(self) -> Fault {
        let message = match &self {
            Self::Fault(fault) => return (**fault).clone(),
            Self::Filter { source, .. } => format!("{self}: {source}"),
            Self::Init(_) | Self::FilterCount { .. } => self.to_string(),
        };
        Fault::new(FaultKind::Contract, message)
    }
}

impl Template {
    /// Makes an instance and runs its `init`. Must be called within a tokio runtime with a timer.
    ///
    /// # Errors
    /// [`StartError`] carries the guest's own error or the fault.
    pub async fn start(&self) -> Result<SandboxHandler, StartError> {
        let (instance, filters) = Instance::start(&self.inner).await?;
        Ok(SandboxHandler::new(self.clone(), instance, filters))
    }

    /// The plugin's description.
    #[must_use]
    pub fn spec(&self) -> &PluginSpec {
        &self.inner.spec
    }

    /// What the component is.
    #[must_use]
    pub fn info(&self) -> &ComponentInfo {
        self.inner.component.info()
    }

    /// The counters of all instances so far.
    #[must_use]
    pub fn metrics(&self) -> MetricsSnapshot {
        self.inner.metrics.snapshot()
    }

    /// What it asked for and was denied since it was linked.
    #[must_use]
    pub fn denials(&self) -> Vec<Denial> {
        self.inner.denials.snapshot()
    }

    /// What it imports, and what each import needs.
    #[must_use]
    pub fn needs(&self) -> Vec<NeededImport> {
        self.inner.component.info().imports.iter().map(|name| NeededImport::of(name)).collect()
    }
}
