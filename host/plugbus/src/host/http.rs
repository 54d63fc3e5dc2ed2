//! The gateway of a host: its settings out of the configuration.

use plugbus_gateway::Settings;

use crate::config::Config;

/// The settings of the gateway that a configuration means.
pub(super) fn settings(config: &Config) -> Settings {
    let given = &config.http;
    Settings { listen: given.listen, ..Settings::default() }
}
