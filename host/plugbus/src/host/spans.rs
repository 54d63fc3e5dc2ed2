//! The export of spans of a host: its settings out of the configuration, its start and its end.

use std::sync::Arc;
use std::time::Duration;

use plugbus_otlp::{Endpoint, Export, Settings, SpanTracer};

use crate::config::{Config, ConfigError, size};

/// Time for the last spans when the host stops.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// The tracer of the bus, and what sends its spans.
pub(super) struct Spans {
    pub(super) tracer: Arc<SpanTracer>,
    export: Export,
}

impl Spans {
    /// Begins to export, where a collector is named.
    pub(super) fn start(config: &Config) -> Result<Option<Self>, ConfigError> {
        let given = &config.otlp;
        let Some(endpoint) = &given.endpoint else { return Ok(None) };
        let endpoint = Endpoint::parse(endpoint).map_err(|error| ConfigError::Invalid {
            place: "configuration".into(),
            problem: format!("`otlp.endpoint`: {error}"),
        })?;
        let settings = Settings {
            endpoint,
            service_name: given.service_name.clone(),
            sample_percent: given.sample_percent,
            spans_max: size(given.spans_max),
            timeout: Duration::from_millis(given.timeout_ms),
        };
        let (tracer, export) = plugbus_otlp::start(settings);
        Ok(Some(Self { tracer, export }))
    }

    /// Sends what waits, for a short time.
    pub(super) async fn close(self) {
        let lost = self.export.close(LAST_SPANS).await;
        if lost > 0 {
            tracing::warn!(lost, "spans were not sent before the stop");
        }
    }
}
