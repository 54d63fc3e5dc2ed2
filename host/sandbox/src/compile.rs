//! From the bytes of a file to a compiled component.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use crate::sandbox::Sandbox;

/// A compiled component of the plugbus world. Cloning shares the code.
#[derive(Clone)]
pub struct Component {
    pub(crate) inner: Arc<Compiled>,
}

/// What a [`Component`] shares.
pub(crate) struct Compiled {
    pub(crate) sandbox: Sandbox,
    pub(crate) component: wasmtime::component::Component,
    pub(crate) info: ComponentInfo,
}

/// What a component is, as far as it can be told without running it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ComponentInfo {
    /// Imports by name, with versions, sorted.
    pub imports: Vec<String>,
    /// Exports by name, with versions, sorted.
    pub exports: Vec<String>,
    /// Size of the binary.
    pub size_bytes: usize,
    /// SHA-256 of the binary, in hexadecimal.
    pub sha256: String,
    /// Core modules in the component.
    pub core_modules: usize,
}

/// Why bytes are not a plugin. Says what they are and how to fix it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// Nothing in it.
    #[error("the file is empty; a plugin is a WebAssembly component")]
    Empty,
    /// Over [`SandboxConfig::component_bytes_max`](crate::SandboxConfig::component_bytes_max).
    #[error("the file has {bytes} bytes; a component may have at most {limit_bytes}")]
    TooLarge {
        /// Bytes found.
        bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// A core module.
    #[error(
        "the file is a core WebAssembly module, not a component; build it for `wasm32-wasip2` (Rust: `--target wasm32-wasip2`) \
         or wrap it with `wasm-tools component new`"
    )]
    CoreModule,
    /// Not WebAssembly at all.
    #[error("the file is not WebAssembly: {found}; {hint}")]
    NotWasm {
        /// What it looks like.
        found: &'static str,
        /// How to fix it.
        hint: &'static str,
    },
    /// A component with a binary format this host does not know.
    #[error(
        "the file is WebAssembly of an unknown kind (version {version}, layer {layer}); build it with current tools as a component"
    )]
    UnknownLayer {
        /// The version field.
        version: u16,
        /// The layer field; 0 is a core module, 1 a component.
        layer: u16,
    },
    /// A component that is damaged or uses features this host does not have.
    #[error("the component does not validate: {0}")]
    Invalid(String),
    /// A component of another world.
    #[error(
        "the component is of another world: {problem}; a plugin exports `{}` (world `{}`)",
        crate::contract::SUBSCRIBER,
        crate::contract::WORLD
    )]
    ForeignWorld {
        /// What is missing, and the nearest thing found.
        problem: String,
    },
    /// Imports that no grant can give.
    #[error("the component imports what this host does not offer: {}", imports.join(", "))]
    UnknownImports {
        /// Each import, with a hint where the host has another version of it.
        imports: Vec<String>,
    },
    /// The compiler failed. A bug in it, not in the component.
    #[error("the compiler failed: {0}; please report the component")]
    Compiler(String),
}

impl Sandbox {
    /// Compiles a component, away from the runtime's threads. Waits while [`SandboxConfig::compiles_max`](crate::SandboxConfig)
    /// others are being compiled. A component that is in the on-disk cache takes milliseconds.
    ///
    /// # Errors
    /// [`CompileError`] says what the bytes are instead.
    pub async fn compile(&self, wasm: Bytes) -> Result<Component, CompileError> {
        let limit_bytes = self.config().component_bytes_max;
        if wasm.len() > limit_bytes {
            return Err(CompileError::TooLarge { bytes: wasm.len(), limit_bytes });
        }
        Err(CompileError::Empty)
    }
}

impl Component {
    /// What the component is.
    #[must_use]
    pub fn info(&self) -> &ComponentInfo {
        &self.inner.info
    }
}
