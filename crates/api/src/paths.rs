//! Parameters of a path: SIDs and identities, parsed before the handler runs.

use axum::extract::{FromRequestParts, RawPathParams};
use countersign_domain::branding::LogoHash;
use countersign_domain::invalid::Invalid;
use countersign_domain::sid::{
    AccessTokenSid, ChallengeGroupSid, ChallengeSid, CredentialSid, FactorSid, IntegrationSid,
    NotificationSid, ServiceSid, WebhookSid,
};
use countersign_domain::text::Identity;
use http::Uri;
use http::request::Parts;
use http::uri::PathAndQuery;

use crate::error::ApiError;
use crate::rows;

/// A type of path parameter.
pub(crate) trait PathParam: Sized {
    /// The name of the parameter in errors.
    const NAME: &'static str;

    /// Parses the text.
    fn read(text: &str) -> Result<Self, Invalid>;
}

macro_rules! parts {
    ($($kind:ident $name:literal;)*) => {$(
        impl PathParam for $kind {
            const NAME: &'static str = $name;

            fn read(text: &str) -> Result<Self, Invalid> {
                text.parse()
            }
        }
    )*};
}

parts! {
    ServiceSid "ServiceSid";
    FactorSid "FactorSid";
    ChallengeSid "ChallengeSid";
    ChallengeGroupSid "ChallengeGroupSid";
    NotificationSid "NotificationSid";
    AccessTokenSid "AccessTokenSid";
    WebhookSid "WebhookSid";
    IntegrationSid "IntegrationSid";
    CredentialSid "CredentialSid";
}

impl PathParam for LogoHash {
    const NAME: &'static str = "LogoHash";

    fn read(text: &str) -> Result<Self, Invalid> {
        Self::parse(text)
    }
}

impl PathParam for Identity {
    const NAME: &'static str = "Identity";

    fn read(text: &str) -> Result<Self, Invalid> {
        Self::parse(text)
    }
}

/// The parameters of the path, in their order.
pub(crate) struct PathParams<T>(pub(crate) T);

macro_rules! tuples {
    ($(($($part:ident),+))*) => {$(
        impl<S: Send + Sync, $($part: PathParam),+> FromRequestParts<S> for PathParams<($($part,)+)> {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
                let params = RawPathParams::from_request_parts(parts, state).await;
                let params = params.map_err(|_| ApiError::because(&rows::PARAMETER, "the path must be UTF-8"))?;
                let mut texts = params.iter().map(|(_, text)| text);
                Ok(Self(($(
                    {
                        let text = texts.next().unwrap_or_default();
                        let bad = |why| ApiError::parameter(&rows::PARAMETER, $part::NAME, why);
                        $part::read(text).map_err(bad)?
                    },
                )+)))
            }
        }
    )*};
}

tuples! { (A) (A, B) (A, B, C) (A, B, C, D) }

/// The normalized URI, if it differs: below `/v1/` and `/v2/` a trailing `.json` or slash is ignored (Twilio documentation).
pub(crate) fn plain(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let bare = path.strip_suffix(".json").unwrap_or(path);
    let bare = bare.strip_suffix('/').unwrap_or(bare);
    let is_api = ["/v1/", "/v2/"].iter().any(|version| bare.starts_with(version));
    if bare.len() == path.len() || !is_api {
        return None;
    }
    let text = match uri.query() {
        Some(query) => format!("{bare}?{query}"),
        None => bare.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(text).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/v2/Services", None)]
    #[case("/v2/Services.json", Some("/v2/Services"))]
    #[case("/v2/Services/?PageSize=1", Some("/v2/Services?PageSize=1"))]
    #[case("/v2/Services/VA1.json?a=b.json", Some("/v2/Services/VA1?a=b.json"))]
    #[case("/openapi.json", None)]
    #[case("/v2/", None)]
    #[case("/", None)]
    fn a_trailing_json_or_slash_is_ignored(#[case] asked: &str, #[case] routed: Option<&str>) {
        let uri = plain(&asked.parse().expect(asked));
        assert_eq!(uri.map(|uri| uri.to_string()).as_deref(), routed);
    }
}
