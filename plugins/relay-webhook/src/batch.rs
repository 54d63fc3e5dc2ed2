//! Several events in one request: what waits for it stands in the plugin's store, written there with the ack of its event, so
//! that no event is lost between its ack and the request.

use std::time::{SystemTime, UNIX_EPOCH};

use plugbus_sdk::prelude::*;
use plugbus_sdk::state::{Bucket, StateError};

use crate::config::in_range;

/// The bucket of the store.
const BUCKET: &str = "batch";
/// The key of [`Head`]; every other one is an event's.
const HEAD: &str = "head";
/// Keys begin so; their numbers have as many digits as any has.
const EVENT: &str = "e/";
/// Bounds of the keys of `[config.batch]`. What is over `BYTES_MAX_MAX` would not fit into one publish on `refused_topic`.
const EVENTS_MAX_MAX: u64 = 1000;
const BYTES_MAX_MAX: u64 = 768 << 10;
const AGE_MS_MAX: u64 = 3_600_000;

/// The table `[config.batch]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchConfig {
    /// Most events of a request.
    #[serde(default = "hundred")]
    events_max: u64,
    /// Most bytes of a request's events.
    #[serde(default = "quarter_of_a_mib")]
    bytes_max: u64,
    /// Longest wait of an event for others. It ends with the next event or tick: give the manifest a `tick_ms`.
    #[serde(default = "five_seconds")]
    age_ms: u64,
    /// Where a batch is published that the receiver has refused for good; the next one goes on then. Without it the batch stays.
    pub(crate) refused_topic: Option<String>,
}

fn hundred() -> u64 {
    100
}

fn quarter_of_a_mib() -> u64 {
    256 << 10
}

fn five_seconds() -> u64 {
    5000
}

impl BatchConfig {
    pub(crate) fn check(&self) -> Result<(), String> {
        in_range("batch.events_max", self.events_max, 2, EVENTS_MAX_MAX)?;
        in_range("batch.bytes_max", self.bytes_max, 1024, BYTES_MAX_MAX)?;
        in_range("batch.age_ms", self.age_ms, 1, AGE_MS_MAX)?;
        self.refused_topic.as_ref().map_or(Ok(()), |topic| {
            plugbus_sdk::topic::check(topic).map_err(|error| format!("key `batch.refused_topic`: `{topic}` {error}"))
        })
    }
}

/// What is known of the events that wait without looking at them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    /// The number of the first; numbers go on rising from batch to batch.
    first: u64,
    /// How many there are.
    count: u64,
    /// Their bytes.
    bytes: u64,
    /// When the first of them came, in milliseconds since the Unix epoch.
    since_ms: u64,
}

impl Head {
    /// Whether there are as many, as large or as old as may be. Pure.
    fn is_due(&self, config: &BatchConfig, now_ms: u64) -> bool {
        // A clock that was set back says nothing of an age; then they go.
        let is_old = now_ms < self.since_ms || now_ms - self.since_ms >= config.age_ms;
        self.count > 0 && (self.count >= config.events_max || self.bytes >= config.bytes_max || is_old)
    }

    /// With one more event. Pure.
    fn with(self, bytes: u64, now_ms: u64) -> Self {
        let since_ms = if self.count == 0 { now_ms } else { self.since_ms };
        Self { count: self.count + 1, bytes: self.bytes + bytes, since_ms, ..self }
    }

    fn keys(&self) -> Vec<String> {
        (self.first..self.first + self.count).map(key).collect()
    }
}

fn key(number: u64) -> String {
    format!("{EVENT}{number:020}")
}

/// The events that wait, as one call of the handler sees them.
pub(crate) struct Pending {
    bucket: Bucket,
    head: Head,
}

/// What became of an event that was to wait.
pub(crate) enum Added {
    /// It waits.
    Waits,
    /// The store has no room for it.
    NoRoom,
}

impl Pending {
    pub(crate) fn open() -> Result<Self, StateError> {
        let bucket = Bucket::open(BUCKET)?;
        let head = bucket.get(HEAD)?.unwrap_or_default();
        Ok(Self { bucket, head })
    }

    pub(crate) fn count(&self) -> u64 {
        self.head.count
    }

    /// Whether they are to be sent.
    pub(crate) fn is_due(&self, config: &BatchConfig) -> bool {
        self.head.is_due(config, now_ms())
    }

    /// Whether they are to be sent before one of so many bytes joins them.
    pub(crate) fn is_full_for(&self, config: &BatchConfig, event: &str) -> bool {
        self.head.count > 0 && self.head.bytes + event.len() as u64 > config.bytes_max
    }

    /// Lets an event wait.
    pub(crate) fn add(&mut self, event: &str) -> Result<Added, StateError> {
        let head = self.head.with(event.len() as u64, now_ms());
        let key = key(self.head.first + self.head.count);
        match self.bucket.set_bytes(&key, event.as_bytes()).and_then(|()| self.bucket.set(HEAD, &head)) {
            Ok(()) => self.head = head,
            Err(StateError::Refused(_)) => {
                self.bucket.delete(&key)?;
                return Ok(Added::NoRoom);
            }
            Err(error) => return Err(error),
        }
        Ok(Added::Waits)
    }

    /// All of them, in order.
    pub(crate) fn events(&self) -> Result<Vec<String>> {
        let keys = self.head.keys();
        let found = self.bucket.get_many_bytes(&keys)?;
        if found.len() != keys.len() {
            return Err(Failure::retry(format!(
                "{} of {} events of the batch are in the store",
                found.len(),
                keys.len()
            )));
        }
        Ok(found.into_iter().map(|(_, event)| String::from_utf8(event)).collect::<Result<_, _>>()?)
    }

    /// They have been sent.
    pub(crate) fn clear(&mut self) -> Result<(), StateError> {
        for key in self.head.keys() {
            self.bucket.delete(&key)?;
        }
        self.head = Head { first: self.head.first + self.head.count, ..Head::default() };
        self.bucket.set(HEAD, &self.head)
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_due_by_number_by_bytes_and_by_age() {
        let config = BatchConfig { events_max: 3, bytes_max: 2000, age_ms: 500, refused_topic: None };
        let head = |count, bytes| Head { first: 7, count, bytes, since_ms: 10_000 };
        let table = [
            (head(0, 0), 99_999, false),
            (head(1, 10), 10_499, false),
            (head(1, 10), 10_500, true),
            (head(1, 10), 9_999, true),
            (head(2, 1999), 10_000, false),
            (head(2, 2000), 10_000, true),
            (head(3, 10), 10_000, true),
        ];
        for (head, now_ms, due) in table {
            assert_eq!(head.is_due(&config, now_ms), due, "{head:?} at {now_ms}");
        }
    }

    #[test]
    fn the_first_event_begins_the_age_and_keys_are_in_their_order() {
        let head = Head { first: 9, ..Head::default() }.with(10, 100).with(20, 200);
        assert_eq!(head, Head { first: 9, count: 2, bytes: 30, since_ms: 100 });
        assert_eq!(head.keys(), ["e/00000000000000000009", "e/00000000000000000010"]);
    }
}
