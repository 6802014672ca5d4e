//! Ours: how a service presents itself to people. An absent parameter changes nothing; an empty one removes the value.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use countersign_domain::branding::{Logo, LogoHash};
use countersign_domain::invalid::Invalid;
use countersign_domain::service::Service;
use countersign_domain::sid::{AccountSid, ServiceSid};
use countersign_domain::text::ServiceLabel;
use countersign_domain::time::Instant;
use countersign_verify::branding::BrandingChange;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue};
use serde::Serialize;

use crate::auth::Application;
use crate::body::Form;
use crate::error::ApiError;
use crate::headers::OwnHeaders;
use crate::params::Params;
use crate::paths::PathParams;
use crate::reply::{self, ApiResult};
use crate::rows;
use crate::state::SharedState;
use crate::urls::PublicUrl;

/// The headers of a logo, whose address names its content. Nobody but pages of this server shows it, and it runs nothing.
const OF_LOGOS: [(HeaderName, HeaderValue); 5] = [
    (CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

pub(crate) async fn fetch(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((sid,)): PathParams<(ServiceSid,)>,
) -> ApiResult {
    let service = state.verify.service(account, sid).await?;
    reply::ok(&BrandingView::of(&service, &state.public_url))
}

pub(crate) async fn update(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((sid,)): PathParams<(ServiceSid,)>,
    form: Form,
) -> ApiResult {
    let change = change(&form.params(&rows::PARAMETER)?)?;
    let service = state.verify.brand_service(account, sid, change).await?;
    reply::ok(&BrandingView::of(&service, &state.public_url))
}

/// The bytes of a logo, for everybody who knows its address.
pub(crate) async fn logo(
    State(state): State<SharedState>,
    PathParams((sid, hash)): PathParams<(ServiceSid, LogoHash)>,
) -> ApiResult {
    let logo = state.verify.logo(sid, hash).await?;
    let media_type = HeaderValue::from_static(logo.name().kind.media_type());
    let mut response = Response::new(Body::from(logo.into_bytes()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, media_type);
    headers.extend(OF_LOGOS);
    response.extensions_mut().insert(OwnHeaders);
    Ok(response)
}

/// Makes a parser that takes an empty text for no value.
pub(super) fn or_none<T>(
    parse: impl FnOnce(&str) -> Result<T, Invalid>,
) -> impl FnOnce(&str) -> Result<Option<T>, Invalid> {
    |text| if text.is_empty() { Ok(None) } else { parse(text).map(Some) }
}

fn change(params: &Params<'_>) -> Result<BrandingChange, ApiError> {
    Ok(BrandingChange {
        label: params.optional("Label", or_none(|text: &str| ServiceLabel::written(text)))?,
        logo: params.optional("Logo", or_none(Logo::parse))?,
    })
}

/// The URL of a service's logo.
pub(super) fn logo_url(service: &Service, base: &PublicUrl) -> Option<String> {
    let logo = service.settings.branding.logo?;
    Some(format!("{}/Logos/{}", base.service(service.sid), logo.hash))
}

#[derive(Serialize)]
struct BrandingView<'a> {
    account_sid: AccountSid,
    service_sid: ServiceSid,
    label: Option<&'a ServiceLabel>,
    logo_url: Option<String>,
    date_updated: Instant,
    url: String,
}

impl<'a> BrandingView<'a> {
    fn of(service: &'a Service, base: &PublicUrl) -> Self {
        Self {
            account_sid: service.account,
            service_sid: service.sid,
            label: service.settings.branding.label.as_ref(),
            logo_url: logo_url(service, base),
            date_updated: service.updated_at,
            url: format!("{}/Branding", base.service(service.sid)),
        }
    }
}

#[cfg(test)]
mod tests {
    use countersign_domain::branding::{Branding, ImageKind, LogoName};
    use countersign_domain::service::ServiceSettings;
    use countersign_domain::text::ServiceName;

    use super::*;
    use crate::tests::{at, base};

    fn service(branding: Branding) -> Service {
        let mut settings = ServiceSettings::named(ServiceName::parse("owlbank").expect("a name"));
        settings.branding = branding;
        Service {
            sid: "VA00000000000000000000000000000001".parse().expect("a SID"),
            account: "AC00000000000000000000000000000001".parse().expect("a SID"),
            settings,
            created_at: at(),
            updated_at: at(),
        }
    }

    #[test]
    fn nothing() {
        let service = service(Branding::default());
        insta::assert_json_snapshot!(BrandingView::of(&service, &base()));
    }

    #[test]
    fn everything() {
        let hash = LogoHash::parse("00112233445566778899aabbccddeeff").expect("a hash");
        let service = service(Branding {
            label: ServiceLabel::parse("Owl „Bank“").ok(),
            logo: Some(LogoName { kind: ImageKind::Png, hash, bytes: 1 }),
        });
        insta::assert_json_snapshot!(BrandingView::of(&service, &base()));
    }

    #[test]
    fn an_empty_parameter_removes_and_an_absent_one_changes_nothing() {
        let read =
            |form: &str| change(&Params::parse(form.as_bytes(), &rows::PARAMETER).expect("a form"));
        let emptied = read("Label=&Logo=").expect("a change");
        assert!(matches!((&emptied.label, &emptied.logo), (Some(None), Some(None))));
        let absent = read("FriendlyName=x").expect("a change");
        assert!(absent.label.is_none() && absent.logo.is_none());
        let long = format!("Label={}", "x".repeat(65));
        for wrong in [&*long, "Logo=PHN2Zz4=", "Logo=%%%", "Label=a&Label=b"] {
            assert_eq!(read(wrong).expect_err(wrong).code_and_text().0, 60306, "{wrong}");
        }
    }
}
