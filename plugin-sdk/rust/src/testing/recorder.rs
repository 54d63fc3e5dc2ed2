//! What the testing host remembers, and the rules it checks as the real one does.

use std::fmt;

use serde::de::DeserializeOwned;

use super::Store;
use crate::log::Level;
use crate::state::StateError;
use crate::{Event, JsonError, Payload, PublishError, topic};

/// Most bytes in a content type.
const CONTENT_TYPE_BYTES_MAX: usize = 255;
/// Most characters in an extension's name, bytes in its value, and extensions of an event.
const EXTENSION_NAME_MAX: usize = 20;
const EXTENSION_VALUE_MAX: usize = 4096;
const EXTENSIONS_MAX: usize = 32;

/// An event that left the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The id that `publish` returned.
    pub id: String,
    /// Its topic.
    pub topic: String,
    /// The subject of the event it follows from.
    pub subject: Option<String>,
    /// Its data.
    pub payload: Payload,
    /// Its extension attributes, `traceparent` of the event it follows from among them.
    pub extensions: Vec<(String, String)>,
}

impl Published {
    /// Reads the data as JSON.
    ///
    /// # Errors
    /// Where the data is not JSON of that shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, JsonError> {
        crate::json::parse(&format!("published on `{}`", self.topic), self.payload.bytes())
    }

    /// The value of an extension attribute.
    #[must_use]
    pub fn extension(&self, name: &str) -> Option<&str> {
        self.extensions.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How serious it is.
    pub level: Level,
    /// The module it comes from.
    pub context: String,
    /// The text.
    pub message: String,
}

#[cfg(feature = "http")]
type HttpServer = Box<dyn FnMut(&crate::http::Request) -> Result<crate::http::Response, crate::http::HttpError>>;

/// What the plugin did, and what it may do.
pub(crate) struct Recorder {
    pub(crate) grants: Vec<String>,
    pub(crate) publishes_max: usize,
    pub(crate) publish_bytes_max: usize,
    cause: Option<Cause>,
    staged: Vec<Published>,
    staged_bytes: usize,
    published: Vec<Published>,
    logs: Vec<LogLine>,
    store: Store,
    #[cfg(feature = "http")]
    server: Option<HttpServer>,
    #[cfg(feature = "http")]
    requests: Vec<crate::http::Request>,
}

/// What published events take over from the event that is being handled.
struct Cause {
    id: String,
    subject: Option<String>,
    traceparent: Option<String>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            grants: vec![">".to_owned()],
            publishes_max: 64,
            publish_bytes_max: 1 << 20,
            cause: None,
            staged: Vec::new(),
            staged_bytes: 0,
            published: Vec::new(),
            logs: Vec::new(),
            store: Store::default(),
            #[cfg(feature = "http")]
            server: None,
            #[cfg(feature = "http")]
            requests: Vec::new(),
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("published", &self.published).field("logs", &self.logs).finish_non_exhaustive()
    }
}

impl Recorder {
    /// An event is about to be handled.
    pub(crate) fn begin(&mut self, event: &Event) {
        self.cause = Some(Cause {
            id: event.id.clone(),
            subject: event.subject.clone(),
            traceparent: event.extension("traceparent").map(str::to_owned),
        });
    }

    /// The host's `publish`.
    pub(crate) fn publish(
        &mut self,
        topic: String,
        payload: Payload,
        mut extensions: Vec<(String, String)>,
    ) -> Result<String, PublishError> {
        let Some(cause) = &self.cause else {
            return Err(PublishError::Denied("publishing is not allowed in `init`".into()));
        };
        // Before the checks, as on the host: what is passed on counts.
        if let Some(parent) = &cause.traceparent
            && !extensions.iter().any(|(name, _)| name == "traceparent")
        {
            extensions.push(("traceparent".to_owned(), parent.clone()));
        }
        check(&topic, &payload, &extensions).map_err(PublishError::Invalid)?;
        if topic::is_host(&topic) {
            return Err(PublishError::Denied(format!("topic `{topic}` is the host's own")));
        }
        if !self.grants.iter().any(|filter| topic::matches(filter, &topic)) {
            return Err(PublishError::Denied(format!("no filter in the manifest's `publish` covers `{topic}`")));
        }
        let extension_bytes: usize = extensions.iter().map(|(name, value)| name.len() + value.len()).sum();
        let bytes = payload.bytes().len() + payload.content_type.len() + topic.len() + extension_bytes;
        let (count, bytes) = (self.staged.len() + 1, self.staged_bytes.saturating_add(bytes));
        if count > self.publishes_max || bytes > self.publish_bytes_max {
            return Err(PublishError::OverLimit(format!(
                "one event may publish at most {} events and {} bytes; this would be {count} events and {bytes} bytes",
                self.publishes_max, self.publish_bytes_max
            )));
        }
        let id = format!("{}/{count}", cause.id);
        self.staged_bytes = bytes;
        self.staged.push(Published { id: id.clone(), topic, subject: cause.subject.clone(), payload, extensions });
        Ok(id)
    }

