//! The gateway of a host: its settings out of the configuration.

use std::time::Duration;

use plugbus_gateway::{Settings, TlsFiles};

use crate::config::{Compat, Config, size};

/// The settings of the gateway that a configuration means.
pub(super) fn settings(config: &Config) -> Settings {
    let given = &config.http;
    let tls = config.tls.cert.clone().zip(config.tls.key.clone());
    Settings {
        listen: given.listen,
        tokens: given.tokens.clone(),
        tls: tls.map(|(cert, key)| TlsFiles { cert, key }),
        hosts: given.hosts.clone(),
        origins: given.origins.clone(),
        connections_max: size(given.connections_max),
        header_bytes_max: size(given.header_bytes_max),
        header_timeout: Duration::from_millis(given.header_timeout_ms),
        body_bytes_max: size(given.body_bytes_max),
        body_timeout: Duration::from_millis(given.body_timeout_ms),
        write_timeout: Duration::from_millis(given.write_timeout_ms),
        batch_events_max: size(given.batch_events_max),
        requests_per_second_max: given.requests_per_second_max,
        upload: given.upload,
        upload_bytes_max: size(config.sandbox.component_bytes_max),
        watch_events_max: size(given.watch_events_max),
        watch_bytes_max: size(given.watch_bytes_max),
        heartbeat: Duration::from_millis(given.heartbeat_ms),
        message_bytes_max: size(given.message_bytes_max),
        socketio_clients_max: size(config.socketio.clients_max),
        socketio_claude_event: config.socketio.compat == Compat::ClaudeEvent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_of_the_configuration_are_those_of_the_gateway() {
        assert_eq!(settings(&Config::default()), Settings::default());
    }
}
