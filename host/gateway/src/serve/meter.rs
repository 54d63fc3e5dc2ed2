//! [`Meter`]: counts what the system has taken of a connection, for whoever wants to know.

use std::sync::{Arc, OnceLock};

use crate::socketio::flow::Flow;

/// One for each connection; an extension of each of its requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter(Arc<OnceLock<Arc<Flow>>>);

impl Meter {
    /// Counts for this flow from now on. The first one stays.
    pub(crate) fn count_for(&self, flow: Arc<Flow>) {
        // A second one would be a second upgrade of one connection, which there is not.
        drop(self.0.set(flow));
    }

    pub(crate) fn add(&self, bytes: usize) {
        if let Some(flow) = self.0.get() {
            flow.add(bytes);
        }
    }
}
