//! An application's webhook: it records every request and responds as its script says.

use std::sync::Arc;

use http::HeaderMap;

use crate::authority::Authority;
use crate::clock::Now;
use crate::common_options::CommonOptions;
use crate::connections::Connections;
use crate::error::Error;
use crate::ledger::Ledger;
use crate::listener::{BoundListener, Handler, HttpRequest, Listener, Protocols, Reply};
use crate::script::{PlannedAction, Script};
use crate::scripted_response::ScriptedResponse;

/// A received request.
#[derive(Debug, Clone)]
pub struct Event {
    /// The method.
    pub method: String,
    /// The URL as the client sent it, for checking signatures.
    pub url: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// The fields of the body in their order, if it is a form.
    pub form: Vec<(String, String)>,
    /// The number of its connection.
    pub connection: u64,
    /// The time of arrival, in Unix seconds.
    pub at: i64,
    /// The status of the response; `None` without one.
    pub status: Option<u16>,
}

impl Event {
    /// The first field of this name; empty if absent.
    pub fn field(&self, name: &str) -> &str {
        self.form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// A header as text; empty if absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn read(request: &HttpRequest, origin: &str, at: i64) -> Self {
        let is_form = request
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        let form = if is_form {
            url::form_urlencoded::parse(&request.body).into_owned().collect()
        } else {
            Vec::new()
        };
        let path = request.uri.path_and_query().map_or("/", |path| path.as_str());
        Self {
            method: request.method.to_string(),
            url: format!("{origin}{path}"),
            headers: request.headers.clone(),
            body: request.body.to_vec(),
            form,
            connection: request.connection.id,
            at,
            status: None,
        }
    }
}

/// A stand-in for an application's webhook. Dropping it stops it.
pub struct Webhook {
    state: Arc<ServiceState>,
    listener: Listener,
}

struct ServiceState {
    origin: String,
    script: Script<ScriptedResponse>,
    events: Ledger<Event>,
    now: Now,
}

impl Webhook {
    /// Starts it; over TLS if there is an authority to sign its certificate.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn start(
        authority: Option<&Authority>,
        common: CommonOptions,
    ) -> Result<Self, Error> {
        let bound = BoundListener::bind(common.address()).await?;
        let scheme = if authority.is_some() { "https" } else { "http" };
        let transient = [429, 500, 502, 503].map(ScriptedResponse::status).into();
        let state = Arc::new(ServiceState {
            origin: common.url(scheme, bound.address),
            script: Script::new(common.faults, transient),
            events: Ledger::new(common.keep),
            now: common.now,
        });
        let tls = authority.map(|own| own.server(&["h2", "http/1.1"])).transpose()?;
        let protocols = Protocols { tls, http2_only: false, streams: common.streams };
        let listener = bound.serve(state.clone(), protocols);
        Ok(Self { state, listener })
    }

    /// The base URL; every path is served.
    pub fn url(&self) -> &str {
        &self.state.origin
    }

    /// The script. Addresses are paths.
    pub fn script(&self) -> &Script<ScriptedResponse> {
        &self.state.script
    }

    /// The received requests.
    pub fn events(&self) -> &Ledger<Event> {
        &self.state.events
    }

    /// The open connections.
    pub fn connections(&self) -> &Connections {
        &self.listener.connections
    }
}

impl Handler for ServiceState {
    async fn handle(self: Arc<Self>, request: HttpRequest) -> Reply {
        let mut event = Event::read(&request, &self.origin, (self.now)());
        let planned = self.script.take(request.uri.path());
        let response = planned.response().unwrap_or(ScriptedResponse::status(200));
        event.status = PlannedAction::has_response(&planned).then_some(response.status);
        self.events.record(event);
        planned.run(&request.connection, response.render()).await
    }
}
