//! The manifest `<name>.toml` beside a plugin's `<name>.wasm`: what the plugin gets, may use and may touch.
//!
//! Every key has a default, so a plugin without a manifest runs: on the filters it registers, within the default limits,
//! with nothing granted. A key that does not exist, a value of the wrong type or one outside its bounds refuses the plugin
//! with file, line, column and the nearest right key. Parsing is pure: no file, clock or environment is read.
//!
#![doc = include_str!("manifest/reference.md")]

mod error;
mod json;
mod keys;
mod reader;
mod secrets;
mod sections;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use plugbus_bus::{EventLimits, Filter, Settings, Start, WhenFull};
use plugbus_sandbox::{Grants, Limits, LogSink, PluginSpec};
use toml::de::DeTable;

pub use error::{ManifestError, Problem};
pub use keys::{FILTERS_MAX, GRANTS_MAX, KEYS, Key, Kind, reference};
use reader::{Section, Source};

use crate::supervise::SupervisionPolicy;

/// Most bytes in a manifest.
pub const MANIFEST_BYTES_MAX: usize = 256 << 10;

/// A manifest, decoded once into types that cannot be wrong.
#[derive(Clone, PartialEq)]
pub struct Manifest {
    /// Take the place of the filters that the plugin registers; empty where the manifest names none.
    pub filters: Vec<Filter>,
    /// Topics the plugin may publish to.
    pub publish: Vec<Filter>,
    /// One instance per event instead of long-lived ones.
    pub fresh: bool,
    /// How often it is given a tick, if at all.
    pub tick: Option<Duration>,
    /// Whether its place in the journal is kept; where the manifest does not say, see [`Manifest::is_durable`].
    pub durable: Option<bool>,
    /// Where it begins, if it is durable and new to the journal.
    pub start: Start,
    /// The subscription's settings; `instances` is its concurrency.
    pub settings: Settings,
    /// Bounds on each instance.
    pub limits: Limits,
    /// When the plugin is suspended.
    pub supervision: SupervisionPolicy,
    /// What it may touch.
    pub grants: Grants,
    /// The `[config]` table as a JSON object.
    pub config_json: String,
}

/// What holds for a plugin without a manifest.
impl Default for Manifest {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            filters: Vec::new(),
            publish: Vec::new(),
            fresh: false,
            tick: None,
            durable: None,
            start: Start::New,
            settings: Settings { outbox: limits.outbox(), state: limits.state(), ..Settings::default() },
            limits,
            supervision: SupervisionPolicy::default(),
            grants: Grants::default(),
            config_json: "{}".into(),
        }
    }
}

impl Manifest {
    /// Parses the bytes of the manifest at `path`. Relative folders in it start at `plugins_dir`.
    ///
    /// # Errors
    /// [`ManifestError`] names the place and the first thing that is wrong there.
    pub fn parse(path: &Path, bytes: &[u8], plugins_dir: &Path) -> Result<Self, ManifestError> {
        let whole = |text, problem| Source { path, text }.error(0..0, problem);
        if bytes.len() > MANIFEST_BYTES_MAX {
            let problem = Problem::TooLarge { bytes: bytes.len(), limit_bytes: MANIFEST_BYTES_MAX };
            return Err(whole("", problem));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let good = bytes.get(..error.valid_up_to()).and_then(|good| std::str::from_utf8(good).ok());
            let good = good.unwrap_or_default();
            Source { path, text: good }.error(good.len()..good.len(), Problem::NotText)
        })?;
        let source = Source { path, text };
        let parsed = DeTable::parse(text).map_err(|error| {
            source.error(error.span().unwrap_or_default(), Problem::Syntax(reader::quoted(error.message())))
        })?;
        let top = Section::new(source, "", parsed.get_ref(), parsed.span())?;
        sections::manifest(&top, plugins_dir)
    }

    /// Whether the plugin is to be durable in a host with or without a journal. Pure.
    #[must_use]
    pub fn is_durable(&self, has_journal: bool) -> bool {
        let loses = matches!(self.settings.when_full, WhenFull::DropOldest | WhenFull::DropNewest | WhenFull::Refuse);
        self.durable.unwrap_or(has_journal && !loses)
    }

    /// What the sandbox needs to know to make instances.
    #[must_use]
    pub fn to_spec(&self, name: &str, log: Arc<dyn LogSink>, event_limits: EventLimits) -> PluginSpec {
        PluginSpec {
            name: name.to_owned(),
            config_json: self.config_json.clone(),
            limits: self.limits.clone(),
            grants: self.grants.clone(),
            publish: self.publish.clone(),
            fresh: self.fresh,
            log,
            event_limits,
        }
    }
}

/// Leaves out the config, which may hold secrets.
impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manifest")
            .field("filters", &self.filters)
            .field("publish", &self.publish)
            .field("fresh", &self.fresh)
            .field("tick", &self.tick)
            .field("durable", &self.durable)
            .field("start", &self.start)
            .field("settings", &self.settings)
            .field("limits", &self.limits)
            .field("supervision", &self.supervision)
            .field("grants", &self.grants)
            .finish_non_exhaustive()
    }
}
