//! [`Admin`]: what the gateway asks of the host beside the bus, and the types of the answers.

use bytes::Bytes;
use plugbus_bus::BoxFuture;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::metrics::Family;

/// The plugins and the journal of a host, as far as the gateway needs them. The facade implements it; a bus alone has none.
///
/// What a plugin is comes as JSON: the gateway hands it on and knows no loader.
pub trait Admin: Send + Sync {
    /// Every plugin, by name.
    ///
    /// # Errors
    /// [`AdminError::Missing`] where the host serves no plugins folder.
    fn plugins(&self) -> Result<Vec<Value>, AdminError>;

    /// One plugin.
    ///
    /// # Errors
    /// [`AdminError::Missing`] where there is none of that name.
    fn plugin(&self, name: &str) -> Result<Value, AdminError>;

    /// Carries out something with one plugin.
    ///
    /// # Errors
    /// [`AdminError`].
    fn act<'a>(&'a self, name: &'a str, action: Action) -> BoxFuture<'a, Result<Done, AdminError>>;

    /// Puts a component or a manifest into the plugins folder, and loads the plugin. Each file is whole or not there at every
    /// moment.
    ///
    /// # Errors
    /// [`AdminError`]; what ran before goes on, and the file that was there is there again.
    fn upload<'a>(&'a self, name: &'a str, upload: Upload) -> BoxFuture<'a, Result<Done, AdminError>>;

    /// Takes component and manifest out of the plugins folder, and unloads the plugin.
    ///
    /// # Errors
    /// [`AdminError`].
    fn remove<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Done, AdminError>>;

    /// What the parts of the host count beside the bus and the gateway: one JSON object, with a member for each part.
    fn stats(&self) -> Value;

    /// The same as metrics.
    fn metrics(&self) -> Vec<Family>;

    /// What must be well for the host to be ready.
    fn checks(&self) -> Vec<Check>;
}

/// Something done with a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Load it anew, even if its files are the same.
    Reload,
    /// Deliver no further event to it. Its events wait.
    Pause,
    /// End a pause or a suspension.
    Resume,
}

/// What is put into the plugins folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upload {
    /// The component.
    Component(Bytes),
    /// The manifest.
    Manifest(Bytes),
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Done {
    /// In words.
    #[schema(example = "relay reloaded, generation 3 took over from 2")]
    pub message: String,
}

/// Whether one part of the host is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Check {
    /// Which part.
    #[schema(example = "journal")]
    pub name: &'static str,
    /// Whether it is.
    pub ok: bool,
    /// What is wrong, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// There is no such thing.
    #[error("{0}")]
    Missing(String),
    /// It is wrong in itself: a name that is none, a component that is refused.
    #[error("{0}")]
    Refused(String),
    /// The host is stopping.
    #[error("{0}")]
    Stopping(String),
    /// It went wrong.
    #[error("{0}")]
    Failed(String),
}
