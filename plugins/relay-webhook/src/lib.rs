//! Posts events to a URL: each by itself or several together, as they are or by a template, signed or not.

mod batch;
mod config;
mod post;
mod sign;
mod template;

use plugbus_sdk::prelude::*;

pub use batch::BatchConfig;
use batch::{Added, Pending};
pub use config::{Config, Format};
use post::Poster;
pub use sign::SignConfig;
pub use template::TemplateConfig;

/// What failures call the other side.
const SERVER: &str = "webhook";

/// The plugin. What it remembers is in its store, and only with `[config.batch]`; without, any number of instances may share
/// the work.
pub struct RelayWebhook {
    poster: Poster,
    batch: Option<BatchConfig>,
    /// It has looked whether an earlier configuration has left something in the store.
    has_looked: bool,
}

impl Plugin for RelayWebhook {
    /// Everything but the host's own events; name what you want in the manifest's `filters`.
    const FILTERS: &[&str] = &[">"];
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        let wrong = |problem| Failure::reject(format!("config: {problem}"));
        config.check().map_err(wrong)?;
        let poster = Poster::new(&config, |name| std::env::var(name).ok()).map_err(wrong)?;
        Ok(Self { poster, batch: config.batch, has_looked: false })
    }

    fn handle(&mut self, event: Event) -> Result<Reply> {
        match &self.batch {
            None => {
                self.look_for_a_batch()?;
                if !event.is_tick() {
                    self.poster.one(event)?.send()?.verdict(SERVER)?;
                }
            }
            Some(config) if event.is_tick() => on_tick(&self.poster, config)?,
            Some(config) => on_event(&self.poster, config, &event.to_cloudevent())?,
        }
        Ok(Reply::none())
    }
}

impl RelayWebhook {
    /// Says so where events wait that nobody will send: `[config.batch]` was taken away.
    fn look_for_a_batch(&mut self) -> Result<()> {
        if !std::mem::replace(&mut self.has_looked, true) {
            match Pending::open()?.count() {
                0 => {}
                count => log::warn!(
                    "{count} events wait in the store for a batch: set `[config.batch]` again and they are sent"
                ),
            }
        }
        Ok(())
    }
}

/// An event waits for others, or makes the batch that is sent. It is acked with what it wrote into the store; fails the
/// request, the event was never there and comes again, while those before it stay where they are.
fn on_event(poster: &Poster, config: &BatchConfig, event: &str) -> Result<()> {
    let mut pending = Pending::open()?;
    let was_full = pending.is_full_for(config, event);
    if was_full {
        send(poster, config, &mut pending, None)?;
    }
    match pending.add(event)? {
        Added::NoRoom => send(poster, config, &mut pending, Some(event)),
        // One request for an event: should a second fail, the first would be repeated.
        Added::Waits if pending.is_due(config) && !was_full => send(poster, config, &mut pending, None),
        Added::Waits => Ok(()),
    }
}

/// Time has passed. A tick is not repeated, the next one comes anyway.
fn on_tick(poster: &Poster, config: &BatchConfig) -> Result<()> {
    let mut pending = Pending::open()?;
    if !pending.is_due(config) {
        return Ok(());
    }
    send(poster, config, &mut pending, None).inspect_err(|failure| {
        log::warn!("{} events wait on: {}", pending.count(), failure.reason());
    })
}

/// Sends what waits, and one event more where the store had no room for it.
fn send(poster: &Poster, config: &BatchConfig, pending: &mut Pending, last: Option<&str>) -> Result<()> {
    let mut events = pending.events()?;
    events.extend(last.map(str::to_owned));
    let answer = poster.batch(&events).and_then(|request| request.send()?.verdict(SERVER));
    match (answer, &config.refused_topic) {
        (Err(failure), Some(topic)) if !failure.is_retry() => {
            let events: Vec<Value> =
                events.iter().map(|event| serde_json::from_str(event)).collect::<Result<_, _>>()?;
            publish(topic, &json!({ "reason": failure.reason(), "events": events }))?;
            log::warn!("{} events were refused and are on `{topic}`: {}", events.len(), failure.reason());
        }
        (answer, _) => answer?,
    }
    Ok(pending.clear()?)
}

plugbus_sdk::export!(RelayWebhook);

#[cfg(test)]
mod tests;
