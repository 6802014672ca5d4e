//! Access tokens (Twilio documentation).

use axum::extract::State;
use countersign_domain::access_token::{AccessToken, DEFAULT_TTL, TTL};
use countersign_domain::invalid::Invalid;
use countersign_domain::secret::Secret;
use countersign_domain::sid::{AccessTokenSid, AccountSid, ServiceSid};
use countersign_domain::text::{AccountLabel, FriendlyName, Identity};
use countersign_domain::time::Instant;
use countersign_verify::access_tokens::NewAccessToken;
use serde::Serialize;

use crate::auth::Application;
use crate::body::Form;
use crate::error::ApiError;
use crate::params::{Params, integer};
use crate::paths::PathParams;
use crate::reply::{self, ApiResult};
use crate::rows;
use crate::state::SharedState;
use crate::urls::PublicUrl;

pub(crate) async fn create(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service,)): PathParams<(ServiceSid,)>,
    form: Form,
) -> ApiResult {
    let new = read(&form.params(&rows::ACCESS_TOKEN_PARAMETER)?)?;
    let (token, text) = state.verify.create_access_token(account, service, new).await?;
    reply::created(&AccessTokenView::of(&token, &text, &state.public_url))
}

pub(crate) async fn fetch(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service, sid)): PathParams<(ServiceSid, AccessTokenSid)>,
) -> ApiResult {
    let (token, text) = state.verify.access_token(account, service, sid).await?;
    reply::ok(&AccessTokenView::of(&token, &text, &state.public_url))
}

fn read(params: &Params<'_>) -> Result<NewAccessToken, ApiError> {
    let identity = params.needed("Identity", Identity::parse)?;
    params.needed("FactorType", |text| match text {
        "push" => Ok(()),
        _ => Err(Invalid::because("must be push")),
    })?;
    Ok(NewAccessToken {
        identity,
        factor_friendly_name: params.optional("FactorFriendlyName", FriendlyName::written)?,
        account_label: params.optional("AccountLabel", AccountLabel::written)?,
        ttl: params.optional("Ttl", integer(TTL))?.unwrap_or(DEFAULT_TTL),
    })
}

#[derive(Serialize)]
struct AccessTokenView<'a> {
    sid: AccessTokenSid,
    account_sid: AccountSid,
    service_sid: ServiceSid,
    entity_identity: &'a Identity,
    factor_type: &'static str,
    factor_friendly_name: Option<&'a FriendlyName>,
    token: &'a str,
    ttl: u16,
    date_created: Instant,
    url: String,
}

impl<'a> AccessTokenView<'a> {
    fn of(token: &'a AccessToken, text: &'a Secret, base: &PublicUrl) -> Self {
        Self {
            sid: token.sid,
            account_sid: token.account,
            service_sid: token.service,
            entity_identity: &token.identity,
            factor_type: token.factor_type.as_str(),
            factor_friendly_name: token.factor_friendly_name.as_ref(),
            token: text.expose(),
            ttl: token.ttl,
            date_created: token.created_at,
            url: format!("{}/AccessTokens/{}", base.service(token.service), token.sid),
        }
    }
}

#[cfg(test)]
mod tests {
    use countersign_domain::factor::FactorType;
    use rstest::rstest;

    use super::*;
    use crate::tests::{at, base, owner};

    #[rstest]
    #[case("FactorType=push")]
    #[case("Identity=short&FactorType=push")]
    #[case("Identity=ann-smith")]
    #[case("Identity=ann-smith&FactorType=totp")]
    #[case("Identity=ann-smith&FactorType=push&Ttl=59")]
    #[case("Identity=ann-smith&FactorType=push&Ttl=301")]
    #[case("Identity=ann-smith&FactorType=push&Ttl=")]
    #[case("Identity=ann-smith&FactorType=push&FactorFriendlyName=")]
    #[case("Identity=ann-smith&FactorType=push&AccountLabel=")]
    fn rejects_with_60305(#[case] form: &str) {
        let params = Params::parse(form.as_bytes(), &rows::ACCESS_TOKEN_PARAMETER);
        let error = read(&params.expect(form)).expect_err(form);
        assert_eq!(error.code_and_text().0, 60305);
    }

    #[test]
    fn looks_as_documented() {
        let owner = owner();
        let token = AccessToken {
            sid: "YK00000000000000000000000000000001".parse().expect("a SID"),
            account: owner.account,
            service: owner.service,
            identity: owner.identity,
            factor_type: FactorType::Push,
            factor_friendly_name: Some(FriendlyName::parse("Ann's phone").expect("a name")),
            account_label: AccountLabel::parse("Ann Smith").ok(),
            ttl: 60,
            created_at: at(),
            used_at: None,
        };
        let text = Secret::new("eyJ…");
        insta::assert_json_snapshot!(AccessTokenView::of(&token, &text, &base()));
    }
}
