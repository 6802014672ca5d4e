//! `[log]` and `[traces]`.

use serde::{Deserialize, Serialize};
use url::Url;

use super::values::{has_scheme, url_if_any};

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text for people.
    Human,
    /// One JSON object per line.
    Json,
}

/// `[log]`: the log, on standard error.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSection {
    /// `human` or `json`.
    pub format: LogFormat,
    /// A filter such as `info` or `info,countersign_delivery=debug`.
    pub filter: String,
}

impl Default for LogSection {
    fn default() -> Self {
        Self { format: LogFormat::Human, filter: "info,async_nats=off".to_owned() }
    }
}

/// `[traces]`: where the spans of requests and attempts are sent.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TracesSection {
    /// An OpenTelemetry collector that accepts OTLP over HTTP, such as `http://127.0.0.1:4318`. An address
    /// without a path gets `/v1/traces`.
    #[serde(deserialize_with = "url_if_any")]
    pub endpoint: Option<Url>,
}

impl TracesSection {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        has_scheme("traces.endpoint", self.endpoint.as_ref(), &["http", "https"])
    }
}
