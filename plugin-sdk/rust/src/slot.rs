//! Where the one plugin of an instance lives. Generated code and the testing host both go through it.

use std::cell::RefCell;

use crate::{Event, Failure, Payload, Plugin, Result, json};

/// Room for a plugin, empty until `init`. Not part of the API.
pub struct Slot<P>(RefCell<Option<P>>);

impl<P: Plugin> Slot<P> {
    /// An empty slot.
    #[must_use]
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }

    /// Makes the plugin and returns its filters.
    ///
    /// # Errors
    /// The reason, for people, where the configuration or the plugin itself says no.
    pub fn init(&self, config: &str) -> Result<Vec<String>, String> {
        let config = json::parse_config(config).map_err(|error| error.to_string())?;
        let plugin = P::new(config).map_err(|failure| failure.reason().to_owned())?;
        let filters = plugin.filters();
        self.0.replace(Some(plugin));
        Ok(filters)
    }

    /// Handles one event.
    ///
    /// # Errors
    /// The plugin's failure.
    pub fn handle(&self, event: Event) -> Result<Option<Payload>> {
        // The host enters an instance once at a time and calls `init` first, so neither refusal is ever seen.
        let mut slot = self.0.try_borrow_mut().map_err(|_| Failure::retry("the instance was entered twice"))?;
        let plugin = slot.as_mut().ok_or_else(|| Failure::reject("`handle` was called before `init`"))?;
        plugin.handle(event).map(|reply| reply.0)
    }
}

impl<P: Plugin> Default for Slot<P> {
    fn default() -> Self {
        Self::new()
    }
}
