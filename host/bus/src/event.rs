//! The event, and the draft that a publisher fills in.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use crate::topic::{Topic, TopicError};
use crate::trace::{TRACEPARENT, TRACESTATE};

/// Most bytes in an event's id, source or content type.
pub const ATTRIBUTE_BYTES_MAX: usize = 255;
/// Most bytes in an event's subject or the value of an extension.
pub const VALUE_BYTES_MAX: usize = 4096;
/// Most characters in the name of an extension (CloudEvents 1.0 recommends this bound).
pub const EXTENSION_NAME_MAX: usize = 20;
/// The content type of JSON data.
pub const JSON: &str = "application/json";

/// Data with its media type. Cloning shares the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// RFC 2046 media type; `application/octet-stream` where nothing better is known.
    pub content_type: Arc<str>,
    /// The bytes. Never copied inside the host.
    pub data: Bytes,
}

impl Payload {
    /// A payload of the given media type.
    pub fn new(content_type: impl Into<Arc<str>>, data: impl Into<Bytes>) -> Self {
        Self { content_type: content_type.into(), data: data.into() }
    }

    /// UTF-8 text, `text/plain`.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new("text/plain; charset=utf-8", text.into())
    }

    /// A value as JSON.
    ///
    /// # Errors
    /// Where the value has no JSON form (a map with keys that are not strings, say).
    pub fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        Ok(Self::new(JSON, serde_json::to_vec(value)?))
    }

    /// No data.
    #[must_use]
    pub fn empty() -> Self {
        Self::new("application/octet-stream", Bytes::new())
    }

    /// Whether the media type says JSON (`application/json` or `…+json`, with or without parameters).
    #[must_use]
    pub fn is_json(&self) -> bool {
        let media = self.content_type.split(';').next().unwrap_or_default().trim();
        media.eq_ignore_ascii_case(JSON) || media.to_ascii_lowercase().ends_with("+json")
    }

    /// Reads the data as JSON.
    ///
    /// # Errors
    /// Where the data is not JSON of that shape.
    pub fn parse<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.data)
    }
}

/// One thing that happened: the attributes of CloudEvents 1.0 (`type` is called `topic`) as the bus accepted it.
/// Immutable and shared; a subscription sees the same value as every other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Unique together with `source`; a UUIDv7 where the publisher named none.
    pub id: Arc<str>,
    /// Who published it.
    pub source: Arc<str>,
    /// What subscriptions match on.
    pub topic: Topic,
    /// What the event is about.
    pub subject: Option<Arc<str>>,
    /// Nanoseconds since the Unix epoch, as the publisher or else the bus stamped it.
    pub time_ns: u64,
    /// The data.
    pub payload: Payload,
    /// CloudEvents extension attributes, sorted by name, each name once; `dataschema` is kept here too.
    pub extensions: Vec<(Arc<str>, Arc<str>)>,
    /// The bus's own number: strictly rising with acceptance, no meaning across restarts of an in-memory bus.
    pub seq: u64,
    /// How many handlers stand between this event and the one from outside that began it.
    pub hops: u8,
}

impl Event {
    /// Starts a draft. See [`Draft`].
    ///
    /// # Errors
    /// Where the text is not a topic.
    pub fn draft(topic: impl AsRef<str>) -> Result<Draft, TopicError> {
        Ok(Draft::new(Topic::parse(topic)?))
    }

    /// The value of an extension.
    #[must_use]
    pub fn extension(&self, name: &str) -> Option<&str> {
        self.extensions.iter().find(|(key, _)| &**key == name).map(|(_, value)| &**value)
    }

    /// When the event happened, as a system time.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.time_ns)
    }

    /// Roughly what the event occupies, for the bounds in bytes on queues and stores.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let (id, source) = (self.id.len(), self.source.len());
        id + source + body_bytes(&self.topic, self.subject.as_deref(), &self.payload, &self.extensions)
    }
}

