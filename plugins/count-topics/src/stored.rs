//! The same counts in the plugin's store: each instance counts in it, and an event counts if and only if it is acked.

use std::borrow::Cow;

use plugbus_sdk::prelude::*;
use plugbus_sdk::state::Bucket;

use crate::counts::Summary;

/// Events counted, those that are counted together, and topics that are counted one by one.
const TOTAL: &str = "total";
const OTHER: &str = "other";
const KNOWN: &str = "known";

/// The counts in the store.
#[derive(Debug)]
pub(crate) struct Stored {
    /// The sums.
    sums: Bucket,
    /// A key for each topic: a topic has at most as many bytes as a key may have.
    topics: Bucket,
    topics_max: u64,
}

impl Stored {
    pub(crate) fn open(topics_max: usize) -> Result<Self> {
        let topics_max = u64::try_from(topics_max)?;
        Ok(Self { sums: Bucket::open("sums")?, topics: Bucket::open("topics")?, topics_max })
    }

    /// Counts an event; how many there were in all.
    pub(crate) fn count(&self, topic: &str) -> Result<u64> {
        if self.topics.exists(topic)? {
            self.topics.increment(topic, 1)?;
        } else if self.sums.get::<u64>(KNOWN)?.unwrap_or(0) < self.topics_max {
            self.topics.increment(topic, 1)?;
            self.sums.increment(KNOWN, 1)?;
        } else {
            self.sums.increment(OTHER, 1)?;
        }
        Ok(self.sums.increment(TOTAL, 1)?)
    }

    pub(crate) fn summary(&self) -> Result<Summary<'static>> {
        Ok(Summary {
            total: self.sums.get(TOTAL)?.unwrap_or(0),
            other: self.sums.get(OTHER)?.unwrap_or(0),
            topics: Cow::Owned(self.topics.entries()?),
        })
    }
}
