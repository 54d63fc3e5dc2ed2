//! The engine that every plugin of a host shares.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::SandboxConfig;

/// The engine: compiler, allocator, clock. Cloning shares it. One per host.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

struct Inner {
    config: SandboxConfig,
    engine: wasmtime::Engine,
}

/// Why an engine cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The folder of the compile cache cannot be made or written.
    #[error("compile cache {}: not usable; name another folder or none", path.display())]
    Cache {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A setting that wasmtime does not take.
    #[error("engine settings: {0}")]
    Engine(String),
    /// The ticker thread cannot be started.
    #[error("the ticker thread does not start")]
    Ticker(#[source] std::io::Error),
}

impl Sandbox {
    /// Makes an engine and starts its ticker thread, which ends with the last clone and the last instance.
    ///
    /// # Errors
    /// Where the cache folder is not usable or the system refuses a thread.
    pub fn new(config: SandboxConfig) -> Result<Self, SandboxError> {
        let engine =
            wasmtime::Engine::new(&wasmtime::Config::new()).map_err(|error| SandboxError::Engine(error.to_string()))?;
        Ok(Self { inner: Arc::new(Inner { config, engine }) })
    }

    /// The settings it was made with.
    #[must_use]
    pub fn config(&self) -> &SandboxConfig {
        &self.inner.config
    }

    /// Whether instances come from a pool.
    #[must_use]
    pub fn is_pooling(&self) -> bool {
        false
    }

    pub(crate) fn engine(&self) -> &wasmtime::Engine {
        &self.inner.engine
    }
}
