//! Counts events per topic, publishes a summary every so many events, and answers a request for its counts.

mod counts;
mod stored;

use plugbus_sdk::prelude::*;
use plugbus_sdk::topic;

use counts::{Counts, Summary};
use stored::Stored;

/// The plugin. Its counts live as long as the instance, or in the plugin's store.
pub struct CountTopics {
    config: Config,
    counts: Counting,
}

/// Where the counts are.
enum Counting {
    InMemory(Counts),
    InStore(Stored),
}

/// The manifest's `[config]` table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What is counted.
    #[serde(default = "everything")]
    filters: Vec<String>,
    /// A summary is published each time so many events were counted; 0 for never.
    #[serde(default = "hundred")]
    every_events: u64,
    /// Where the summary goes. A request on `<topic>.get` is answered with the counts.
    #[serde(default = "stats_topics")]
    topic: String,
    /// How many topics are counted one by one; events of further ones are counted together.
    #[serde(default = "thousand")]
    topics_max: usize,
    /// Whether the counts are kept in the plugin's store, where they outlast instances, reloads and restarts.
    #[serde(default)]
    durable_counts: bool,
}

/// Most topics that may be asked for: a summary of so many must fit into one publish.
const TOPICS_MAX: usize = 2000;

fn everything() -> Vec<String> {
    vec![">".to_owned()]
}

fn hundred() -> u64 {
    100
}

fn thousand() -> usize {
    1000
}

fn stats_topics() -> String {
    "stats.topics".to_owned()
}

impl Counting {
    fn new(config: &Config) -> Result<Self> {
        Ok(match config.durable_counts {
            true => Self::InStore(Stored::open(config.topics_max)?),
            false => Self::InMemory(Counts::new(config.topics_max)),
        })
    }

    fn count(&mut self, topic: &str) -> Result<u64> {
        match self {
            Self::InMemory(counts) => Ok(counts.count(topic)),
            Self::InStore(stored) => stored.count(topic),
        }
    }

    fn summary(&self) -> Result<Summary<'_>> {
        match self {
            Self::InMemory(counts) => Ok(counts.summary()),
            Self::InStore(stored) => stored.summary(),
        }
    }
}

impl CountTopics {
    fn request_topic(&self) -> String {
        format!("{}.get", self.config.topic)
    }
}

impl Plugin for CountTopics {
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        topic::check(&format!("{}.get", config.topic))
            .map_err(|error| Failure::reject(format!("config: key `topic`: `{}.get` {error}", config.topic)))?;
        if !(1..=TOPICS_MAX).contains(&config.topics_max) {
            return Err(Failure::reject(format!(
                "config: key `topics_max`: {} is not in 1 to {TOPICS_MAX}",
                config.topics_max
            )));
        }
        Ok(Self { counts: Counting::new(&config)?, config })
    }

    fn filters(&self) -> Vec<String> {
        let mut filters = self.config.filters.clone();
        filters.push(self.request_topic());
        filters
    }

    fn handle(&mut self, event: Event) -> Result<Reply> {
        if event.topic == self.request_topic() {
            return Reply::json(&self.counts.summary()?);
        }
        // Its own summaries come back where the filters cover them; counting those would never end.
        if event.topic == self.config.topic {
            return Ok(Reply::none());
        }
        // A refused summary rejects the event, so it does not come again and is not counted twice.
        let total = self.counts.count(&event.topic)?;
        let every = self.config.every_events;
        if every > 0 && total.is_multiple_of(every) {
            publish(&self.config.topic, &self.counts.summary()?)?;
        }
        Ok(Reply::none())
    }
}

plugbus_sdk::export!(CountTopics);

#[cfg(test)]
mod tests;
