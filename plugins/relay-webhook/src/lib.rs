//! Posts events to a URL.

mod config;
mod verdict;

use plugbus_sdk::http::Request;
use plugbus_sdk::prelude::*;

pub use config::{Config, Format};
use verdict::verdict;

/// How much of an answer is read: enough for the text of an error.
const RESPONSE_BYTES_MAX: usize = 4096;
/// W3C Trace Context: extensions of the event that become headers of the same names, so that the receiver goes on with the
/// trace.
const TRACE: [&str; 2] = ["traceparent", "tracestate"];

/// The plugin. It keeps no state, so any number of instances may share the work.
pub struct RelayWebhook {
    config: Config,
}

impl Plugin for RelayWebhook {
    /// Everything but the host's own events; name what you want in the manifest's `filters`.
    const FILTERS: &[&str] = &[">"];
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        config.check().map_err(|problem| Failure::reject(format!("config: {problem}")))?;
        Ok(Self { config })
    }

    fn handle(&mut self, event: Event) -> Result<Reply> {
        let response = self.request(event).send()?;
        verdict(&response)?;
        Ok(Reply::none())
    }
}

impl RelayWebhook {
    fn request(&self, event: Event) -> Request {
        let trace = TRACE.map(|name| event.extension(name).filter(|value| is_plain(value)).map(str::to_owned));
        let (content_type, body) = match self.config.format {
            Format::Cloudevent => ("application/cloudevents+json".to_owned(), event.to_cloudevent().into_bytes()),
            Format::Data => (event.payload.content_type.clone(), event.payload.into_bytes()),
        };
        let content_type = if content_type.is_empty() { "application/octet-stream".to_owned() } else { content_type };
        let mut request = Request::post(&self.config.url).header("content-type", content_type).body(body);
        for (name, value) in TRACE.into_iter().zip(trace) {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        for (name, value) in &self.config.headers {
            request = request.header(name, value);
        }
        request.timeout(self.config.timeout()).response_bytes_max(RESPONSE_BYTES_MAX)
    }
}

/// Whether a value from an event may stand in a header: an event is not rejected for a trace that is none.
fn is_plain(value: &str) -> bool {
    value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

plugbus_sdk::export!(RelayWebhook);

#[cfg(test)]
mod tests;