/// What an event occupies beside its id and source.
fn body_bytes(topic: &Topic, subject: Option<&str>, payload: &Payload, extensions: &[(Arc<str>, Arc<str>)]) -> usize {
    let extensions: usize = extensions.iter().map(|(k, v)| k.len() + v.len() + 32).sum();
    size_of::<Event>()
        + topic.as_str().len()
        + subject.map_or(0, str::len)
        + payload.content_type.len()
        + payload.data.len()
        + extensions
}

/// Bytes of an id that the bus makes.
const NEW_ID_BYTES: usize = 36;

/// What a publisher hands to the bus: everything but the topic may be left to defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// A UUIDv7 is made when absent.
    pub id: Option<Arc<str>>,
    /// The bus's default source when absent.
    pub source: Option<Arc<str>>,
    /// Where to publish.
    pub topic: Topic,
    /// What the event is about.
    pub subject: Option<Arc<str>>,
    /// Nanoseconds since the Unix epoch; the time of acceptance when absent.
    pub time_ns: Option<u64>,
    /// The data; empty by default.
    pub payload: Payload,
    /// Extension attributes in any order; of a name given twice the last one counts.
    pub extensions: Vec<(Arc<str>, Arc<str>)>,
    /// See [`Event::hops`]; set by [`Draft::caused_by`].
    pub hops: u8,
}

impl From<&Event> for Draft {
    /// The event as its publisher could have drafted it: the same id and source, and not yet on its way.
    fn from(event: &Event) -> Self {
        Self {
            id: Some(event.id.clone()),
            source: Some(event.source.clone()),
            topic: event.topic.clone(),
            subject: event.subject.clone(),
            time_ns: Some(event.time_ns),
            payload: event.payload.clone(),
            extensions: event.extensions.clone(),
            hops: event.hops,
        }
    }
}

impl Draft {
    /// A draft without data.
    #[must_use]
    pub fn new(topic: Topic) -> Self {
        Self {
            id: None,
            source: None,
            topic,
            subject: None,
            time_ns: None,
            payload: Payload::empty(),
            extensions: Vec::new(),
            hops: 0,
        }
    }

    /// Sets the id. With the source it names the event for good: a publisher that repeats itself uses the same one.
    #[must_use]
    pub fn id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets the source.
    #[must_use]
    pub fn source(mut self, source: impl Into<Arc<str>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Sets the subject.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<Arc<str>>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Sets the time, in nanoseconds since the Unix epoch.
    #[must_use]
    pub fn time_ns(mut self, time_ns: u64) -> Self {
        self.time_ns = Some(time_ns);
        self
    }

    /// Sets the data.
    #[must_use]
    pub fn payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }

    /// Sets the data to a value as JSON.
    ///
    /// # Errors
    /// Where the value has no JSON form.
    pub fn json<T: serde::Serialize + ?Sized>(self, value: &T) -> Result<Self, serde_json::Error> {
        Ok(self.payload(Payload::json(value)?))
    }

    /// Sets the data to text.
    #[must_use]
    pub fn text(self, text: impl Into<String>) -> Self {
        self.payload(Payload::text(text))
    }

    /// Adds an extension attribute.
    #[must_use]
    pub fn extension(mut self, name: impl Into<Arc<str>>, value: impl Into<Arc<str>>) -> Self {
        self.extensions.push((name.into(), value.into()));
        self
    }

    /// What [`Event::size_bytes`] will say of it, or a little less where an extension is given twice.
    pub(crate) fn size_bytes(&self, source: &str) -> usize {
        let id = self.id.as_deref().map_or(NEW_ID_BYTES, str::len);
        id + source.len() + body_bytes(&self.topic, self.subject.as_deref(), &self.payload, &self.extensions)
    }

