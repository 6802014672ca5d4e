//! Push credentials (Twilio documentation). Secrets are accepted and never returned.

use axum::extract::State;
use countersign_domain::credential::{Credential, CredentialType};
use countersign_domain::invalid::Invalid;
use countersign_domain::secret::Secret;
use countersign_domain::sid::{AccountSid, CredentialSid};
use countersign_domain::time::Instant;
use countersign_store::Order;
use countersign_verify::CredentialSecrets;
use countersign_verify::credentials::CredentialUpdate;
use serde::Serialize;

use crate::auth::Application;
use crate::body::{Form, Query};
use crate::error::ApiError;
use crate::paging::Paging;
use crate::params::{Params, boolean};
use crate::paths::PathParams;
use crate::reply::{self, ApiResult};
use crate::rows;
use crate::state::SharedState;
use crate::urls::PublicUrl;

pub(crate) async fn create(
    State(state): State<SharedState>,
    Application(account): Application,
    form: Form,
) -> ApiResult {
    let params = form.params(&rows::OTHER_PARAMETER)?;
    let kind = params.required("Type", str::parse)?;
    let credential = state.verify.create_credential(account, kind, read(&params)?).await?;
    reply::created(&CredentialView::of(&credential, &state.public_url))
}

pub(crate) async fn fetch(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((sid,)): PathParams<(CredentialSid,)>,
) -> ApiResult {
    let credential = state.verify.credential(account, sid).await?;
    reply::ok(&CredentialView::of(&credential, &state.public_url))
}

pub(crate) async fn list(
    State(state): State<SharedState>,
    Application(account): Application,
    query: Query,
) -> ApiResult {
    let paging = Paging::read(&query, &query.params()?, Order::Ascending, &[])?;
    let page = state.verify.credentials(account, paging.query).await?;
    let base = &state.public_url;
    paging.reply(base, "credentials", &page, |it| it.sid, |it| CredentialView::of(it, base))
}

pub(crate) async fn update(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((sid,)): PathParams<(CredentialSid,)>,
    form: Form,
) -> ApiResult {
    let update = read(&form.params(&rows::OTHER_PARAMETER)?)?;
    let credential = state.verify.update_credential(account, sid, &update).await?;
    reply::ok(&CredentialView::of(&credential, &state.public_url))
}

pub(crate) async fn delete(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((sid,)): PathParams<(CredentialSid,)>,
) -> ApiResult {
    state.verify.delete_credential(account, sid).await?;
    reply::gone()
}

fn read(params: &Params<'_>) -> Result<CredentialUpdate, ApiError> {
    let secret = |name| params.optional(name, |text| Ok::<_, Invalid>(Secret::new(text)));
    Ok(CredentialUpdate {
        friendly_name: params.optional("FriendlyName", Credential::name)?,
        sandbox: params.optional("Sandbox", boolean)?,
        key_id: params.optional("KeyId", Credential::id)?,
        team_id: params.optional("TeamId", Credential::id)?,
        topic: params.optional("Topic", Credential::topic)?,
        secrets: CredentialSecrets {
            certificate: secret("Certificate")?,
            private_key: secret("PrivateKey")?,
            api_key: secret("ApiKey")?,
            secret: secret("Secret")?,
        },
    })
}

#[derive(Serialize)]
struct CredentialView<'a> {
    sid: CredentialSid,
    account_sid: AccountSid,
    friendly_name: Option<&'a str>,
    r#type: &'static str,
    /// A string, as in Twilio's API; null for types without a sandbox.
    sandbox: Option<&'static str>,
    date_created: Instant,
    date_updated: Instant,
    url: String,
}

impl<'a> CredentialView<'a> {
    fn of(credential: &'a Credential, base: &PublicUrl) -> Self {
        let sandbox = if credential.sandbox { "True" } else { "False" };
        Self {
            sid: credential.sid,
            account_sid: credential.account,
            friendly_name: credential.friendly_name.as_deref(),
            r#type: credential.kind.as_str(),
            sandbox: (credential.kind == CredentialType::Apn).then_some(sandbox),
            date_created: credential.created_at,
            date_updated: credential.updated_at,
            url: base.of(format_args!("/v1/Credentials/{}", credential.sid)),
        }
    }
}

#[cfg(test)]
mod tests {
    use countersign_domain::secret::Sealed;

    use super::*;
    use crate::tests::{at, base, owner};

    #[test]
    fn looks_as_documented() {
        let credential = Credential {
            sid: "CRaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".parse().expect("a SID"),
            account: owner().account,
            kind: CredentialType::Apn,
            friendly_name: Some("ios prod".into()),
            sandbox: false,
            key_id: None,
            team_id: None,
            topic: None,
            secrets: Sealed::from_bytes(Vec::new()),
            created_at: at(),
            updated_at: at(),
        };
        insta::assert_json_snapshot!(CredentialView::of(&credential, &base()));
    }

    #[test]
    fn no_secret_is_returned() {
        let form = b"Secret=hush&PrivateKey=hush&Sandbox=true&KeyId=ABCDE12345";
        let params = Params::parse(form, &rows::OTHER_PARAMETER).expect("a form");
        let update = read(&params).expect("an update");
        assert_eq!(update.sandbox, Some(true));
        assert!(!format!("{update:?}").contains("hush"));
    }
}
