//! How an event lies in the journal: one record, which is a seal of five bytes and a content.
//!
//! ```text
//! seal     version u8 = 1, check u32 = CRC-32C over the event's number, the version and the content
//! content  accepted u64, time u64, hops u8, flags u8, extensions u16,
//!          id, source, topic, content type, [subject], (name, value) × extensions: each a u16 length and UTF-8,
//!          data: the rest
//! ```
//!
//! Numbers are little-endian. The number of the event is under the check but not in the record: a record that turns up
//! under another number does not check out. What bounds a record are the bounds of `plugbus_bus` on each attribute, and
//! [`RECORD_BYTES_MAX`] on the whole; [`decode`] takes any bytes, allocates nothing before it has seen them, and accepts
//! exactly what [`encode`] writes.

use std::sync::Arc;

use bytes::Bytes;
use plugbus_bus::event::{ATTRIBUTE_BYTES_MAX, EXTENSION_NAME_MAX, VALUE_BYTES_MAX};
use plugbus_bus::topic::TOPIC_BYTES_MAX;
use plugbus_bus::{Event, Payload, Topic};

mod cut;
#[cfg(test)]
mod tests;

use cut::Cut;

/// Most bytes in one record: 512 MiB, half of what one SQLite value may have.
pub const RECORD_BYTES_MAX: usize = 512 << 20;

/// Most extensions in one record.
pub const EXTENSIONS_MAX: usize = u16::MAX as usize;

/// The version of the record that is written.
const VERSION: u8 = 1;

/// Bytes before the content: version and check.
const SEAL_BYTES: usize = 5;

/// Set where the event has a subject.
const HAS_SUBJECT: u8 = 1;

/// Why bytes are not a record, or an event cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// It ends too early.
    #[error("it ends within its {0}")]
    Short(&'static str),
    /// A newer plugbus wrote it, or it is no record.
    #[error("it is of version {0}, and {VERSION} is the newest that is known here")]
    Version(u8),
    /// What was read is not what was written.
    #[error("its checksum is {found:08x}, and its content has {expected:08x}")]
    Checksum {
        /// As stored.
        found: u32,
        /// As computed.
        expected: u32,
    },
    /// A length over its bound.
    #[error("its {what} has {bytes} bytes, and at most {bytes_max} are allowed")]
    TooLong {
        /// Of what.
        what: &'static str,
        /// Bytes it has.
        bytes: usize,
        /// Bytes it may have.
        bytes_max: usize,
    },
    /// More extensions than a record holds.
    #[error("it has {0} extensions, and a record holds {EXTENSIONS_MAX}")]
    Extensions(usize),
    /// Something else that was never written so.
    #[error("its {0} is malformed")]
    Malformed(&'static str),
}

/// The content of a record, borrowed from its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// When the journal took the event, nanoseconds since the Unix epoch. Never falls from one number to the next.
    pub accepted_ns: u64,
    /// See [`Event::time_ns`].
    pub time_ns: u64,
    /// See [`Event::hops`].
    pub hops: u8,
    /// See [`Event::id`].
    pub id: &'a str,
    /// See [`Event::source`].
    pub source: &'a str,
    /// See [`Event::topic`].
    pub topic: Topic,
    /// See [`Payload::content_type`].
    pub content_type: &'a str,
    /// See [`Event::subject`].
    pub subject: Option<&'a str>,
    /// See [`Event::extensions`].
    pub extensions: Vec<(&'a str, &'a str)>,
    /// See [`Payload::data`].
    pub data: &'a [u8],
}

impl Record<'_> {
    /// The event, with its number. Copies everything once.
    #[must_use]
    pub fn to_event(&self, seq: u64) -> Event {
        Event {
            id: self.id.into(),
            source: self.source.into(),
            topic: self.topic.clone(),
            subject: self.subject.map(Arc::from),
            time_ns: self.time_ns,
            payload: Payload { content_type: self.content_type.into(), data: Bytes::copy_from_slice(self.data) },
            extensions: self.extensions.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            seq,
            hops: self.hops,
        }
    }
}

/// Writes the record of an event under its number ([`Event::seq`]) at the end of `out`, after clearing it.
///
/// # Errors
/// Where an attribute or the whole is over its bound; `out` then holds no record.
pub fn encode(event: &Event, accepted_ns: u64, out: &mut Vec<u8>) -> Result<(), CodecError> {
    out.clear();
    out.extend_from_slice(&[0; SEAL_BYTES]);
    encode_content(event, accepted_ns, out)?;
    if out.len() > RECORD_BYTES_MAX {
        return Err(CodecError::TooLong { what: "record", bytes: out.len(), bytes_max: RECORD_BYTES_MAX });
    }
    let check = check(event.seq, out.get(SEAL_BYTES..).unwrap_or_default());
    if let Some((version, rest)) = out.split_first_mut() {
        *version = VERSION;
        rest.iter_mut().zip(check.to_le_bytes()).for_each(|(to, from)| *to = from);
    }
    Ok(())
}