    /// Marks the draft as a consequence of an event: one hop further, `traceparent` (with `tracestate`) and subject passed on unless the
    /// draft has its own.
    #[must_use]
    pub fn caused_by(mut self, cause: &Event) -> Self {
        self.hops = cause.hops.saturating_add(1);
        if self.subject.is_none() {
            self.subject.clone_from(&cause.subject);
        }
        let traced = self.extensions.iter().any(|(name, _)| &**name == TRACEPARENT);
        if !traced && let Some(parent) = cause.extension(TRACEPARENT) {
            self.extensions.push((TRACEPARENT.into(), parent.into()));
            // It belongs to the parent: the one means nothing without the other.
            if let Some(state) = cause.extension(TRACESTATE) {
                self.extensions.push((TRACESTATE.into(), state.into()));
            }
        }
        self
    }
}

/// Why a draft is not acceptable as an event. Says what, by how much, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEvent {
    /// The data is over the bus's limit.
    #[error("data has {bytes} bytes; at most {limit_bytes} are allowed here: send a reference to large data instead")]
    DataTooLarge {
        /// Bytes found.
        bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// An attribute is empty, too long or has control characters.
    #[error("{attribute} {problem}")]
    Attribute {
        /// Which one.
        attribute: &'static str,
        /// What is wrong and what is allowed.
        problem: String,
    },
    /// An extension's name or value is not allowed.
    #[error("extension `{}` {problem}", name.escape_debug())]
    Extension {
        /// Its name.
        name: String,
        /// What is wrong and what is allowed.
        problem: String,
    },
    /// More extensions than the limit.
    #[error("{count} extensions; at most {limit} are allowed")]
    TooManyExtensions {
        /// Extensions found.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// Only the host publishes on `plugbus.`.
    #[error("topic `{0}` is the host's own; publish under another first token than `plugbus`")]
    HostTopic(Topic),
}

/// Bounds on one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventLimits {
    /// Bytes of data. Default 1 MiB. Worst case: this × queue bound × subscriptions that are behind.
    pub data_bytes_max: usize,
    /// Number of extensions. Default 32.
    pub extensions_max: usize,
}

impl Default for EventLimits {
    fn default() -> Self {
        Self { data_bytes_max: 1 << 20, extensions_max: 32 }
    }
}

impl EventLimits {
    /// Checks everything about a draft but its topic, which cannot be malformed. Pure.
    ///
    /// # Errors
    /// [`InvalidEvent`] names the first thing that is wrong.
    pub fn check(&self, draft: &Draft) -> Result<(), InvalidEvent> {
        let bytes = draft.payload.data.len();
        if bytes > self.data_bytes_max {
            return Err(InvalidEvent::DataTooLarge { bytes, limit_bytes: self.data_bytes_max });
        }
        if let Some(id) = &draft.id {
            check_attribute("id", id, 1, ATTRIBUTE_BYTES_MAX)?;
        }
        if let Some(source) = &draft.source {
            check_attribute("source", source, 1, ATTRIBUTE_BYTES_MAX)?;
        }
        if let Some(subject) = &draft.subject {
            check_attribute("subject", subject, 1, VALUE_BYTES_MAX)?;
        }
        check_attribute("content type", &draft.payload.content_type, 0, ATTRIBUTE_BYTES_MAX)?;
        check_extensions(&draft.extensions, self.extensions_max)
    }
}

fn check_attribute(
    attribute: &'static str,
    text: &str,
    bytes_min: usize,
    bytes_max: usize,
) -> Result<(), InvalidEvent> {
    let problem = if text.len() < bytes_min {
        "is empty; leave it out or give it a value".into()
    } else if text.len() > bytes_max {
        format!("has {} bytes; at most {bytes_max} are allowed", text.len())
    } else if has_control(text) {
        "has a control character; none are allowed".into()
    } else {
        return Ok(());
    };
    Err(InvalidEvent::Attribute { attribute, problem })
}

fn has_control(text: &str) -> bool {
    // Nearly every text is plain ASCII, of which that is seen faster than character by character.
    !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && text.chars().any(char::is_control)
}

