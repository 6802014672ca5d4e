//! Traces: the spans of requests and attempts, sent to an OpenTelemetry collector if the configuration names one. Otherwise
//! no span is made, and no thread runs.

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use opentelemetry::context::FutureExt as _;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Key, KeyValue};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use crate::config::TracesSection;
use crate::version::VERSION;

/// The service's name unless `OTEL_SERVICE_NAME` gives another, and the beginning of the targets of our own spans. Those of
/// libraries are not sent.
const OURS: &str = "countersign";

/// Running traces, if any. Dropping it sends the remaining ones.
pub struct Traces(Option<SdkTracerProvider>);

impl Drop for Traces {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.as_ref().map(SdkTracerProvider::shutdown) {
            tracing::warn!(%error, "the remaining traces could not be sent");
        }
    }
}

/// The layer that sends spans.
///
/// # Errors
/// The exporter cannot be made.
pub(super) fn layer<S>(traces: &TracesSection) -> anyhow::Result<(Option<impl Layer<S>>, Traces)>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let Some(endpoint) = &traces.endpoint else { return Ok((None, Traces(None))) };
    let mut endpoint = endpoint.clone();
    if endpoint.path() == "/" {
        endpoint.set_path("/v1/traces");
    }
    let exporter = SpanExporter::builder().with_http().with_endpoint(endpoint.as_str()).build()?;
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource())
        .build();
    let spans = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(OURS))
        .with_filter(Targets::new().with_target(OURS, tracing::Level::DEBUG));
    Ok((Some(spans), Traces(Some(provider))))
}

/// The attributes of this service from the environment (`OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`), completed.
fn resource() -> Resource {
    let said = Resource::builder().build();
    let name = said.get(&Key::new("service.name")).map(|name| name.to_string());
    let name = name.filter(|name| !name.starts_with("unknown_service")).unwrap_or(OURS.to_owned());
    let version = KeyValue::new("service.version", VERSION);
    Resource::builder().with_service_name(name).with_attribute(version).build()
}

/// Makes each request a part of the trace that its `traceparent` names. Without a collector the router stays as it is.
pub fn joined(router: Router, traces: &TracesSection) -> Router {
    if traces.endpoint.is_none() {
        return router;
    }
    router.layer(middleware::from_fn(join))
}

async fn join(request: Request, next: Next) -> Response {
    let caller = TraceContextPropagator::new().extract(&HeaderExtractor(request.headers()));
    next.run(request).with_context(caller).await
}
