//! From the bytes of a file to a compiled component.
//!
//! Compiling runs on threads of its own that step back behind those that handle events (`threads`), and at most
//! [`SandboxConfig::compiles_max`](crate::SandboxConfig::compiles_max) at one time: the next one waits. Bytes are looked at
//! before the compiler sees them; precompiled code is never loaded from the plugins folder. A panic of the compiler is
//! caught. The on-disk cache is wasmtime's own, guarded against damage (`cache`): an entry that is not as it was written
//! counts as a miss.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::contract::{self, Contract};
use crate::sandbox::Sandbox;
use crate::text::cut;

pub(crate) mod sniff;
pub(crate) mod threads;

/// A compiled component of one of the host's contracts. Cloning shares the code.
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
    /// Which contract it follows.
    pub contract: Contract,
    /// Imports by name, with versions, sorted.
    pub imports: Vec<String>,
    /// Exports by name, with versions, sorted.
    pub exports: Vec<String>,
    /// Size of the binary.
    pub size_bytes: usize,
    /// SHA-256 of the binary, in hexadecimal.
    pub sha256: String,
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
    #[error("the file is not WebAssembly but {found}; {hint}")]
    NotWasm {
        /// What it looks like.
        found: &'static str,
        /// How to fix it.
        hint: &'static str,
    },
    /// WebAssembly of a binary format that this host does not know.
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
        "the component is of another world: {problem}; a plugin exports `{}` (world `{}`), or `{}`",
        contract::SUBSCRIBER,
        contract::WORLD,
        contract::INCOMING_HANDLER
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

/// Most bytes of the compiler's own message that go into an error.
const MESSAGE_BYTES_MAX: usize = 4 << 10;

impl Sandbox {
    /// Compiles a component, away from the runtime's threads. Waits while [`SandboxConfig::compiles_max`](crate::SandboxConfig)
    /// others are being compiled. A component that is in the on-disk cache takes milliseconds. Must be called within a tokio
    /// runtime.
    ///
    /// # Errors
    /// [`CompileError`] says what the bytes are instead.
    pub async fn compile(&self, wasm: Bytes) -> Result<Component, CompileError> {
        let limit_bytes = self.config().component_bytes_max;
        if wasm.len() > limit_bytes {
            return Err(CompileError::TooLarge { bytes: wasm.len(), limit_bytes });
        }
        sniff::check(&wasm)?;
        let permit = self.compiles().acquire_owned().await;
        let sandbox = self.clone();
        let compiled = tokio::task::spawn_blocking(move || {
            // Held to the end even where nobody waits for the result any more: the bound is on compilers, not on callers.
            let _permit = permit;
            sandbox.compilers().run(|| compile(&sandbox, &wasm))
        });
        match compiled.await {
            Ok(result) => result,
            Err(error) => Err(CompileError::Compiler(cut(&error.to_string(), MESSAGE_BYTES_MAX).into_owned())),
        }
    }
}

impl Component {
    /// What the component is.
    #[must_use]
    pub fn info(&self) -> &ComponentInfo {
        &self.inner.info
    }
}

fn compile(sandbox: &Sandbox, wasm: &[u8]) -> Result<Component, CompileError> {
    let engine = sandbox.engine();
    let component = wasmtime::component::Component::from_binary(engine, wasm)
        .map_err(|error| CompileError::Invalid(cut(&format!("{error:#}"), MESSAGE_BYTES_MAX).into_owned()))?;
    if let Some(cache) = sandbox.cache() {
        cache.vouch_for_new();
    }
    let ty = component.component_type();
    let mut imports: Vec<String> = ty.imports(engine).map(|(name, _)| name.to_owned()).collect();
    let mut exports: Vec<String> = ty.exports(engine).map(|(name, _)| name.to_owned()).collect();
    imports.sort_unstable();
    exports.sort_unstable();
    let contract = contract::of(&exports)?;
    contract::check_imports(&imports)?;
    let info = ComponentInfo { contract, imports, exports, size_bytes: wasm.len(), sha256: hex(&Sha256::digest(wasm)) };
    Ok(Component { inner: Arc::new(Compiled { sandbox: sandbox.clone(), component, info }) })
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = std::fmt::Write::write_fmt(&mut text, format_args!("{byte:02x}"));
        text
    })
}