fn check_extensions(extensions: &[(Arc<str>, Arc<str>)], limit: usize) -> Result<(), InvalidEvent> {
    // The bus adds these two by itself where a trace goes on: they do not count, each once.
    let is_trace = |name: &str| name == TRACEPARENT || name == TRACESTATE;
    let own = extensions.iter().filter(|(name, _)| !is_trace(name)).count();
    let count = own.max(extensions.len().saturating_sub(2));
    if count > limit {
        return Err(InvalidEvent::TooManyExtensions { count, limit });
    }
    for (name, value) in extensions {
        let problem = if name.is_empty() || name.len() > EXTENSION_NAME_MAX {
            format!("has a name of {} bytes; 1 to {EXTENSION_NAME_MAX} are allowed", name.len())
        } else if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
            "has a name with other characters than a to z and 0 to 9".into()
        } else if RESERVED.contains(&&**name) {
            "is the name of an attribute of CloudEvents itself; choose another".into()
        } else if value.len() > VALUE_BYTES_MAX {
            format!("has a value of {} bytes; at most {VALUE_BYTES_MAX} are allowed", value.len())
        } else if has_control(value) {
            "has a control character in its value; none are allowed".into()
        } else {
            continue;
        };
        // The name is cut: it comes from outside and goes into messages.
        return Err(InvalidEvent::Extension { name: name.chars().take(40).collect(), problem });
    }
    Ok(())
}

/// Names that CloudEvents 1.0 and its JSON format use for themselves, and `seq`, which is the host's. `dataschema` is not among
/// them: it goes through the host as an extension does.
const RESERVED: &[&str] =
    &["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data", "database64", "seq"];

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft {
        Event::draft("a.b").unwrap()
    }

    #[test]
    fn a_plain_draft_is_accepted() {
        assert_eq!(EventLimits::default().check(&draft().id("1").source("s").extension("traceparent", "00-x")), Ok(()));
    }

    #[test]
    fn every_limit_refuses_what_is_one_over_and_takes_what_fits() {
        let limits = EventLimits { data_bytes_max: 4, extensions_max: 1 };
        let check = |draft: Draft| limits.check(&draft).is_ok();
        assert!(check(draft().text("abcd")));
        assert!(!check(draft().text("abcde")));
        assert!(check(draft().extension("a", "")));
        assert!(!check(draft().extension("a", "").extension("b", "")));
        let traced = draft().extension("traceparent", "").extension("a", "").extension("tracestate", "");
        assert!(check(traced.clone()));
        assert!(!check(traced.extension("traceparent", "")));
        assert!(check(draft().id("x".repeat(255))));
        assert!(!check(draft().id("x".repeat(256))));
        assert!(!check(draft().id("")));
        assert!(!check(draft().source("a\nb")));
        assert!(!check(draft().subject("x".repeat(4097))));
        assert!(!check(draft().extension("x".repeat(21), "")));
        assert!(!check(draft().extension("Upper", "")));
        assert!(!check(draft().extension("type", "")));
        assert!(!check(draft().extension("a", "x".repeat(4097))));
        assert!(!check(draft().payload(Payload::new("x".repeat(256), ""))));
    }

    #[test]
    fn a_consequence_passes_on_trace_and_subject_and_counts_hops() {
        let mut cause = Event {
            id: "1".into(),
            source: "s".into(),
            topic: Topic::parse("a").unwrap(),
            subject: Some("session".into()),
            time_ns: 0,
            payload: Payload::empty(),
            extensions: vec![("traceparent".into(), "00-aa".into())],
            seq: 1,
            hops: 3,
        };
        let next = draft().caused_by(&cause);
        assert_eq!((next.hops, next.subject.as_deref()), (4, Some("session")));
        assert_eq!(next.extensions, cause.extensions);
        let own = draft().extension("traceparent", "00-bb").subject("own").caused_by(&cause);
        assert_eq!((own.extensions.len(), own.subject.as_deref()), (1, Some("own")));
        cause.hops = u8::MAX;
        assert_eq!(draft().caused_by(&cause).hops, u8::MAX);
    }

    #[test]
    fn json_is_recognised_by_media_type() {
        for (text, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/cloudevents+json", true),
            ("text/json-ish", false),
            ("", false),
        ] {
            assert_eq!(Payload::new(text, "").is_json(), expected, "{text}");
        }
    }
}
