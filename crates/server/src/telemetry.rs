//! Logs and metrics.

mod catalogue;
mod limit;

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

use self::limit::{Bounded, Gap, LEFT_OUT, Limit};
use crate::config::{Log, LogFormat, Traces};
use crate::world::SystemClock;

/// Logs that are being written, and traces that are being sent. Dropping it tells what was left out of the logs, and sends what
/// is left of the traces.
pub struct Telemetry {
    filter: reload::Handle<EnvFilter, Registry>,
    limit: Limit,
    counting: tokio::task::JoinHandle<()>,
    _traces: Tracing,
}

impl Telemetry {
    /// Replaces the filter of log lines.
    ///
    /// # Errors
    /// It is not right; the old one stays.
    pub fn set_filter(&self, text: &str) -> anyhow::Result<()> {
        self.filter.reload(filter(text)?).context("log.filter cannot be replaced")
    }
}

/// Starts logging to standard error and, if the configuration names a collector, sending traces to it.
///
/// # Errors
/// The filter or the collector's address is not right, or logging has been started before.
pub fn start_logs(log: &Log, traces: &Traces) -> anyhow::Result<Telemetry> {
    let limit = Limit::new(Arc::new(SystemClock));
    let (wanted, handle) = reload::Layer::new(filter(&log.filter)?);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match log.format {
        LogFormat::Human => lines.with_ansi(may_be_coloured(&std::io::stderr())).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let lines = Bounded { lines, limit: limit.clone() };
    let (spans, tracing) = spans::layer(traces)?;
    tracing_subscriber::registry()
        .with(lines.with_filter(bounded(wanted)))
        .with(spans)
        .try_init()
        .context("logging cannot start")?;
    let counting = tokio::spawn({
        let limit = limit.clone();
        async move {
            let mut beat = tokio::time::interval(COUNT_EVERY);
            loop {
                beat.tick().await;
                tell(&limit.gaps(false));
            }
        }
    });
    Ok(Telemetry { filter: handle, limit, counting, _traces: tracing })
}

/// How often it is told how many lines were left out.
const COUNT_EVERY: Duration = Duration::from_secs(10);

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.counting.abort();
        tell(&self.limit.gaps(true));
    }
}

fn tell(gaps: &[Gap]) {
    for gap in gaps {
        tracing::warn!(target: LEFT_OUT, left_out = gap.lines, "{gap}");
    }
}

/// Whether colours are welcome: on a terminal that knows them, and if `NO_COLOR` does not object.
pub(crate) fn may_be_coloured(output: &impl IsTerminal) -> bool {
    let objects = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    output.is_terminal() && !objects && !is_dumb
}

/// Shows the warnings of commands that keep no log, as plain lines on standard error, and what they do for the security log,
/// as whole lines.
pub fn show_warnings() {
    let security = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let security = security.with_filter(Targets::new().with_target(security::TARGET, Level::INFO));
    let ours = Targets::new().with_target("countersign_server", Level::WARN);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).without_time();
    let lines = lines.with_target(false).with_ansi(false).with_filter(ours);
    // Somebody else's subscriber shows them too.
    let _ = tracing_subscriber::registry().with(lines).with(security).try_init();
}

/// Whether logs and traces can be started so.
///
/// # Errors
/// The filter or the collector's address is not right.
pub fn check(log: &Log, traces: &Traces) -> anyhow::Result<()> {
    filter(&log.filter)?;
    spans::layer::<Registry>(traces).map(drop)
}

/// What the configuration wants to see.
fn filter(text: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(text).with_context(|| {
        format!("log.filter is not right: expected levels such as info or info,countersign_delivery=debug, found {text:?}")
    })
}

/// Says how fine it can be at most: otherwise all that the libraries would tell at their finest level is put together for each
/// request, only to be thrown away.
fn bounded<S>(wanted: impl Filter<S>) -> impl Filter<S> {
    wanted.and(filter_fn(may_be_logged).with_max_level_hint(Level::TRACE))
}

