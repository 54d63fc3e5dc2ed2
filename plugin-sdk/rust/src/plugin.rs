//! What a plugin implements.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Event, Payload, Result};

/// A plugin: made once per instance, then given one event at a time.
pub trait Plugin: Sized + 'static {
    /// The topic filters it subscribes to, 1 to 64. `*` stands for exactly one token, a final `>` for one or more. Filters in
    /// the manifest take their place; leave it empty only when the manifest has some, or [`Plugin::filters`] does.
    const FILTERS: &[&str] = &[];

    /// What the manifest's `[config]` table must look like; [`NoConfig`] for a plugin that has nothing to configure.
    /// `#[serde(deny_unknown_fields)]` turns a mistyped key into an error that names it.
    type Config: DeserializeOwned;

    /// Makes the plugin, before the first event of an instance. Publishing is not allowed here.
    ///
    /// # Errors
    /// An error refuses the plugin: the last good version goes on running, and the text shows in `plugbus plugins`.
    fn new(config: Self::Config) -> Result<Self>;

    /// The filters, where they depend on the configuration. [`Plugin::FILTERS`] unless overridden. Called once, after
    /// [`Plugin::new`].
    fn filters(&self) -> Vec<String> {
        Self::FILTERS.iter().map(|&filter| filter.to_owned()).collect()
    }

    /// Handles one event.
    ///
    /// # Errors
    /// A [`Failure`](crate::Failure) says whether the event should come again; what was published is thrown away.
    fn handle(&mut self, event: Event) -> Result<Reply>;
}

/// The configuration of a plugin that has nothing to configure: any key in the manifest's `[config]` is an error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

/// An acknowledgement, with an answer for a publisher that waits for one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply(pub Option<Payload>);

impl Reply {
    /// Handled; no answer.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// Handled; the answer is a value as JSON.
    ///
    /// # Errors
    /// Where the value has no JSON form.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        Ok(Self(Some(Payload::json(value)?)))
    }

    /// Handled; the answer is plain text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self(Some(Payload::text(text)))
    }
}

impl From<Payload> for Reply {
    fn from(payload: Payload) -> Self {
        Self(Some(payload))
    }
}
