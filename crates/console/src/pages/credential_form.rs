//! Making a push credential, and replacing its key or its other parts.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_domain::credential::{Credential, CredentialPart, CredentialType};
use countersign_domain::secret::Secret;
use countersign_domain::sid::CredentialSid;
use countersign_verify::credentials::CredentialUpdate;
use countersign_verify::{CredentialSecrets, Parameter, VerifyError};
use http::StatusCode;

use super::credentials::{label_of, name_of};
use crate::error::PageError;
use crate::fields::{Field, Refusal, Wrong};
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::session::{Operator, Posted};
use crate::state::{Console, SharedConsole};

#[derive(Template)]
#[template(path = "credential.html")]
struct CredentialForm {
    frame: Frame,
    /// The path of the form.
    path: String,
    /// The name of the credential that is changed; empty for a new one.
    name: String,
    kind: CredentialType,
    label: &'static str,
    fields: Vec<Field>,
}

/// The kind that a new credential gets: Apple's, unless the query says Google's.
fn kind_of(form: &Form) -> CredentialType {
    if form.text("type") == CredentialType::Fcm.as_str() {
        CredentialType::Fcm
    } else {
        CredentialType::Apn
    }
}

/// The form of a new credential.
pub(crate) async fn show_new(
    State(console): State<SharedConsole>,
    operator: Operator,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = Form::of_query(query.as_deref())?;
    frame::ok(&page(&console, &operator, kind_of(&query), None, &query, None))
}

/// The form that changes a credential.
pub(crate) async fn show(
    State(console): State<SharedConsole>,
    operator: Operator,
    Path(sid): Path<String>,
) -> Result<Response, PageError> {
    let credential = console.verify.credential(operator.account, super::sid(&sid)?).await?;
    let kind = credential.kind;
    frame::ok(&page(&console, &operator, kind, Some(&credential), &Form::empty(), None))
}

/// Creates a credential.
pub(crate) async fn create(
    State(console): State<SharedConsole>,
    Posted { operator, form }: Posted,
) -> Result<Response, PageError> {
    let kind = kind_of(&form);
    let made = async {
        let new = read(&form, kind)?;
        let made = console.verify.create_credential(operator.account, kind, new).await;
        made.map_err(refusal)
    };
    match made.await {
        Ok(_) => Ok(frame::go(&console, "/credentials?done=credential-made")),
        Err(refusal) => {
            let wrong = refusal.wrong()?;
            let page = page(&console, &operator, kind, None, &form, Some(&wrong));
            frame::page(StatusCode::BAD_REQUEST, &page)
        }
    }
}

/// Changes a credential. Fields that are left empty keep their values.
pub(crate) async fn update(
    State(console): State<SharedConsole>,
    Path(sid): Path<String>,
    Posted { operator, form }: Posted,
) -> Result<Response, PageError> {
    let sid: CredentialSid = super::sid(&sid)?;
    let credential = console.verify.credential(operator.account, sid).await?;
    let kind = credential.kind;
    let changed = async {
        let update = read(&form, kind)?;
        let changed = console.verify.update_credential(operator.account, sid, &update).await;
        changed.map_err(refusal)
    };
    match changed.await {
        Ok(_) => Ok(frame::go(&console, "/credentials?done=credential-saved")),
        Err(refusal) => {
            let wrong = refusal.wrong()?;
            let page = page(&console, &operator, kind, Some(&credential), &form, Some(&wrong));
            frame::page(StatusCode::BAD_REQUEST, &page)
        }
    }
}

/// A refusal of the use case, with the field that it is about.
fn refusal(error: VerifyError) -> Refusal {
    match error {
        VerifyError::Parameter(Parameter::Credential(part), why) => {
            let field = match part {
                CredentialPart::Certificate => "Certificate",
                CredentialPart::PrivateKey => "PrivateKey",
                CredentialPart::KeyId => "KeyId",
                CredentialPart::TeamId => "TeamId",
                CredentialPart::Topic => "Topic",
                CredentialPart::Secret => "Secret",
            };
            Refusal::field(field, &why)
        }
        other => other.into(),
    }
}

fn read(form: &Form, kind: CredentialType) -> Result<CredentialUpdate, Refusal> {
    let secret = |name| Some(form.text(name)).filter(|text| !text.is_empty()).map(Secret::new);
    let sandbox = form.given("Sandbox").map(|text| text == "true");
    Ok(CredentialUpdate {
        friendly_name: Some(form.read("FriendlyName", Credential::name)?),
        sandbox: sandbox.filter(|_| kind == CredentialType::Apn),
        key_id: form.read_given("KeyId", Credential::id)?,
        team_id: form.read_given("TeamId", Credential::id)?,
        topic: form.read_given("Topic", Credential::topic)?,
        secrets: CredentialSecrets {
            certificate: secret("Certificate"),
            private_key: secret("PrivateKey"),
            api_key: None,
            secret: secret("Secret"),
        },
    })
}

fn page(
    console: &Console,
    operator: &Operator,
    kind: CredentialType,
    old: Option<&Credential>,
    form: &Form,
    wrong: Option<&Wrong>,
) -> CredentialForm {
    let fields: Vec<_> = fields(kind, old, form).into_iter().map(|it| it.judged(wrong)).collect();
    let path = match old {
        Some(old) => format!("/credentials/{}", old.sid),
        None => "/credentials".to_owned(),
    };
    CredentialForm {
        frame: Frame::new(console, Some(operator), Section::Credentials).refusing(wrong, &fields),
        path,
        name: old.map(name_of).unwrap_or_default(),
        kind,
        label: label_of(kind),
        fields,
    }
}

/// The fields, with what was sent or what is stored. A secret that was sent is shown to nobody, and has to be given again.
fn fields(kind: CredentialType, old: Option<&Credential>, form: &Form) -> Vec<Field> {
    let text = |name: &str, stored: Option<&String>| {
        form.given(name).map_or_else(|| stored.cloned().unwrap_or_default(), str::to_owned)
    };
    let stored = |part: fn(&Credential) -> &Option<String>| old.and_then(|old| part(old).as_ref());
    let keeps = if old.is_some() { " Empty: it stays as it is." } else { "" };
    let name =
        Field::text("FriendlyName", "Name", text("FriendlyName", stored(|it| &it.friendly_name)));
    let name = name.hint("For operators only.");
    if kind != CredentialType::Apn {
        let hint =
            format!("The JSON file that Google’s console made for a service account.{keeps}");
        return vec![name, Field::area("Secret", "Service account", "").hint(hint)];
    }
    let sandbox = old.is_some_and(|old| old.sandbox).to_string();
    let id = |name, label, value| Field::text(name, label, value);
    vec![
        name,
        id("Sandbox", "Environment", text("Sandbox", Some(&sandbox)))
            .choose_of(&[("false", "production"), ("true", "test (sandbox)")]),
        Field::area("PrivateKey", "Private key", "").hint(format!(
            "The .p8 file of a token key, or the key of the certificate below.{keeps}"
        )),
        id("KeyId", "Key id", text("KeyId", stored(|it| &it.key_id)))
            .hint("Of a token key: ten characters, in the file’s name."),
        id("TeamId", "Team id", text("TeamId", stored(|it| &it.team_id)))
            .hint("Of a token key: ten characters, in Apple’s membership details."),
        Field::area("Certificate", "Certificate", "")
            .hint(format!("In PEM, instead of a token key.{keeps}")),
        id("Topic", "Topic", text("Topic", stored(|it| &it.topic)))
            .hint("Only if it differs from the bundle id of the app that enrols."),
    ]
}
