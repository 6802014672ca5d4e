//! Spans reach an OpenTelemetry collector if one is set; otherwise nothing runs for them.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use countersign_phone::ServerOptions;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::support::{ACCOUNT, Application, Running, Stage, TOKEN, free_port};

/// A collector that keeps the bodies that it receives.
struct Collector {
    url: String,
    bodies: UnboundedReceiver<Bytes>,
}

impl Collector {
    async fn start() -> Self {
        let (received, bodies) = unbounded_channel();
        let keep = async |State(received): State<UnboundedSender<Bytes>>, body: Bytes| {
            received.send(body).expect("the test still listens");
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let router = Router::new().route("/v1/traces", post(keep)).with_state(received);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, bodies }
    }

    /// All bodies of a server that has ended.
    fn bodies(&mut self) -> Vec<Bytes> {
        std::iter::from_fn(|| self.bodies.try_recv().ok()).collect()
    }
}

fn attribute(of: &[KeyValue], name: &str) -> String {
    let found = of.iter().find(|pair| pair.key == name);
    match found.and_then(|pair| pair.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        other => panic!("{name} is {other:?}"),
    }
}

/// The names of a process' threads, as far as the kernel keeps them.
fn threads(of: &Running) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", of.id())).expect("a process");
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm"));
    tasks.flatten().filter_map(|task| name(task).ok()).collect()
}

fn exports(threads: &[String]) -> bool {
    threads.iter().any(|name| name.starts_with("OpenTelemetry"))
}

#[tokio::test]
async fn spans_of_requests_and_attempts_reach_the_collector() {
    let mut collector = Collector::start().await;
    let stage = Stage::with_account().with("OTEL_RESOURCE_ATTRIBUTES", "deployment=test");
    let running = stage.serve(&["--set", &format!("traces.endpoint={}", collector.url)]).await;
    assert!(exports(&threads(&running)));
    let application = Application::of(&running);
    let phone = application.phone(&ServerOptions::default()).await;
    let mut stream = phone.connect().await.expect("a stream");
    let path = application.challenge(&phone, &[("Details.Message", "Is it you?")]).await;
    let prompt = stream.next_prompt().await.expect("a prompt");
    let traced = application.client.get(format!("{}{path}", application.base));
    let traced =
        traced.header("traceparent", format!("00-{}-{}-01", "ab".repeat(16), "cd".repeat(8)));
    let traced = traced.basic_auth(ACCOUNT, Some(TOKEN)).send().await.expect("an answer");
    assert_eq!(traced.status(), 200);
    drop(stream);
    // The remaining spans are sent before the process ends.
    assert_eq!(running.stop().await.code, Some(0));

    let bodies = collector.bodies();
    let received = bodies.iter().map(|body| ExportTraceServiceRequest::decode(&**body));
    let received: Vec<_> = received.map(|request| request.expect("a request of OTLP")).collect();
    let resource = received[0].resource_spans[0].resource.as_ref().expect("a resource");
    assert_eq!(attribute(&resource.attributes, "service.name"), "countersign");
    assert!(attribute(&resource.attributes, "service.version").starts_with("0."));
    assert_eq!(attribute(&resource.attributes, "deployment"), "test");

    let scopes = received.into_iter().flat_map(|request| request.resource_spans);
    let spans = scopes.flat_map(|of| of.scope_spans).flat_map(|scope| scope.spans);
    let spans: Vec<Span> = spans.collect();
    let of = |name: &'static str| spans.iter().filter(move |span| span.name == name);
    let opening = of("request").find(|span| {
        attribute(&span.attributes, "method") == "POST"
            && attribute(&span.attributes, "path").ends_with("/Challenges")
    });
    assert!(opening.expect("a span of the request").parent_span_id.is_empty());
    let attempt = of("attempt").next().expect("a span of the attempt");
    assert_eq!(attribute(&attempt.attributes, "challenge"), prompt.challenge_sid);
    let traced: Vec<_> = of("request").filter(|span| span.trace_id == [0xab; 16]).collect();
    assert_eq!(traced.len(), 1, "the caller's trace");
    assert_eq!(traced[0].parent_span_id, [0xcd; 8]);
    assert_eq!(attribute(&traced[0].attributes, "path"), path);

    for secret in [TOKEN, "Is it you?"] {
        let told = |body: &Bytes| body.windows(secret.len()).any(|part| part == secret.as_bytes());
        assert!(!bodies.iter().any(told), "{secret}");
    }
}

#[tokio::test]
async fn without_a_collector_no_thread_runs_for_spans() {
    let stage = Stage::with_account();
    let running = stage.serve(&[]).await;
    assert!(!exports(&threads(&running)));
    assert_eq!(running.stop().await.code, Some(0));
}

#[tokio::test]
async fn a_collector_that_is_away_is_logged_and_stops_nothing() {
    let stage = Stage::with_account().with("OTEL_BSP_SCHEDULE_DELAY", "50");
    let endpoint = format!("traces.endpoint=http://127.0.0.1:{}/v1/traces", free_port());
    let running = stage.serve(&["--set", &endpoint]).await;
    assert_eq!(Application::of(&running).get("/v2/Services").await.0, 200);
    running.says("BatchSpanProcessor").await;
    assert_eq!(Application::of(&running).get("/v2/Services").await.0, 200);
    assert_eq!(running.stop().await.code, Some(0));
}
