//! The languages that a project can be in.

use serde::{Deserialize, Serialize};

/// A language with an SDK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Rust, to `wasm32-wasip2`.
    Rust,
    /// JavaScript, on QuickJS.
    Js,
    /// TypeScript, on QuickJS.
    Ts,
    /// Python.
    Python,
    /// C.
    C,
    /// Go.
    Go,
}

impl Language {
    /// All of them, in the order of the documentation.
    pub const ALL: &[Self] = &[Self::Rust, Self::Js, Self::Ts, Self::Python, Self::C, Self::Go];

    /// As it is written on the command line and in [`BUILD_FILE`](crate::BUILD_FILE).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Js => "js",
            Self::Ts => "ts",
            Self::Python => "python",
            Self::C => "c",
            Self::Go => "go",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|language| language.name() == name)
    }

    /// What its SDK needs from the folder beside it.
    pub(crate) fn beside_its_sdk(self) -> Option<&'static str> {
        // The adapter that makes a component of a module for WASI preview 1.
        matches!(self, Self::C | Self::Go).then_some("wasi")
    }

    /// The folder of its SDK under `plugin-sdk/`.
    pub(crate) fn sdk(self) -> &'static str {
        match self {
            Self::Js | Self::Ts => "js",
            other => other.name(),
        }
    }
}
