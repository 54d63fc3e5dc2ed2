//! Settings of the export of spans.

use serde::{Deserialize, Serialize};

/// Spans for a collector of OpenTelemetry, by OTLP over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Otlp {
    /// Where the collector is, `http://HOST:PORT`; `/v1/traces` is added. Default none: no spans are made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The name of this service in the spans. Default `plugbus`.
    pub service_name: String,
    /// Of a hundred traces that begin here, how many are recorded. Default 100. A `traceparent` that comes in says for itself.
    pub sample_percent: u64,
    /// Spans that wait to be sent; what finds no room is dropped and counted. Default 8192. Worst case in memory: this × about
    /// 3 KiB.
    pub spans_max: u64,
    /// Time for one request to the collector. Default 5 s.
    pub timeout_ms: u64,
}

impl Default for Otlp {
    fn default() -> Self {
        Self { endpoint: None, service_name: "plugbus".into(), sample_percent: 100, spans_max: 8192, timeout_ms: 5_000 }
    }
}
