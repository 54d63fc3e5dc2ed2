//! Why an operation on the store was refused, in the words that the guest gets.

use plugbus_bus::StateError;
use wasmtime::component::ResourceTableError;

use super::BATCH_KEYS_MAX;
use super::bindings::wasi::keyvalue::store::Error;
use super::pages::PAGES_MAX;
use crate::text::{cut, prefix};

/// Most bytes of a key in a message, before it is escaped.
const SHOWN_BYTES_MAX: usize = 80;
/// Most bytes of a message.
const MESSAGE_BYTES_MAX: usize = 1 << 10;

/// Why an operation was refused.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// A name that no bucket can have.
    NoSuchStore,
    /// There is no delivery to commit with.
    NotInInit,
    /// The instance holds as many resources as it may.
    Resources,
    /// The store's own word, about a key if it is about one.
    Store { place: String, error: StateError },
    /// A value that `increment` cannot add to.
    Increment { key: String, problem: &'static str },
    /// A cursor that is not, or no longer, good.
    Cursor(u64),
    /// A batch of too many keys.
    BatchKeys { keys: usize },
    /// A batch whose values are too long together.
    BatchBytes { bytes_max: u64 },
    /// What no guest can bring about with the functions that it has: the call ends.
    Broken(ResourceTableError),
}

impl Refusal {
    /// The store's word about a key.
    pub(super) fn of_key(bucket: &str, key: &str, error: StateError) -> Self {
        Self::Store { place: format!("key `{}` of bucket `{}`", shown(key), shown(bucket)), error }
    }

    /// The store's word about a bucket.
    pub(super) fn of_bucket(bucket: &str, error: StateError) -> Self {
        Self::Store { place: format!("bucket `{}`", shown(bucket)), error }
    }

    /// The error as the interface has it.
    pub(super) fn into_error(self) -> wasmtime::Result<Error> {
        let text = match self {
            Self::NoSuchStore => return Ok(Error::NoSuchStore),
            Self::Broken(error) => return Err(error.into()),
            Self::NotInInit => {
                "the store is not there in `init`: what is written is committed with the ack of an event; open buckets \
                 there, and read and write while handling one"
                    .to_owned()
            }
            Self::Resources => {
                "the instance holds as many resources of the host as it may; drop buckets first".to_owned()
            }
            Self::Store { place, error } => in_words(&place, &error),
            Self::Increment { key, problem } => format!("key `{}` cannot be incremented: {problem}", shown(&key)),
            Self::Cursor(cursor) => format!(
                "cursor {cursor} is none: a cursor is good for its bucket, in the call that got it, for {PAGES_MAX} pages"
            ),
            Self::BatchKeys { keys } => format!("a batch of {keys} keys; at most {BATCH_KEYS_MAX} are allowed"),
            Self::BatchBytes { bytes_max } => {
                format!(
                    "the values of the batch have more than {bytes_max} bytes together (`hostcall_bytes`); ask for fewer"
                )
            }
        };
        Ok(Error::Other(cut(&text, MESSAGE_BYTES_MAX).into_owned()))
    }
}

/// The store's word with the key of the manifest that sets the bound.
fn in_words(place: &str, error: &StateError) -> String {
    let limit = match error {
        StateError::Key { .. } => " (`kv_key_bytes`)",
        StateError::Value { .. } => " (`kv_value_bytes`)",
        StateError::Full { .. } => " (`kv_bytes`)",
        _ => "",
    };
    let mut text = format!("{place}: {error}{limit}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn shown(name: &str) -> String {
    let start = prefix(name, SHOWN_BYTES_MAX);
    let more = if start.len() < name.len() { "…" } else { "" };
    format!("{}{more}", start.escape_debug())
}

impl From<ResourceTableError> for Refusal {
    fn from(error: ResourceTableError) -> Self {
        match error {
            ResourceTableError::Full => Self::Resources,
            other => Self::Broken(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_key_the_limit_and_where_it_is_set() {
        let table = [
            (
                Refusal::of_key("default", "a\nb", StateError::Value { bytes: 9, max: 8 }),
                "key `a\\nb` of bucket `default`: a value of 9 bytes; at most 8 are allowed (`kv_value_bytes`)",
            ),
            (
                Refusal::of_key("b", &"k".repeat(300), StateError::Key { bytes: 300, max: 256 }),
                "kkk…` of bucket `b`: a bucket or key of 300 bytes; 1 to 256 are allowed (`kv_key_bytes`)",
            ),
            (Refusal::of_key("b", "k", StateError::Full { bytes: 9, max: 8 }), "delete keys first (`kv_bytes`)"),
            (
                Refusal::of_bucket("b", StateError::Journal(plugbus_bus::journal::JournalError::Closed)),
                "bucket `b`: the store cannot be read: the journal is closed",
            ),
            (Refusal::BatchKeys { keys: 2000 }, "2000 keys; at most 1024"),
            (Refusal::Cursor(7), "cursor 7 is none"),
        ];
        for (refusal, expected) in table {
            let Ok(Error::Other(text)) = refusal.into_error() else { panic!("{expected}") };
            assert!(text.contains(expected), "{text}");
        }
        assert!(matches!(Refusal::NoSuchStore.into_error(), Ok(Error::NoSuchStore)));
    }
}
