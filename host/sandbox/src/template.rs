//! A linked plugin, ready to make instances.

use std::sync::Arc;

use plugbus_bus::{Fault, TopicError};

use crate::compile::{Component, ComponentInfo};
use crate::config::PluginSpec;
use crate::handler::SandboxHandler;
use crate::metrics::{Metrics, MetricsSnapshot};

/// One generation of a plugin: a component with its limits and grants. Cloning shares it, counters included.
#[derive(Clone)]
pub struct Template {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) component: Component,
    pub(crate) spec: PluginSpec,
    pub(crate) metrics: Metrics,
}

/// Why an instance did not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The guest's own word, from `init`.
    #[error("init: {0}")]
    Init(String),
    /// What the host saw while it made the instance or ran `init`.
    #[error("init")]
    Fault(#[source] Box<Fault>),
    /// More than [`FILTERS_MAX`](crate::FILTERS_MAX) filters. (None at all is for the loader to judge: the manifest may have some.)
    #[error("init registered {count} filters; at most {} are allowed", crate::FILTERS_MAX)]
    FilterCount {
        /// Filters found.
        count: usize,
    },
    /// A filter that is none.
    #[error("init registered `{}` as filter number {position}", filter.escape_debug())]
    Filter {
        /// The text, cut to 160 characters.
        filter: String,
        /// Its place in the list, counted from 1.
        position: usize,
        /// What is wrong.
        #[source]
        source: TopicError,
    },
}

impl Template {
    pub(crate) fn new(component: Component, spec: PluginSpec) -> Self {
        Self { inner: Arc::new(Inner { component, spec, metrics: Metrics::default() }) }
    }

    /// Makes an instance and runs its `init`. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`] carries the guest's own error or the fault.
    pub async fn start(&self) -> Result<SandboxHandler, StartError> {
        Ok(SandboxHandler { template: self.clone(), filters: Vec::new() })
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
}
