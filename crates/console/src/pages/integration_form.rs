//! Making and changing an integration.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_domain::integration::{
    Integration, IntegrationKind, IntegrationSettings, PROMPT_SECONDS,
};
use countersign_domain::service_protection::PresenceList;
use countersign_domain::sid::ServiceSid;
use countersign_domain::source_networks::SourceNetworks;
use countersign_domain::text::{FriendlyName, Identity};
use countersign_domain::user_mapping::Aliases;
use countersign_verify::OpenedIntegration;
use http::StatusCode;

use super::integration_kinds::{KINDS, Kind, kind_of};
use super::integration_settings::{self, Values, lines, seconds};
use super::integrations::{found, path_of, with_secret};
use crate::error::PageError;
use crate::fields::{Field, Refusal, Wrong};
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::session::{Operator, Posted};
use crate::state::{Console, SharedConsole};

#[derive(Template)]
#[template(path = "integration_form.html")]
struct IntegrationForm {
    frame: Frame,
    /// The name of the one that is changed; empty for a new one.
    name: String,
    kind: Kind,
    path: String,
    back: String,
    fields: Vec<Field>,
}

/// The form of a new integration.
pub(crate) async fn show_new(
    State(console): State<SharedConsole>,
    operator: Operator,
    Path(service): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = Form::of_query(query.as_deref())?;
    let service = console.verify.service(operator.account, super::sid(&service)?).await?.sid;
    frame::ok(&new_page(&console, &operator, service, &query, None)?)
}

/// Creates an integration. The page that follows shows its secret.
pub(crate) async fn create(
    State(console): State<SharedConsole>,
    Path(service): Path<String>,
    Posted { operator, form }: Posted,
) -> Result<Response, PageError> {
    let service = console.verify.service(operator.account, super::sid(&service)?).await?.sid;
    match make(&console, &operator, service, &form).await {
        Ok(opened) => Ok(with_secret(&console, &operator, &opened, "integration-made")),
        Err(refusal) => {
            let wrong = refusal.wrong()?;
            let page = new_page(&console, &operator, service, &form, Some(&wrong))?;
            frame::page(StatusCode::BAD_REQUEST, &page)
        }
    }
}

async fn make(
    console: &Console,
    operator: &Operator,
    service: ServiceSid,
    form: &Form,
) -> Result<OpenedIntegration, Refusal> {
    let kind = super::sid(form.text("Kind"))?;
    let name = form.read("FriendlyName", FriendlyName::written)?;
    let mut settings = IntegrationSettings::named(name);
    change(kind, form, &mut settings)?;
    Ok(console.verify.create_integration(operator.account, service, kind, settings).await?)
}

/// The form that changes an integration.
pub(crate) async fn show(
    State(console): State<SharedConsole>,
    operator: Operator,
    Path(at): Path<(String, String)>,
) -> Result<Response, PageError> {
    let it = found(&console, &operator, &at).await?;
    frame::ok(&edit_page(&console, &operator, &it, &Form::empty(), None))
}

/// Changes an integration.
pub(crate) async fn update(
    State(console): State<SharedConsole>,
    Path(at): Path<(String, String)>,
    Posted { operator, form }: Posted,
) -> Result<Response, PageError> {
    let it = found(&console, &operator, &at).await?;
    let edit = |kind: IntegrationKind, settings: &mut IntegrationSettings| {
        settings.friendly_name = form.read("FriendlyName", FriendlyName::written)?;
        change(kind, &form, settings)
    };
    let Integration { account, service, sid, .. } = it;
    match console.verify.update_integration::<Refusal>(account, service, sid, edit).await {
        Ok(it) => Ok(frame::go(&console, &format!("{}?done=integration-saved", path_of(&it)))),
        Err(refusal) => {
            let wrong = refusal.wrong()?;
            let page = edit_page(&console, &operator, &it, &form, Some(&wrong));
            frame::page(StatusCode::BAD_REQUEST, &page)
        }
    }
}

/// Changes all settings but the name, by the API's rules.
fn change(
    kind: IntegrationKind,
    form: &Form,
    settings: &mut IntegrationSettings,
) -> Result<(), Refusal> {
    settings.users.rule = form.read("UserRule", str::parse)?;
    settings.users.aliases = form.read("Aliases", |text| Aliases::parse(lines(text)))?;
    settings.unknown_users = form.read("UnknownUsers", str::parse)?;
    settings.presence = form.read_given("Presence", PresenceList::parse)?;
    settings.networks = form.read("Networks", |text| SourceNetworks::parse(lines(text)))?;
    settings.prompt_seconds = form.read("PromptLife", seconds(PROMPT_SECONDS))?;
    integration_settings::change(kind, form, settings)
}

