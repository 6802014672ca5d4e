//! Services (Twilio documentation).

use axum::extract::State;
use countersign_domain::service::{
    PasskeySettings, PushSettings, Service, ServiceSettings, TotpSettings, WhatsappSettings,
};
use countersign_domain::sid::{AccountSid, ServiceSid};
use countersign_domain::text::{AccountLabel, ServiceLabel, ServiceName};
use countersign_domain::time::Instant;
use countersign_store::Order;
use serde::Serialize;

use super::branding::logo_url;
use super::service_params;
use crate::auth::{AnyCaller, Application};
use crate::body::{Form, Query};
use crate::error::ApiError;
use crate::paging::Paging;
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
    let settings = service_params::create(&form.params(&rows::SERVICE_PARAMETER)?)?;
    let service = state.verify.create_service(account, settings).await?;
    reply::created(&ServiceView::of(&service, &state.public_url))
}

pub(crate) async fn fetch(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((sid,)): PathParams<(ServiceSid,)>,
) -> ApiResult {
    let service = state.verify.service(account, sid).await?;
    reply::ok(&ServiceView::of(&service, &state.public_url))
}

/// Addition of this server: the `applicationServerKey` of a page that enrols a factor of platform `webpush`.
pub(crate) async fn web_push_key(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((sid,)): PathParams<(ServiceSid,)>,
) -> ApiResult {
    #[derive(serde::Serialize)]
    struct View {
        service_sid: ServiceSid,
        public_key: String,
    }
    let public_key = state.verify.web_push_key(account, sid).await?;
    reply::ok(&View { service_sid: sid, public_key })
}

/// Addition of this server: what a device shows of the service and of its account there. A link could contain any names; these
/// belong to the caller's credentials.
pub(crate) async fn name(
    State(state): State<SharedState>,
    AnyCaller(caller): AnyCaller,
    PathParams((sid,)): PathParams<(ServiceSid,)>,
) -> ApiResult {
    #[derive(serde::Serialize)]
    struct View<'a> {
        service_sid: ServiceSid,
        friendly_name: &'a ServiceName,
        label: Option<&'a ServiceLabel>,
        logo_url: Option<String>,
        user_verification: &'static str,
        account_label: Option<AccountLabel>,
    }
    let service = state.verify.service_of(&caller, sid).await?;
    let settings = &service.settings;
    reply::ok(&View {
        service_sid: sid,
        friendly_name: &settings.friendly_name,
        label: settings.branding.label.as_ref(),
        logo_url: logo_url(&service, &state.public_url),
        user_verification: settings.protection.user_verification().as_str(),
        account_label: state.verify.account_label(&caller).await?,
    })
}

pub(crate) async fn list(
    State(state): State<SharedState>,
    Application(account): Application,
    query: Query,
) -> ApiResult {
    let paging = Paging::read(&query, &query.params()?, Order::Ascending, &[])?;
    let page = state.verify.services(account, paging.query).await?;
    let base = &state.public_url;
    paging.reply(base, "services", &page, |service| service.sid, |it| ServiceView::of(it, base))
}

pub(crate) async fn update(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((sid,)): PathParams<(ServiceSid,)>,
    form: Form,
) -> ApiResult {
    let params = form.params(&rows::SERVICE_PARAMETER)?;
    let edit = |settings: &mut ServiceSettings| service_params::update(&params, settings);
    let service = state.verify.update_service::<ApiError>(account, sid, edit).await?;
    reply::ok(&ServiceView::of(&service, &state.public_url))
}

pub(crate) async fn delete(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((sid,)): PathParams<(ServiceSid,)>,
) -> ApiResult {
    state.verify.delete_service(account, sid).await?;
    reply::gone()
}

#[derive(Serialize)]
struct ServiceView<'a> {
    sid: ServiceSid,
    account_sid: AccountSid,
    friendly_name: &'a ServiceName,
    code_length: u8,
    lookup_enabled: bool,
    psd2_enabled: bool,
    skip_sms_to_landlines: bool,
    dtmf_input_required: bool,
    tts_name: Option<&'a str>,
    do_not_share_warning_enabled: bool,
    custom_code_enabled: bool,
    push: &'a PushSettings,
    totp: &'a TotpSettings,
    whatsapp: &'a WhatsappSettings,
    passkeys: &'a PasskeySettings,
    default_template_sid: Option<&'a str>,
    verify_event_subscription_enabled: bool,
    date_created: Instant,
    date_updated: Instant,
    url: String,
    links: Links,
}

/// Clients expect all of these, although only the last three exist here.
#[derive(Serialize)]
struct Links {
    verification_checks: String,
    verifications: String,
    rate_limits: String,
    messaging_configurations: String,
    entities: String,
    webhooks: String,
    access_tokens: String,
}

impl<'a> ServiceView<'a> {
    fn of(service: &'a Service, base: &PublicUrl) -> Self {
        let settings = &service.settings;
        let url = base.service(service.sid);
        let below = |name: &str| format!("{url}/{name}");
        Self {
            sid: service.sid,
            account_sid: service.account,
            friendly_name: &settings.friendly_name,
            code_length: settings.code_length,
            lookup_enabled: settings.lookup_enabled,
            psd2_enabled: settings.psd2_enabled,
            skip_sms_to_landlines: settings.skip_sms_to_landlines,
            dtmf_input_required: settings.dtmf_input_required,
            tts_name: settings.tts_name.as_deref(),
            do_not_share_warning_enabled: settings.do_not_share_warning_enabled,
            custom_code_enabled: settings.custom_code_enabled,
            push: &settings.push,
            totp: &settings.totp,
            whatsapp: &settings.whatsapp,
            passkeys: &settings.passkeys,
            default_template_sid: settings.default_template_sid.as_deref(),
            verify_event_subscription_enabled: settings.verify_event_subscription_enabled,
            date_created: service.created_at,
            date_updated: service.updated_at,
            links: Links {
                verification_checks: below("VerificationCheck"),
                verifications: below("Verifications"),
                rate_limits: below("RateLimits"),
                messaging_configurations: below("MessagingConfigurations"),
                entities: below("Entities"),
                webhooks: below("Webhooks"),
                access_tokens: below("AccessTokens"),
            },
            url,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_as_documented() {
        let name = ServiceName::parse("owlbank").expect("a name");
        let at = Instant::from_seconds(1_700_000_000);
        let service = Service {
            sid: "VA00000000000000000000000000000001".parse().expect("a SID"),
            account: "AC00000000000000000000000000000001".parse().expect("a SID"),
            settings: ServiceSettings::named(name),
            created_at: at,
            updated_at: at,
        };
        insta::assert_json_snapshot!(ServiceView::of(&service, &crate::tests::base()));
    }
}
