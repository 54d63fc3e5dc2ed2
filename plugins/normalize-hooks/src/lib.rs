//! Turns the JSON of Claude Code's hooks into events of one schema.
//!
//! In: what a hook gets on stdin, published as it is on `hook.raw`. Out: one event on `hook.<type>`, or `hook.<type>.<tool>`
//! for a hook about a tool, whose data is a `schema::Normalized`. See the README for the rules.

mod hook;
mod schema;

use plugbus_sdk::prelude::*;

use hook::Hook;

/// What the extension `normalizer` says in a build with the feature `stamp`.
const STAMP: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// The plugin: it keeps no state, so any number of instances gives the same result.
pub struct NormalizeHooks {
    config: Config,
}

/// The manifest's `[config]` table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What the hooks are of: `source` of the schema.
    #[serde(default = "claude_code")]
    source: String,
    /// First token of the topics that are published.
    #[serde(default = "hook")]
    prefix: String,
}

fn claude_code() -> String {
    "claude-code".to_owned()
}

fn hook() -> String {
    "hook".to_owned()
}

impl Plugin for NormalizeHooks {
    const FILTERS: &[&str] = &["hook.raw"];
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        plugbus_sdk::topic::check(&config.prefix)
            .map_err(|error| Failure::reject(format!("config: key `prefix` {error}")))?;
        Ok(Self { config })
    }

    fn handle(&mut self, event: Event) -> Result<Reply> {
        let hook = Hook::parse(&event)?;
        if !hook.is_documented {
            log::info!("hook `{}` is not in the documentation this plugin knows", hook.name.escape_debug());
        }
        let topic = hook.topic(&self.config.prefix);
        let normalized = hook.normalize(&self.config.source, event.timestamp());
        let mut draft = Draft::new(topic).json(&normalized)?.extension("session", &normalized.session);
        if cfg!(feature = "stamp") {
            draft = draft.extension("normalizer", STAMP);
        }
        draft.publish()?;
        Ok(Reply::none())
    }
}

plugbus_sdk::export!(NormalizeHooks);

#[cfg(test)]
mod tests;
