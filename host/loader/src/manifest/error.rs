//! What is wrong with a manifest, and where.

use std::path::PathBuf;

/// Why a manifest is refused: the place and the first thing that is wrong there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}:{column}: {problem}", path.display())]
pub struct ManifestError {
    /// The file.
    pub path: PathBuf,
    /// Line, counted from 1.
    pub line: usize,
    /// Character in the line, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong at one place of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Not TOML.
    #[error("not valid TOML: {0}")]
    Syntax(String),
    /// Not text.
    #[error("not UTF-8 text; a manifest is a TOML file")]
    NotText,
    /// Larger than [`MANIFEST_BYTES_MAX`](super::MANIFEST_BYTES_MAX).
    #[error("the manifest has {bytes} bytes; at most {limit_bytes} are allowed")]
    TooLarge {
        /// Bytes found.
        bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// A key that does not exist.
    #[error("unknown key `{key}`; {hint}")]
    UnknownKey {
        /// The key with its table, cut to 80 characters.
        key: String,
        /// The nearest right key, or all that are allowed.
        hint: String,
    },
    /// A key that must be there.
    #[error("key `{key}` is missing; expected {expected}")]
    MissingKey {
        /// The key with its table.
        key: String,
        /// What it should be.
        expected: String,
    },
    /// A value of another type or outside its bounds.
    #[error("`{key}` is {found}; expected {expected}")]
    WrongValue {
        /// The key with its table.
        key: String,
        /// What was found, cut to 80 characters.
        found: String,
        /// What is allowed.
        expected: String,
    },
}
