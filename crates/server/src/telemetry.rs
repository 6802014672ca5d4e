//! Logs and metrics.

mod catalogue;
mod limit;
pub mod spans;

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use countersign_verify::security;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt as _, Targets, filter_fn};
use tracing_subscriber::layer::{Filter, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, reload};

use self::limit::{Limit, LimitedLayer, SUPPRESSED_TARGET, Suppressed};
use crate::config::{LogFormat, LogSection, TracesSection};
use crate::world::SystemClock;

/// Running logs and traces. Dropping it reports the suppressed log lines and sends the remaining traces.
pub struct Telemetry {
    filter: reload::Handle<EnvFilter, Registry>,
    limit: Limit,
    counting: tokio::task::JoinHandle<()>,
    _traces: spans::Traces,
}

impl Telemetry {
    /// Replaces the filter of log lines.
    ///
    /// # Errors
    /// The filter is invalid; the old one stays in use.
    pub fn set_filter(&self, text: &str) -> anyhow::Result<()> {
        self.filter.reload(filter(text)?).context("log.filter cannot be replaced")
    }
}

/// Starts logging to standard error, and sending traces if the configuration names a collector.
///
/// # Errors
/// The filter or the collector's address is invalid, or logging has already started.
pub fn start_logs(log: &LogSection, traces: &TracesSection) -> anyhow::Result<Telemetry> {
    let limit = Limit::new(Arc::new(SystemClock));
    let (wanted, handle) = reload::Layer::new(filter(&log.filter)?);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match log.format {
        LogFormat::Human => lines.with_ansi(may_be_coloured(&std::io::stderr())).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let lines = LimitedLayer { lines, limit: limit.clone() };
    let (spans, traces) = spans::layer(traces)?;
    tracing_subscriber::registry()
        .with(lines.with_filter(bounded(wanted)))
        .with(spans)
        .try_init()
        .context("logging cannot start")?;
    let counting = tokio::spawn({
        let limit = limit.clone();
        async move {
            let mut beat = tokio::time::interval(REPORT_INTERVAL);
            loop {
                beat.tick().await;
                report_suppressed(&limit.take_suppressed(false));
            }
        }
    });
    Ok(Telemetry { filter: handle, limit, counting, _traces: traces })
}

/// The interval between reports of suppressed lines.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.counting.abort();
        report_suppressed(&self.limit.take_suppressed(true));
    }
}

fn report_suppressed(suppressed: &[Suppressed]) {
    for gap in suppressed {
        tracing::warn!(target: SUPPRESSED_TARGET, left_out = gap.lines, "{gap}");
    }
}

/// Whether to use colours: on a terminal that supports them, unless `NO_COLOR` is set.
pub(crate) fn may_be_coloured(output: &impl IsTerminal) -> bool {
    let objects = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    output.is_terminal() && !objects && !is_dumb
}

/// Shows warnings as plain lines on standard error, for commands that keep no log, and whole lines of the security
/// log.
pub fn show_warnings() {
    let security = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let security = security.with_filter(Targets::new().with_target(security::TARGET, Level::INFO));
    let ours = Targets::new().with_target("countersign_server", Level::WARN);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).without_time();
    let lines = lines.with_target(false).with_ansi(false).with_filter(ours);
    // Another subscriber shows them too.
    let _ = tracing_subscriber::registry().with(lines).with(security).try_init();
}

/// Checks the settings of logs and traces.
///
/// # Errors
/// The filter or the collector's address is invalid.
pub fn check(log: &LogSection, traces: &TracesSection) -> anyhow::Result<()> {
    filter(&log.filter)?;
    spans::layer::<Registry>(traces).map(drop)
}

/// The filter of the configuration.
fn filter(text: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(text).with_context(|| {
        format!("log.filter is invalid: expected levels such as info or info,countersign_delivery=debug, found {text:?}")
    })
}