fn new_page(
    console: &Console,
    operator: &Operator,
    service: ServiceSid,
    form: &Form,
    wrong: Option<&Wrong>,
) -> Result<IntegrationForm, PageError> {
    let kind = kind_of(super::sid(form.given("Kind").unwrap_or(KINDS[0].kind.as_str()))?);
    let fields = fields(kind.kind, None, form);
    let fields: Vec<_> = fields.into_iter().map(|field| field.judged(wrong)).collect();
    let path = format!("/services/{service}/integrations");
    Ok(IntegrationForm {
        frame: Frame::new(console, Some(operator), Section::Services).refusing(wrong, &fields),
        name: String::new(),
        kind,
        back: path.clone(),
        path,
        fields,
    })
}

fn edit_page(
    console: &Console,
    operator: &Operator,
    it: &Integration,
    form: &Form,
    wrong: Option<&Wrong>,
) -> IntegrationForm {
    let fields = fields(it.kind, Some(&it.settings), form);
    let fields: Vec<_> = fields.into_iter().map(|field| field.judged(wrong)).collect();
    IntegrationForm {
        frame: Frame::new(console, Some(operator), Section::Services).refusing(wrong, &fields),
        name: it.settings.friendly_name.to_string(),
        kind: kind_of(it.kind),
        path: format!("{}/edit", path_of(it)),
        back: path_of(it),
        fields,
    }
}

/// The fields, with what was sent, what is stored, or the defaults.
fn fields(kind: IntegrationKind, old: Option<&IntegrationSettings>, form: &Form) -> Vec<Field> {
    let default = FriendlyName::parse("new").ok().map(IntegrationSettings::named);
    let values = Values { form, settings: old.or(default.as_ref()) };
    let name = match (form.given("FriendlyName"), old) {
        (Some(sent), _) => sent.to_owned(),
        (None, Some(old)) => old.friendly_name.to_string(),
        (None, None) => String::new(),
    };
    let mut fields = vec![
        Field::text("FriendlyName", "Name", name).hint("People see it in its prompts."),
        Field::text("UserRule", "Identity of a user name", {
            values.text("UserRule", |it| it.users.rule.as_str().to_owned())
        })
        .choose_of(&[
            ("hashed", "a hash of the name in lower case: any name has one"),
            ("strip_domain", "the same, of the name without its domain"),
            ("lower", "the name in lower case"),
            ("exact", "the name itself"),
        ]),
        Field::area("Aliases", "Users with identities of their own", {
            values.text("Aliases", |it| it.users.aliases.iter().map(alias_line).collect())
        })
        .hint("One a line: name=identity. They come before the rule."),
        Field::text("UnknownUsers", "Users without a device", {
            values.text("UnknownUsers", |it| it.unknown_users.as_str().to_owned())
        })
        .choose_of(&[("deny", "are denied"), ("enrol", "are shown where to enrol one")]),
        Field::text(
            "Presence",
            "Presence",
            values.text("Presence", |it| modes(it.presence.as_ref())),
        )
        .hint("code, number, pick or none; several with commas. Empty: as the service says."),
        Field::area("Networks", "Networks that requests may come from", {
            values.text("Networks", |it| it.networks.iter().map(|it| format!("{it}\n")).collect())
        })
        .hint(match kind {
            IntegrationKind::Radius => {
                "One a line, such as 192.0.2.0/24. RADIUS clients are known by them."
            }
            _ => "One a line, such as 192.0.2.0/24. Empty: anywhere.",
        }),
        Field::number("PromptLife", "Seconds that a prompt lives", {
            values.text("PromptLife", |it| it.prompt_seconds.to_string())
        })
        .hint(format!("{} to {}.", PROMPT_SECONDS.start(), PROMPT_SECONDS.end())),
    ];
    fields.extend(integration_settings::fields(kind, &values));
    fields
}

fn alias_line((name, identity): (&str, &Identity)) -> String {
    format!("{name}={identity}\n")
}

fn modes(presence: Option<&PresenceList>) -> String {
    let modes = presence.into_iter().flat_map(PresenceList::modes);
    modes.map(|mode| mode.as_str()).collect::<Vec<_>>().join(", ")
}
