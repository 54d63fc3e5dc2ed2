//! The settings of the crates below, out of the configuration.

use std::num::NonZeroUsize;
use std::time::Duration;

use plugbus_bus::{EventLimits, HistoryLimits};
use plugbus_journal::{JournalConfig, OnFull, SyncMode};
use plugbus_loader::LoaderConfig;
use plugbus_sandbox::{Pooling, SandboxConfig};

use crate::config::{self, Config, Sync, size};

pub(super) fn journal_config(config: &Config) -> JournalConfig {
    let given = &config.journal;
    JournalConfig {
        sync: match given.sync {
            Sync::Always => SyncMode::Always,
            Sync::Group => SyncMode::Group,
            Sync::Os => SyncMode::Os,
        },
        bytes_max: given.bytes_max,
        age_max: Duration::from_millis(given.age_max_ms),
        on_full: match given.on_full {
            config::OnFull::Refuse => OnFull::Refuse,
            config::OnFull::DropOldestAndReport => OnFull::DropOldest,
        },
        dedupe_events_max: size(given.dedupe_events_max),
        dedupe_age: Duration::from_millis(given.dedupe_age_ms),
        writes_max: size(given.writes_max),
        ..JournalConfig::new(config.journal_dir())
    }
}

pub(super) fn history_limits(config: &Config) -> HistoryLimits {
    HistoryLimits { events_max: size(config.history.events_max), bytes_max: size(config.history.bytes_max) }
}

pub(super) fn event_limits(config: &Config) -> EventLimits {
    EventLimits {
        data_bytes_max: size(config.events.data_bytes_max),
        extensions_max: size(config.events.extensions_max),
    }
}

pub(super) fn sandbox_config(config: &Config) -> SandboxConfig {
    let given = &config.sandbox;
    SandboxConfig {
        cache_dir: given.compile_cache.then(|| config.data_dir.join("cache")),
        component_bytes_max: size(given.component_bytes_max),
        compiles_max: size(given.compiles_max),
        instances_max: u32::try_from(given.instances_max).unwrap_or(u32::MAX),
        pooling: if given.pooling { Pooling::Auto } else { Pooling::Off },
        stack_bytes: size(given.stack_bytes),
        tick: Duration::from_millis(given.tick_ms),
    }
}

pub(super) fn loader_config(config: &Config) -> LoaderConfig {
    let given = &config.loader;
    LoaderConfig {
        rescan: Duration::from_millis(given.rescan_ms),
        settle: Duration::from_millis(given.settle_ms),
        drain_grace: Duration::from_millis(given.drain_grace_ms),
        unload_grace: Duration::from_millis(given.unload_grace_ms),
        plugins_max: size(given.plugins_max),
        wasm_bytes_max: config.sandbox.component_bytes_max,
        loads_max: NonZeroUsize::new(size(given.loads_max)).unwrap_or(NonZeroUsize::MIN),
        event_limits: event_limits(config),
        ..LoaderConfig::new(&config.plugins_dir)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plugbus_bus::DeadLetterLimits;

    #[test]
    fn the_defaults_of_the_configuration_are_those_of_the_crates_below() {
        let config = Config::default();
        let (loader, below) = (loader_config(&config), LoaderConfig::new("./plugins.d"));
        assert_eq!(format!("{loader:?}"), format!("{below:?}"));
        assert_eq!((loader.event_limits, event_limits(&config)), (below.event_limits, EventLimits::default()));
        let sandbox = SandboxConfig { cache_dir: None, ..sandbox_config(&config) };
        assert_eq!(format!("{sandbox:?}"), format!("{:?}", SandboxConfig::default()));
        assert_eq!(history_limits(&config), HistoryLimits::default());
        let dead = DeadLetterLimits::default();
        assert_eq!(
            (size(config.dead_letters.count_max), size(config.dead_letters.bytes_max)),
            (dead.letters_max, dead.bytes_max)
        );
    }
}