/// Limits a filter to lines that may be logged. The maximum level is stated, since otherwise the libraries would
/// format their finest lines for each request only to discard them.
fn bounded<S>(wanted: impl Filter<S>) -> impl Filter<S> {
    wanted.and(filter_fn(may_be_logged).with_max_level_hint(Level::TRACE))
}

/// Whether a line may be logged. Below `warn` only our own crates log, whatever the filter says: at no level do they log a
/// secret, a token, or the text of a challenge. Libraries print their payloads there, such as statement parameters, request
/// headers and the notices of a database.
fn may_be_logged(what: &Metadata<'_>) -> bool {
    let of_crate = what.target().split("::").next().unwrap_or_default();
    *what.level() <= Level::WARN
        || of_crate == "countersign"
        || of_crate.starts_with("countersign_")
}

/// The interval at which histograms are compacted; otherwise they would grow.
const UPKEEP: Duration = Duration::from_secs(5);

/// The bounds of histograms outside the catalogue, of which a test allows none.
const OTHER_BOUNDS: &[f64] = &[0.01, 0.1, 1.0, 10.0];

/// Starts collecting metrics. Each call of the result renders them in Prometheus' format.
///
/// # Errors
/// Collecting has already started.
pub fn start_metrics() -> anyhow::Result<impl Fn() -> String> {
    let mut builder = PrometheusBuilder::new().set_buckets(OTHER_BOUNDS)?;
    for metric in catalogue::METRICS {
        if let catalogue::Kind::Histogram(bounds) = metric.kind {
            let name = Matcher::Full(metric.name.to_owned());
            builder = builder.set_buckets_for_metric(name, bounds)?;
        }
    }
    let handle = builder.install_recorder().context("metrics cannot start")?;
    catalogue::describe();
    let process = metrics_process::Collector::default();
    process.describe();
    let upkeep = handle.clone();
    tokio::spawn(async move {
        let mut beat = tokio::time::interval(UPKEEP);
        loop {
            beat.tick().await;
            upkeep.run_upkeep();
        }
    });
    Ok(move || {
        process.collect();
        handle.render()
    })
}

#[cfg(test)]
mod tests {
    use tracing::Subscriber as _;
    use tracing::level_filters::LevelFilter;

    use super::*;

    #[test]
    fn below_warn_only_our_own_crates_are_logged() {
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::sink);
        let lines = lines.with_filter(bounded(filter("trace").unwrap()));
        let all = tracing_subscriber::registry().with(lines);
        tracing::subscriber::with_default(all, || {
            macro_rules! is_logged {
                ($target:literal, $level:ident) => {
                    tracing::enabled!(target: $target, Level::$level)
                };
            }
            assert!(is_logged!("countersign_store_postgres::database", TRACE));
            assert!(is_logged!("countersign_api", DEBUG));
            assert!(is_logged!("countersign_doors::radius::listener", DEBUG));
            assert!(is_logged!("countersign::security", INFO));
            assert!(is_logged!("tokio_postgres::connection", WARN));
            assert!(!is_logged!("tokio_postgres::connection", INFO), "notices of the database");
            assert!(!is_logged!("tokio_postgres::query", DEBUG));
            assert!(!is_logged!("hyper", DEBUG) && !is_logged!("h2::codec", TRACE));
            assert!(!is_logged!("countersigner", DEBUG), "another crate");
        });
    }

    #[test]
    fn lines_that_the_filter_discards_are_not_formatted() {
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::sink);
        let lines = lines.with_filter(bounded(filter("info,countersign_server=debug").unwrap()));
        let (no_traces, _) = spans::layer(&TracesSection::default()).unwrap();
        let all = tracing_subscriber::registry().with(lines).with(no_traces);
        assert_eq!(all.max_level_hint(), Some(LevelFilter::DEBUG));
        tracing::subscriber::with_default(all, || {
            assert!(tracing::trace_span!(target: "h2", "frame").is_disabled());
            assert!(!tracing::debug_span!("ours").is_disabled());
        });
    }
}
