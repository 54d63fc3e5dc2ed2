//! Counts events per topic, publishes a summary every so many events, and answers a request for its counts.

mod counts;

use plugbus_sdk::prelude::*;
use plugbus_sdk::topic;

use counts::Counts;

/// The plugin. Its counts live as long as the instance: a reload begins again at zero.
pub struct CountTopics {
    config: Config,
    counts: Counts,
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
        Ok(Self { counts: Counts::new(config.topics_max), config })
    }

    fn filters(&self) -> Vec<String> {
        let mut filters = self.config.filters.clone();
        filters.push(self.request_topic());
        filters
    }

    fn handle(&mut self, event: Event) -> Result<Reply> {
        if event.topic == self.request_topic() {
            return Reply::json(&self.counts.summary());
        }
        // Its own summaries come back where the filters cover them; counting those would never end.
        if event.topic == self.config.topic {
            return Ok(Reply::none());
        }
        // A refused summary rejects the event, so it does not come again and is not counted twice.
        self.counts.count(&event.topic);
        let every = self.config.every_events;
        if every > 0 && self.counts.total().is_multiple_of(every) {
            publish(&self.config.topic, &self.counts.summary())?;
        }
        Ok(Reply::none())
    }
}

plugbus_sdk::export!(CountTopics);

#[cfg(test)]
mod tests;