    /// The host's `log`.
    pub(crate) fn log(&mut self, level: Level, context: &str, message: &str) {
        self.logs.push(LogLine { level, context: context.to_owned(), message: message.to_owned() });
    }

    /// The store, while an event is handled.
    pub(crate) fn store(&mut self) -> Result<&mut Store, StateError> {
        match self.cause {
            Some(_) => Ok(&mut self.store),
            None => Err(StateError::Refused("the store is not there in `init`".into())),
        }
    }

    pub(crate) fn committed(&self, bucket: &str, key: &str) -> Option<&[u8]> {
        self.store.committed(bucket, key)
    }

    pub(crate) fn limit_state_bytes(&mut self, bytes_max: usize) {
        self.store.bytes_max = bytes_max;
    }

    /// Goes on with what another has logged.
    pub(crate) fn take_logs(&mut self, mut other: Self) {
        self.logs.append(&mut other.logs);
    }

    /// The handler acked.
    pub(crate) fn release_staged(&mut self) {
        self.store.commit();
        self.published.append(&mut self.staged);
        self.forget_staged();
    }

    /// The handler failed, or `init` is over.
    pub(crate) fn forget_staged(&mut self) {
        self.staged.clear();
        self.staged_bytes = 0;
        self.store.forget_staged();
        self.cause = None;
    }

    pub(crate) fn published(&self) -> &[Published] {
        &self.published
    }

    pub(crate) fn take_published(&mut self) -> Vec<Published> {
        std::mem::take(&mut self.published)
    }

    pub(crate) fn logs(&self) -> &[LogLine] {
        &self.logs
    }
}

#[cfg(feature = "http")]
impl Recorder {
    pub(crate) fn set_http_server(&mut self, server: HttpServer) {
        self.server = Some(server);
    }

    /// Takes the server out for the length of a request.
    pub(crate) fn take_http_server(&mut self) -> Option<HttpServer> {
        self.server.take()
    }

    pub(crate) fn record_http(&mut self, request: crate::http::Request, server: HttpServer) {
        self.requests.push(request);
        self.server = Some(server);
    }

    pub(crate) fn requests(&self) -> &[crate::http::Request] {
        &self.requests
    }
}

/// The checks of the bus on an event, for what a plugin can get wrong.
fn check(topic: &str, payload: &Payload, extensions: &[(String, String)]) -> Result<(), String> {
    topic::check(topic).map_err(|error| format!("topic `{}` {error}", topic.escape_debug()))?;
    let media = &payload.content_type;
    if media.len() > CONTENT_TYPE_BYTES_MAX || media.chars().any(char::is_control) {
        return Err(format!("content type has {} bytes or a control character", media.len()));
    }
    if extensions.len() > EXTENSIONS_MAX {
        return Err(format!("{} extensions; at most {EXTENSIONS_MAX} are allowed", extensions.len()));
    }
    for (name, value) in extensions {
        let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if !plain || !(1..=EXTENSION_NAME_MAX).contains(&name.len()) || RESERVED.contains(&name.as_str()) {
            return Err(format!(
                "extension `{}`: its name must be 1 to {EXTENSION_NAME_MAX} of a-z and 0-9, and no attribute of CloudEvents",
                name.escape_debug()
            ));
        }
        if value.len() > EXTENSION_VALUE_MAX || value.chars().any(char::is_control) {
            return Err(format!(
                "extension `{name}`: its value is over {EXTENSION_VALUE_MAX} bytes or has a control character"
            ));
        }
    }
    Ok(())
}

/// Names that CloudEvents and the host use for themselves.
const RESERVED: &[&str] =
    &["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data", "database64", "seq"];
