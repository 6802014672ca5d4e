//! Representations of a TOTP factor, and of a factor of either type.

use countersign_domain::factor::{AnyFactor, FactorType};
use countersign_domain::sid::{AccountSid, EntitySid, FactorSid, ServiceSid};
use countersign_domain::text::{FriendlyName, Identity};
use countersign_domain::time::Instant;
use countersign_domain::totp::TotpFactor;
use countersign_verify::totp_factors::CreatedTotpFactor;
use serde::Serialize;
use url::form_urlencoded::byte_serialize;

use super::factor_view::FactorView;
use crate::urls::PublicUrl;

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum AnyView<'a> {
    Push(Box<FactorView<'a>>),
    Totp(Box<TotpView<'a>>),
}

impl<'a> AnyView<'a> {
    pub(super) fn of(factor: &'a AnyFactor, base: &PublicUrl) -> Self {
        match factor {
            AnyFactor::Push(factor) => Self::Push(Box::new(FactorView::of(factor, base))),
            AnyFactor::Totp(factor) => Self::Totp(Box::new(TotpView::of(factor, base))),
        }
    }
}

#[derive(Serialize)]
pub(super) struct TotpView<'a> {
    sid: FactorSid,
    account_sid: AccountSid,
    service_sid: ServiceSid,
    entity_sid: EntitySid,
    identity: &'a Identity,
    #[serde(flatten)]
    creation: Option<Creation<'a>>,
    date_created: Instant,
    date_updated: Instant,
    friendly_name: &'a FriendlyName,
    status: &'static str,
    factor_type: &'static str,
    config: Config,
    /// Only push factors have metadata.
    metadata: (),
    url: String,
}

/// Contained only in the response to the creation.
#[derive(Serialize)]
struct Creation<'a> {
    binding: Binding<'a>,
    options: (),
}

#[derive(Serialize)]
struct Binding<'a> {
    secret: &'a str,
    uri: String,
}

#[derive(Serialize)]
struct Config {
    alg: &'static str,
    skew: u8,
    code_length: u8,
    time_step: u8,
}

impl<'a> TotpView<'a> {
    pub(super) fn of(factor: &'a TotpFactor, base: &PublicUrl) -> Self {
        let (owner, config) = (&factor.owner, factor.config);
        Self {
            sid: factor.sid,
            account_sid: owner.account,
            service_sid: owner.service,
            entity_sid: owner.entity,
            identity: &owner.identity,
            creation: None,
            date_created: factor.created_at,
            date_updated: factor.updated_at,
            friendly_name: &factor.friendly_name,
            status: factor.status.as_str(),
            factor_type: FactorType::Totp.as_str(),
            config: Config {
                alg: config.alg.as_str(),
                skew: config.skew,
                code_length: config.code_length,
                time_step: config.time_step,
            },
            metadata: (),
            url: base.factor(owner, factor.sid),
        }
    }

    pub(super) fn created(made: &'a CreatedTotpFactor, base: &PublicUrl) -> Self {
        let binding = Binding { secret: made.secret.expose(), uri: uri(made) };
        Self { creation: Some(Creation { binding, options: () }), ..Self::of(&made.factor, base) }
    }
}

/// The URI that authenticator apps read as a QR code. Apps do not decode a plus sign, so a space is `%20`.
fn uri(made: &CreatedTotpFactor) -> String {
    let escaped =
        |text: &str| byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20");
    let (issuer, name) = (escaped(&made.issuer), escaped(made.factor.friendly_name.as_str()));
    let config = made.factor.config;
    format!(
        "otpauth://totp/{issuer}:{name}?secret={}&issuer={issuer}&algorithm={}&digits={}&period={}",
        made.secret.expose(),
        config.alg.as_str().to_ascii_uppercase(),
        config.code_length,
        config.time_step,
    )
}
