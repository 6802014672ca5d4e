//! The integrations of a service: the systems that ask for approvals by a protocol of their own.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_domain::integration::{Integration, IntegrationKind, IntegrationSettings};
use countersign_domain::service_protection::PresenceList;
use countersign_domain::sid::ServiceSid;
use countersign_verify::OpenedIntegration;
use http::HeaderMap;

use super::confirm::Confirm;
use super::integration_kinds::{KINDS, Kind, kind_of};
use super::integration_settings;
use crate::error::PageError;
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::paging::{self, Turn};
use crate::results::{self, FormResult};
use crate::session::{Operator, Posted};
use crate::state::{Console, SharedConsole};
use crate::views::Timestamp;

struct Row {
    sid: String,
    name: String,
    kind: &'static str,
    made: Timestamp,
}

#[derive(Template)]
#[template(path = "integrations.html")]
struct Integrations {
    frame: Frame,
    service: String,
    service_name: String,
    /// The kinds of integration that can be created.
    kinds: &'static [Kind],
    integrations: Vec<Row>,
    turn: Turn,
}

/// The settings to enter in a client.
struct Setup {
    kind: Kind,
    /// Names and values, without the secret.
    facts: Vec<(&'static str, String)>,
    /// A new secret; `None` if it cannot be seen any more.
    secret: Option<String>,
}

#[derive(Template)]
#[template(path = "integration.html")]
struct One {
    frame: Frame,
    service: String,
    service_name: String,
    sid: String,
    name: String,
    changed: Timestamp,
    setup: Setup,
    /// How it treats people, as names and values.
    rules: Vec<(&'static str, String)>,
    /// The user name that was looked up.
    user: String,
    /// Its identity, or why it has none.
    found: Option<Result<String, String>>,
}

/// An integration, by the SIDs in its path.
pub(super) async fn found(
    console: &Console,
    operator: &Operator,
    (service, integration): &(String, String),
) -> Result<Integration, PageError> {
    let (service, sid) = (super::sid(service)?, super::sid(integration)?);
    Ok(console.verify.integration(operator.account, service, sid).await?)
}

/// The path of an integration's page.
pub(super) fn path_of(integration: &Integration) -> String {
    format!("/services/{}/integrations/{}", integration.service, integration.sid)
}

/// The page after an integration got a secret, which shows it.
pub(super) fn with_secret(
    console: &Console,
    operator: &Operator,
    opened: &OpenedIntegration,
    done: &str,
) -> Response {
    let mut response = frame::go(console, &format!("{}?done={done}", path_of(&opened.integration)));
    let secret = opened.secret.expose().to_owned();
    let result = FormResult::Integration { sid: opened.integration.sid.to_string(), secret };
    results::keep(&mut response, result, operator, console);
    response
}

/// The list.
pub(crate) async fn list(
    State(console): State<SharedConsole>,
    operator: Operator,
    Path(service): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = Form::of_query(query.as_deref())?;
    let (verify, account) = (&console.verify, operator.account);
    let service = verify.service(account, super::sid(&service)?).await?;
    let page = verify.integrations(account, service.sid, paging::asked(&query)?).await?;
    let path = format!("{}/services/{}/integrations?", console.base(), service.sid);
    let row = |it: &Integration| Row {
        sid: it.sid.to_string(),
        name: it.settings.friendly_name.to_string(),
        kind: kind_of(it.kind).name,
        made: Timestamp(it.created_at),
    };
    frame::ok(&Integrations {
        frame: Frame::new(&console, Some(&operator), Section::Services).telling(&query),
        service: service.sid.to_string(),
        service_name: service.settings.friendly_name.to_string(),
        kinds: &KINDS,
        integrations: page.items.iter().map(row).collect(),
        turn: Turn::of("integrations", &path, &page, |it| it.sid),
    })
}

/// The page of an integration.
pub(crate) async fn show(
    State(console): State<SharedConsole>,
    operator: Operator,
    headers: HeaderMap,
    Path(at): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = Form::of_query(query.as_deref())?;
    let it = found(&console, &operator, &at).await?;
    let service = console.verify.service(operator.account, it.service).await?;
    let secret = match results::kept(&headers, &operator, &console) {
        Some(FormResult::Integration { sid, secret })
            if sid == it.sid.to_string() && query.given("done").is_some() =>
        {
            Some(secret)
        }
        _ => None,
    };
    let user = query.text("user").to_owned();
    let identity = |user: &str| {
        let found = it.identity(user);
        found.map(|it| it.to_string()).map_err(|why| format!("The user name {why}."))
    };
    frame::ok(&One {
        frame: Frame::new(&console, Some(&operator), Section::Services).telling(&query),
        service: it.service.to_string(),
        service_name: service.settings.friendly_name.to_string(),
        sid: it.sid.to_string(),
        name: it.settings.friendly_name.to_string(),
        changed: Timestamp(it.updated_at),
        setup: setup(&console, &it, secret),
        rules: rules(it.kind, &it.settings),
        found: Some(identity(&user)).filter(|_| !user.is_empty()),
        user,
    })
}

fn setup(console: &Console, it: &Integration, secret: Option<String>) -> Setup {
    let kind = kind_of(it.kind);
    let mut facts = addresses(console, it);
    if let Some(name) = kind.key {
        facts.push((name, it.key.to_string()));
    }
    Setup { kind, facts, secret }
}

/// Where the client of an integration finds this server.
fn addresses(console: &Console, it: &Integration) -> Vec<(&'static str, String)> {
    let (base, key) = (&console.public_url, it.key);
    match it.kind {
        IntegrationKind::Duo => {
            let url = url::Url::parse(base).ok();
            let host = url.as_ref().and_then(url::Url::host_str).unwrap_or_default();
            let port = url.as_ref().and_then(url::Url::port);
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            vec![("API hostname", format!("{host}{port}"))]
        }
        IntegrationKind::Radius => Vec::new(),
        IntegrationKind::OpenId => vec![("Issuer", format!("{base}/openid/{}", it.service))],
        IntegrationKind::Keycloak => {
            let channel = format!("{base}/keycloak/{key}/ciba?secret=");
            vec![("URI of the channel, before the secret", channel)]
        }
        IntegrationKind::ForwardAuth => vec![
            ("Path that the web server passes on", format!("/forward-auth/{key}/")),
            ("Address that it asks", format!("{base}/forward-auth/{key}")),
        ],
    }
}

/// How an integration treats people.
fn rules(kind: IntegrationKind, settings: &IntegrationSettings) -> Vec<(&'static str, String)> {
    let joined = |words: Vec<String>, none: &str| {
        if words.is_empty() { none.to_owned() } else { words.join(", ") }
    };
    let presence = settings.presence.iter().flat_map(PresenceList::modes);
    let presence = presence.map(|mode| mode.as_str().to_owned()).collect();
    let networks = settings.networks.iter().map(ToString::to_string).collect();
    let mut rules = vec![
        ("Identity of a user name", settings.users.rule.as_str().to_owned()),
        ("Users with identities of their own", {
            let aliases = settings.users.aliases.iter();
            joined(aliases.map(|(name, identity)| format!("{name}={identity}")).collect(), "none")
        }),
        ("Users without a device", settings.unknown_users.as_str().to_owned()),
        ("Presence", joined(presence, "as the service says")),
        ("Requests come from", joined(networks, "anywhere")),
        ("Seconds that a prompt lives", settings.prompt_seconds.to_string()),
    ];
    rules.extend(integration_settings::rules(kind, settings));
    rules
}

/// Asks before an integration gets another secret.
pub(crate) async fn ask_rotate(
    State(console): State<SharedConsole>,
    operator: Operator,
    Path(at): Path<(String, String)>,
) -> Result<Response, PageError> {
    let it = found(&console, &operator, &at).await?;
    let path = path_of(&it);
    let words = ("Make a new secret", "Make a new secret");
    let name = it.settings.friendly_name.to_string();
    Confirm::new(&console, &operator, Section::Services, words, name)
        .says([
            "The old secret stops working, on all nodes within ten seconds.".to_owned(),
            "The client cannot ask until it has the new one.".to_owned(),
        ])
        .between(format!("{path}/secret"), path)
}

/// Gives an integration another secret. The page that follows shows it.
pub(crate) async fn rotate(
    State(console): State<SharedConsole>,
    Path(at): Path<(String, String)>,
    Posted { operator, .. }: Posted,
) -> Result<Response, PageError> {
    let Integration { account, service, sid, .. } = found(&console, &operator, &at).await?;
    let opened = console.verify.rotate_integration_secret(account, service, sid).await?;
    Ok(with_secret(&console, &operator, &opened, "secret-made"))
}

/// Asks before an integration is deleted.
pub(crate) async fn ask_delete(
    State(console): State<SharedConsole>,
    operator: Operator,
    Path(at): Path<(String, String)>,
) -> Result<Response, PageError> {
    let it = found(&console, &operator, &at).await?;
    let path = path_of(&it);
    let words = ("Delete the integration", "Delete the integration");
    let name = it.settings.friendly_name.to_string();
    Confirm::new(&console, &operator, Section::Services, words, name)
        .says([
            "Its client is refused, on all nodes within ten seconds.".to_owned(),
            "People keep their devices, and challenges that it asked stay.".to_owned(),
        ])
        .between(format!("{path}/delete"), path)
}

/// Deletes an integration.
pub(crate) async fn delete(
    State(console): State<SharedConsole>,
    Path((service, integration)): Path<(String, String)>,
    Posted { operator, .. }: Posted,
) -> Result<Response, PageError> {
    let service: ServiceSid = super::sid(&service)?;
    let sid = super::sid(&integration)?;
    console.verify.delete_integration(operator.account, service, sid).await?;
    Ok(frame::go(&console, &format!("/services/{service}/integrations?done=integration-deleted")))
}