fn encode_content(event: &Event, accepted_ns: u64, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let extensions =
        u16::try_from(event.extensions.len()).map_err(|_| CodecError::Extensions(event.extensions.len()))?;
    out.extend_from_slice(&accepted_ns.to_le_bytes());
    out.extend_from_slice(&event.time_ns.to_le_bytes());
    out.push(event.hops);
    out.push(if event.subject.is_some() { HAS_SUBJECT } else { 0 });
    out.extend_from_slice(&extensions.to_le_bytes());
    put_text(out, "id", &event.id, ATTRIBUTE_BYTES_MAX)?;
    put_text(out, "source", &event.source, ATTRIBUTE_BYTES_MAX)?;
    put_text(out, "topic", event.topic.as_str(), TOPIC_BYTES_MAX)?;
    put_text(out, "content type", &event.payload.content_type, ATTRIBUTE_BYTES_MAX)?;
    if let Some(subject) = &event.subject {
        put_text(out, "subject", subject, VALUE_BYTES_MAX)?;
    }
    for (name, value) in &event.extensions {
        put_text(out, "extension's name", name, EXTENSION_NAME_MAX)?;
        put_text(out, "extension", value, VALUE_BYTES_MAX)?;
    }
    out.extend_from_slice(&event.payload.data);
    Ok(())
}

fn put_text(out: &mut Vec<u8>, what: &'static str, text: &str, bytes_max: usize) -> Result<(), CodecError> {
    let too_long = || CodecError::TooLong { what, bytes: text.len(), bytes_max };
    if text.len() > bytes_max {
        return Err(too_long());
    }
    let length = u16::try_from(text.len()).map_err(|_| too_long())?;
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// Takes the seal off the record that lies under a number, and gives its content back.
///
/// # Errors
/// Where the version is not known or the check does not hold.
pub fn unseal(seq: u64, record: &[u8]) -> Result<&[u8], CodecError> {
    let mut cut = Cut::new(record);
    let version = cut.byte("version")?;
    if version != VERSION {
        return Err(CodecError::Version(version));
    }
    let found = u32::from_le_bytes(cut.array("checksum")?);
    let content = cut.rest();
    let expected = check(seq, content);
    if found == expected { Ok(content) } else { Err(CodecError::Checksum { found, expected }) }
}

/// Reads the content of a record: any bytes at all may come here.
///
/// # Errors
/// Where they are not what [`encode`] writes.
pub fn decode(content: &[u8]) -> Result<Record<'_>, CodecError> {
    let mut cut = Cut::new(content);
    let accepted_ns = u64::from_le_bytes(cut.array("time of acceptance")?);
    let time_ns = u64::from_le_bytes(cut.array("time")?);
    let hops = cut.byte("hops")?;
    let flags = cut.byte("flags")?;
    if flags & !HAS_SUBJECT != 0 {
        return Err(CodecError::Malformed("flags"));
    }
    let count = u16::from_le_bytes(cut.array("number of extensions")?);
    let id = cut.text("id", ATTRIBUTE_BYTES_MAX)?;
    let source = cut.text("source", ATTRIBUTE_BYTES_MAX)?;
    let topic = cut.text("topic", TOPIC_BYTES_MAX)?;
    let topic = Topic::parse(topic).map_err(|_| CodecError::Malformed("topic"))?;
    let content_type = cut.text("content type", ATTRIBUTE_BYTES_MAX)?;
    let subject = if flags & HAS_SUBJECT == 0 { None } else { Some(cut.text("subject", VALUE_BYTES_MAX)?) };
    let mut extensions = Vec::new();
    for _ in 0..count {
        let name = cut.text("extension's name", EXTENSION_NAME_MAX)?;
        extensions.push((name, cut.text("extension", VALUE_BYTES_MAX)?));
    }
    let data = cut.rest();
    Ok(Record { accepted_ns, time_ns, hops, id, source, topic, content_type, subject, extensions, data })
}

/// Reads the record that lies under a number: [`unseal`], then [`decode`].
///
/// # Errors
/// As theirs.
pub fn read(seq: u64, record: &[u8]) -> Result<Record<'_>, CodecError> {
    decode(unseal(seq, record)?)
}

/// Only the time of acceptance of the record that lies under a number.
///
/// # Errors
/// As [`unseal`].
pub fn accepted_ns(seq: u64, record: &[u8]) -> Result<u64, CodecError> {
    Cut::new(unseal(seq, record)?).array("time of acceptance").map(u64::from_le_bytes)
}

/// The check of a row of another table: over its table's tag and all of its columns, each with its length.
pub(crate) fn row_check<'a>(tag: u8, columns: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    columns.into_iter().fold(crc32c::crc32c(&[tag]), |check, column| {
        let length = u64::try_from(column.len()).unwrap_or(u64::MAX);
        crc32c::crc32c_append(crc32c::crc32c_append(check, &length.to_le_bytes()), column)
    })
}

fn check(seq: u64, content: &[u8]) -> u32 {
    let seed = crc32c::crc32c_append(crc32c::crc32c(&seq.to_le_bytes()), &[VERSION]);
    crc32c::crc32c_append(seed, content)
}