/// Our own crates. They log no secret, no token, and nothing that a person is asked, at any level.
const OURS: [&str; 15] = [
    "countersign",
    "countersign_api",
    "countersign_bus",
    "countersign_console",
    "countersign_delivery",
    "countersign_domain",
    "countersign_phone",
    "countersign_providers",
    "countersign_server",
    "countersign_standins",
    "countersign_store",
    "countersign_store_postgres",
    "countersign_store_sqlite",
    "countersign_verify",
    "countersign_web",
];

/// Below `info` only our own crates log, whatever the filter says: libraries print there what they carry, such as the
/// parameters of statements and the headers of requests.
fn may_be_logged(what: &Metadata<'_>) -> bool {
    let of_crate = what.target().split("::").next().unwrap_or_default();
    *what.level() <= Level::INFO || OURS.contains(&of_crate)
}

/// Traces that are being sent. Dropping it sends what is left.
struct Tracing(#[cfg(feature = "otlp")] Option<opentelemetry_sdk::trace::SdkTracerProvider>);

#[cfg(feature = "otlp")]
impl Drop for Tracing {
    fn drop(&mut self) {
        if let Some(Err(error)) =
            self.0.as_ref().map(opentelemetry_sdk::trace::SdkTracerProvider::shutdown)
        {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

#[cfg(not(feature = "otlp"))]
mod spans {
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::Identity;

    use super::{Traces, Tracing};

    /// No traces. The configuration has been checked: it names no collector.
    #[expect(clippy::unnecessary_wraps, reason = "the same as with the feature otlp")]
    pub(super) fn layer<S: tracing::Subscriber>(
        _: &Traces,
    ) -> anyhow::Result<(Option<impl Layer<S> + use<S>>, Tracing)> {
        Ok((None::<Identity>, Tracing()))
    }
}

#[cfg(feature = "otlp")]
mod spans {
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::Layer;
    use tracing_subscriber::filter::Targets;

    use super::{Traces, Tracing};

    /// Our own spans, and none of the libraries below us.
    const OURS: &str = "countersign";

    pub(super) fn layer<S>(traces: &Traces) -> anyhow::Result<(Option<impl Layer<S>>, Tracing)>
    where
        S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    {
        let Some(endpoint) = &traces.endpoint else { return Ok((None, Tracing(None))) };
        let exporter =
            SpanExporter::builder().with_http().with_endpoint(endpoint.as_str()).build()?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(Resource::builder().with_service_name(OURS).build())
            .build();
        let spans = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer(OURS))
            .with_filter(Targets::new().with_target(OURS, tracing::Level::DEBUG));
        Ok((Some(spans), Tracing(Some(provider))))
    }
}

/// How often histograms are folded together; without it they would grow.
const UPKEEP: Duration = Duration::from_secs(5);

/// Bounds of a histogram that the catalogue does not know, which a test keeps from happening.
const OTHER_BOUNDS: &[f64] = &[0.01, 0.1, 1.0, 10.0];

/// Starts collecting metrics; each call of the result writes them down in Prometheus' format.
///
/// # Errors
/// It has been started before.
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
    fn below_info_only_our_own_crates_are_logged() {
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
            assert!(is_logged!("tokio_postgres::connection", INFO));
            assert!(!is_logged!("tokio_postgres::query", DEBUG));
            assert!(!is_logged!("hyper", DEBUG) && !is_logged!("h2::codec", TRACE));
            assert!(!is_logged!("countersigner", DEBUG), "somebody else's");
        });
    }

    #[test]
    fn what_nobody_wants_to_see_is_not_put_together() {
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::sink);
        let lines = lines.with_filter(bounded(filter("info,countersign_server=debug").unwrap()));
        let (no_traces, _) = spans::layer(&Traces::default()).unwrap();
        let all = tracing_subscriber::registry().with(lines).with(no_traces);
        assert_eq!(all.max_level_hint(), Some(LevelFilter::DEBUG));
        tracing::subscriber::with_default(all, || {
            assert!(tracing::trace_span!(target: "h2", "frame").is_disabled());
            assert!(!tracing::debug_span!("ours").is_disabled());
        });
    }
}
