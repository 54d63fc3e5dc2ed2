//! Counts per topic, bounded in the number of topics.

use std::borrow::Cow;
use std::collections::BTreeMap;

use plugbus_sdk::prelude::*;

/// How many events each topic had.
#[derive(Debug)]
pub(crate) struct Counts {
    topics: BTreeMap<String, u64>,
    topics_max: usize,
    total: u64,
    other: u64,
}

/// The counts as they are published.
#[derive(Debug, Serialize)]
pub(crate) struct Summary<'a> {
    /// Events counted.
    pub(crate) total: u64,
    /// Events of topics that are not counted one by one, for there were `topics_max` others before.
    pub(crate) other: u64,
    /// Events of each topic.
    pub(crate) topics: Cow<'a, BTreeMap<String, u64>>,
}

impl Counts {
    pub(crate) fn new(topics_max: usize) -> Self {
        Self { topics: BTreeMap::new(), topics_max, total: 0, other: 0 }
    }

    /// Counts an event; how many there were in all.
    pub(crate) fn count(&mut self, topic: &str) -> u64 {
        self.total += 1;
        if let Some(count) = self.topics.get_mut(topic) {
            *count += 1;
        } else if self.topics.len() < self.topics_max {
            self.topics.insert(topic.to_owned(), 1);
        } else {
            self.other += 1;
        }
        self.total
    }

    pub(crate) fn summary(&self) -> Summary<'_> {
        Summary { total: self.total, other: self.other, topics: Cow::Borrowed(&self.topics) }
    }
}
