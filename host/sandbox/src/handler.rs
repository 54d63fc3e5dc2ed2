//! A live instance as a handler of events.

use std::sync::Arc;

use plugbus_bus::{BoxFuture, Delivery, Filter, Handler, Outcome, Reply};

use crate::template::Template;

/// One instance of a plugin. After a fault the instance is thrown away and the next delivery gets a new one.
pub struct SandboxHandler {
    pub(crate) template: Template,
    pub(crate) filters: Vec<Filter>,
}

impl SandboxHandler {
    /// What `init` registered, checked: at most [`FILTERS_MAX`](crate::FILTERS_MAX), possibly none where the manifest has
    /// filters of its own.
    #[must_use]
    pub fn filters(&self) -> &[Filter] {
        &self.filters
    }

    /// The template it was made from.
    #[must_use]
    pub fn template(&self) -> &Template {
        &self.template
    }
}

impl Handler for SandboxHandler {
    fn handle<'a>(&'a mut self, _delivery: &'a Arc<Delivery>) -> BoxFuture<'a, Outcome> {
        Box::pin(async { Ok(Reply(None)) })
    }
}
