//! An application that is told what happened: it takes any request, keeps it, and answers as it is told.

use std::sync::Arc;

use http::HeaderMap;

use crate::answer::HttpAnswer;
use crate::authority::Authority;
use crate::clock::Now;
use crate::connections::Connections;
use crate::error::Error;
use crate::ledger::Ledger;
use crate::listener::{Bound, Call, Listener, Reply, Service, Speech};
use crate::script::{Cue, Script};
use crate::setting::Setting;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Event {
    /// `POST`, in all likelihood.
    pub method: String,
    /// The URL as the sender wrote it, for checking signatures.
    pub url: String,
    /// Every header.
    pub headers: HeaderMap,
    /// The body's bytes.
    pub body: Vec<u8>,
    /// The body's fields if it is a form, in their order.
    pub form: Vec<(String, String)>,
    /// Which connection it came on.
    pub connection: u64,
    /// When it came, in Unix seconds.
    pub at: i64,
    /// The answer's status; `None` if it gets no answer.
    pub status: Option<u16>,
}

impl Event {
    /// The first field by this name; empty if there is none.
    pub fn field(&self, name: &str) -> &str {
        self.form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// A header as text; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn read(call: &Call, origin: &str, at: i64) -> Self {
        let is_form = call
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        let form = if is_form {
            url::form_urlencoded::parse(&call.body).into_owned().collect()
        } else {
            Vec::new()
        };
        let path = call.uri.path_and_query().map_or("/", |path| path.as_str());
        Self {
            method: call.method.to_string(),
            url: format!("{origin}{path}"),
            headers: call.headers.clone(),
            body: call.body.to_vec(),
            form,
            connection: call.line.id,
            at,
            status: None,
        }
    }
}

/// An application's webhook. It ends when it is dropped.
pub struct Webhook {
    desk: Arc<Desk>,
    listener: Listener,
}

struct Desk {
    origin: String,
    script: Script<HttpAnswer>,
    events: Ledger<Event>,
    now: Now,
}

impl Webhook {
    /// Opens it; over TLS if there is an authority to sign its certificate.
    ///
    /// # Errors
    /// The address is taken.
    pub async fn start(authority: Option<&Authority>, setting: Setting) -> Result<Self, Error> {
        let bound = Bound::bind(setting.address()).await?;
        let scheme = if authority.is_some() { "https" } else { "http" };
        let passing = [429, 500, 502, 503].map(HttpAnswer::status).into();
        let desk = Arc::new(Desk {
            origin: setting.url(scheme, bound.address),
            script: Script::new(setting.manners, passing),
            events: Ledger::new(setting.keep),
            now: setting.now,
        });
        let tls = authority.map(|own| own.server(&["h2", "http/1.1"])).transpose()?;
        let speech = Speech { tls, http2_only: false, streams: setting.streams };
        let listener = bound.serve(desk.clone(), speech);
        Ok(Self { desk, listener })
    }

    /// Where it listens; any path will do.
    pub fn url(&self) -> &str {
        &self.desk.origin
    }

    /// What it is told to do. Addresses are paths.
    pub fn script(&self) -> &Script<HttpAnswer> {
        &self.desk.script
    }

    /// What arrived.
    pub fn events(&self) -> &Ledger<Event> {
        &self.desk.events
    }

    /// Who is connected.
    pub fn connections(&self) -> &Connections {
        &self.listener.connections
    }
}

impl Service for Desk {
    async fn reply(self: Arc<Self>, call: Call) -> Reply {
        let mut event = Event::read(&call, &self.origin, (self.now)());
        let cue = self.script.cue(call.uri.path());
        let answer = cue.answer().unwrap_or(HttpAnswer::status(200));
        event.status = Cue::is_answered(&cue).then_some(answer.status);
        self.events.record(event);
        cue.take(&call.line, answer.render()).await
    }
}
