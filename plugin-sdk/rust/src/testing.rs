//! Runs a plugin natively, without WebAssembly, and shows what it did.
//!
//! ```
//! use plugbus_sdk::{prelude::*, testing};
//! # struct Echo;
//! # impl Plugin for Echo {
//! #     type Config = NoConfig;
//! #     fn new(_: NoConfig) -> Result<Self> { Ok(Self) }
//! #     fn handle(&mut self, event: Event) -> Result<Reply> {
//! #         log::info!("heard {}", event.topic);
//! #         publish("echo", &event.json::<Value>()?)?;
//! #         Ok(Reply::none())
//! #     }
//! # }
//!
//! let mut host = testing::Host::<Echo>::new(json!({}))?;
//! host.send(testing::event("hook.raw").json(&json!({ "n": 1 })).attempt(2))?;
//! assert_eq!(host.published()[0].topic, "echo");
//! assert_eq!(host.logs()[0].message, "heard hook.raw");
//! # Ok::<(), Failure>(())
//! ```
//!
//! The rules are the host's: what a handler that fails has published and written to the store is thrown away, topics and
//! extensions are checked, and publishes, keys and values are bounded. Two things are easier than on a real host: every topic but `plugbus.…` may be
//! published until [`Host::grant_publish`] says otherwise, and fuel, time and memory are not bounded.

mod event;
mod recorder;
mod store;

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;

use crate::host::with_recorder;
use crate::slot::Slot;
use crate::{Failure, Payload, Plugin, Result, topic};

pub use event::{EventBuilder, event};
pub(crate) use recorder::Recorder;
pub use recorder::{LogLine, Published};
pub(crate) use store::{Store, bucket_name};

/// What became of an event: an answer, perhaps, or the plugin's failure.
pub type Outcome = Result<Option<Payload>, Failure>;

/// One instance of a plugin, with the host played by this type. Stays on its thread.
pub struct Host<P> {
    slot: Slot<P>,
    filters: Vec<String>,
    recorder: Recorder,
    /// The recorder is on the thread, so the host must not leave it.
    stays_on_thread: PhantomData<*const ()>,
}

impl<P: Plugin> Host<P> {
    /// Makes an instance: calls `new` with the configuration, and checks its filters.
    ///
    /// # Errors
    /// What would refuse the plugin on the host: a rejection whose reason is the text that the operator would see.
    pub fn new(config: impl Serialize) -> Result<Self> {
        let config = serde_json::to_string(&config)?;
        let slot = Slot::new();
        let mut recorder = Recorder::default();
        let filters = with_recorder(&mut recorder, || slot.init(&config)).map_err(Failure::Reject)?;
        recorder.forget_staged();
        for filter in &filters {
            topic::check_filter(filter).map_err(|error| Failure::reject(format!("filter `{filter}` {error}")))?;
        }
        if filters.len() > FILTERS_MAX {
            return Err(Failure::reject(format!("{} filters; at most {FILTERS_MAX} are allowed", filters.len())));
        }
        Ok(Self { slot, filters, recorder, stays_on_thread: PhantomData })
    }

    /// Makes the instance anew, as a reload does: calls `new` again. The store stays, and so does what was published and logged.
    ///
    /// # Errors
    /// As [`Host::new`]; the old instance stays then.
    pub fn reload(&mut self, config: impl Serialize) -> Result<()> {
        let new = Self::new(config)?;
        self.slot = new.slot;
        self.filters = new.filters;
        self.recorder.take_logs(new.recorder);
        Ok(())
    }

    /// Gives the plugin an event, whatever its topic, and returns what it said.
    ///
    /// # Errors
    /// The plugin's failure; what it published is thrown away.
    pub fn send(&mut self, event: impl Into<crate::Event>) -> Outcome {
        let event = event.into();
        self.recorder.begin(&event);
        let outcome = with_recorder(&mut self.recorder, || self.slot.handle(event));
        match outcome {
            Ok(_) => self.recorder.release_staged(),
            Err(_) => self.recorder.forget_staged(),
        }
        outcome
    }

    /// The filters the plugin registered.
    #[must_use]
    pub fn filters(&self) -> &[String] {
        &self.filters
    }

    /// Whether the plugin would be given events of this topic.
    #[must_use]
    pub fn subscribes_to(&self, topic: &str) -> bool {
        self.filters.iter().any(|filter| topic::matches(filter, topic))
    }

    /// What was published by handlers that acked, oldest first.
    #[must_use]
    pub fn published(&self) -> &[Published] {
        self.recorder.published()
    }

    /// Takes out what was published, so that the next look shows only what is new.
    pub fn take_published(&mut self) -> Vec<Published> {
        self.recorder.take_published()
    }

    /// The log, oldest line first; of `new` too, and of handlers that failed.
    #[must_use]
    pub fn logs(&self) -> &[LogLine] {
        self.recorder.logs()
    }

    /// Sets the manifest's `publish` filters: topics they do not cover are denied from now on.
    ///
    /// # Panics
    /// Where a text is not a filter: a mistake in the test.
    pub fn grant_publish(&mut self, filters: &[&str]) {
        for filter in filters {
            let checked = topic::check_filter(filter);
            assert!(checked.is_ok(), "`{filter}` is not a filter: {checked:?}");
        }
        self.recorder.grants = filters.iter().map(|&filter| filter.to_owned()).collect();
    }

    /// Sets how many events one call of `handle` may publish. Default 64.
    pub fn limit_publishes(&mut self, publishes_max: usize) {
        self.recorder.publishes_max = publishes_max;
    }

    /// Sets how many bytes one call of `handle` may publish. Default 1 MiB.
    pub fn limit_publish_bytes(&mut self, publish_bytes_max: usize) {
        self.recorder.publish_bytes_max = publish_bytes_max;
    }

    /// The value of a key in the store, as handlers that acked have left it.
    #[must_use]
    pub fn stored(&self, bucket: &str, key: &str) -> Option<&[u8]> {
        self.recorder.committed(bucket, key)
    }

    /// Sets how many bytes the store may have. Default 16 MiB.
    pub fn limit_state_bytes(&mut self, state_bytes_max: usize) {
        self.recorder.limit_state_bytes(state_bytes_max);
    }

    /// Sets the server that answers HTTP requests. Without one every request is denied.
    #[cfg(feature = "http")]
    pub fn http<F>(&mut self, server: F)
    where
        F: FnMut(&crate::http::Request) -> Result<crate::http::Response, crate::http::HttpError> + 'static,
    {
        self.recorder.set_http_server(Box::new(server));
    }

    /// The HTTP requests that were sent, oldest first.
    #[cfg(feature = "http")]
    pub fn requests(&self) -> &[crate::http::Request] {
        self.recorder.requests()
    }
}

impl<P> fmt::Debug for Host<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("filters", &self.filters).field("recorder", &self.recorder).finish_non_exhaustive()
    }
}

/// Most filters a plugin may register.
const FILTERS_MAX: usize = 64;

#[cfg(test)]
mod tests;
