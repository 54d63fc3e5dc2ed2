//! The gateway of a host: its settings out of the configuration.

use plugbus_gateway::Settings;

use crate::config::{Config, size};

/// The settings of the gateway that a configuration means.
pub(super) fn settings(config: &Config) -> Settings {
    let given = &config.http;
    Settings {
        listen: given.listen,
        upload: given.upload,
        upload_bytes_max: size(config.sandbox.component_bytes_max),
        ..Settings::default()
    }
}
