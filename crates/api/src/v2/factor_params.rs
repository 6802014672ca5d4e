//! Forms of a factor (Twilio documentation).

use countersign_domain::address::{Address, Platform};
use countersign_domain::base64;
use countersign_domain::factor::FactorType;
use countersign_domain::invalid::Invalid;
use countersign_domain::key::DeviceKey;
use countersign_domain::text::{AppId, FriendlyName, SdkVersion, StringMap};
use countersign_domain::totp::{TotpChange, TotpConfigChange};
use countersign_domain::totp_code::TotpCode;
use countersign_domain::totp_secret::parse_secret;
use countersign_verify::factors::{FactorUpdate, NewFactor};
use countersign_verify::totp_factors::NewTotpFactor;

use crate::error::ApiError;
use crate::params::{Params, integer};
use crate::rows;

/// A new factor of either type.
#[derive(Debug)]
pub(super) enum New {
    Push(Box<NewFactor>),
    Totp(NewTotpFactor),
}

/// A new factor.
pub(super) fn create(params: &Params<'_>, strict_tokens: bool) -> Result<New, ApiError> {
    let friendly_name = params.required("FriendlyName", FriendlyName::written)?;
    match params.required("FactorType", str::parse)? {
        FactorType::Push => {}
        FactorType::Totp => {
            let secret = params.text("Binding.Secret")?.map(parse_secret).transpose();
            let secret =
                secret.map_err(|why| ApiError::parameter(&rows::BINDING, "Binding.Secret", why))?;
            let config = totp_config(params)?;
            return Ok(New::Totp(NewTotpFactor { friendly_name, secret, config }));
        }
    }
    let app_id = params.needed("Config.AppId", AppId::parse)?;
    let sdk_version = params.needed("Config.SdkVersion", SdkVersion::parse)?;
    let platform = params.needed("Config.NotificationPlatform", str::parse::<Platform>)?;
    let token = params.text("Config.NotificationToken")?.map(push_token);
    let address = Address::new(platform, token.as_deref(), strict_tokens)
        .map_err(|bad| params.bad("Config.NotificationToken", bad.0))?;
    Ok(New::Push(Box::new(NewFactor {
        friendly_name,
        key: key(params)?,
        app_id,
        sdk_version,
        address,
        takes_numbers: takes_numbers(params)?.unwrap_or(false),
        metadata: params.optional("Metadata", StringMap::parse)?,
    })))
}

/// The changes of an update. Requires nothing, and accepts the parameters that both SDKs send beyond Twilio's description.
pub(super) fn update(params: &Params<'_>) -> Result<FactorUpdate, ApiError> {
    totp_config(params)?;
    Ok(FactorUpdate {
        proof: params.optional("AuthPayload", signature)?,
        friendly_name: params.optional("FriendlyName", FriendlyName::written)?,
        platform: params.optional("Config.NotificationPlatform", str::parse)?,
        token: params.text("Config.NotificationToken")?.map(push_token),
        sdk_version: params.optional("Config.SdkVersion", SdkVersion::parse)?,
        app_id: params.optional("Config.AppId", AppId::parse)?,
        takes_numbers: takes_numbers(params)?,
    })
}

/// The code and the changes of an update of a TOTP factor.
pub(super) fn update_totp(params: &Params<'_>) -> Result<(Option<TotpCode>, TotpChange), ApiError> {
    let change = TotpChange {
        friendly_name: params.optional("FriendlyName", FriendlyName::written)?,
        config: totp_config(params)?,
    };
    Ok((params.optional("AuthPayload", TotpCode::parse)?, change))
}

/// Ours: whether the device asks its person for the number of a challenge.
fn takes_numbers(params: &Params<'_>) -> Result<Option<bool>, ApiError> {
    params.optional("Config.Presence", |text| match text {
        "number" => Ok(true),
        "none" => Ok(false),
        _ => Err(Invalid::because("must be number or none")),
    })
}

/// A push token without surrounding spaces. For Apple, the brackets and spaces of older systems, as in `<00fc13ad ff785122>`,
/// are removed too.
fn push_token(text: &str) -> String {
    let text = text.trim();
    let printed = text.strip_prefix('<').and_then(|text| text.strip_suffix('>'));
    let is_printed = |c: char| c.is_ascii_hexdigit() || c == ' ';
    match printed.filter(|digits| digits.chars().all(is_printed)) {
        Some(digits) => digits.replace(' ', ""),
        None => text.to_owned(),
    }
}

fn signature(text: &str) -> Result<Vec<u8>, Invalid> {
    let der = base64::decode(text).filter(|der| !der.is_empty());
    der.ok_or(Invalid::because("must be base64 of a DER signature"))
}

/// The key of the binding, whose errors have their own row.
fn key(params: &Params<'_>) -> Result<DeviceKey, ApiError> {
    let bad = |name| move |why| ApiError::parameter(&rows::BINDING, name, why);
    if params.text("Binding.Alg")?.is_some_and(|alg| alg != "ES256") {
        return Err(bad("Binding.Alg")(Invalid::because("must be ES256")));
    }
    let text = params.text("Binding.PublicKey")?;
    let text =
        text.ok_or(Invalid::because(params.why_missing())).map_err(bad("Binding.PublicKey"))?;
    DeviceKey::read(text).map_err(bad("Binding.PublicKey"))
}

fn totp_config(params: &Params<'_>) -> Result<TotpConfigChange, ApiError> {
    Ok(TotpConfigChange {
        alg: params.optional("Config.Alg", str::parse)?,
        time_step: params.optional("Config.TimeStep", integer(20u8..=60))?,
        skew: params.optional("Config.Skew", integer(0u8..=2))?,
        code_length: params.optional("Config.CodeLength", integer(3u8..=8))?,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const GOOD: &str = "FriendlyName=Ann%27s+phone&FactorType=push&Binding.Alg=ES256\
        &Binding.PublicKey=MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mli\
        LmDyn7Z5A/4QCLi8maQa6elWKLxk8vGyDC1%2Bn1F3o8KU1EYimQ==\
        &Config.SdkVersion=0.9.0&Config.AppId=com.example.myapp&Config.NotificationPlatform=none\
        &Metadata=%7B%22os%22%3A%22Android%22%7D";

    fn read(form: &str) -> Result<NewFactor, ApiError> {
        match create(&Params::parse(form.as_bytes(), &rows::PARAMETER)?, true)? {
            New::Push(new) => Ok(*new),
            New::Totp(_) => panic!("a push factor"),
        }
    }

    /// The valid form without some parameters and with others.
    fn changed(without: &str, with: &str) -> String {
        let kept = GOOD.split('&').filter(|pair| !pair.starts_with(&format!("{without}=")));
        kept.chain([with]).collect::<Vec<_>>().join("&")
    }

    #[test]
    fn accepts_the_forms_of_the_sdks() {
        let new = read(GOOD).expect("a form");
        assert_eq!(new.friendly_name.as_str(), "Ann's phone");
        assert_eq!(new.address.platform(), Platform::None);
        let with_empty_token = format!("{GOOD}&Config.NotificationToken=");
        assert!(read(&with_empty_token).is_ok());
    }

    #[rstest]
    #[case("FriendlyName", "", 20001)]
    #[case("FriendlyName", "FriendlyName=", 60306)]
    #[case("FactorType", "", 20001)]
    #[case("FactorType", "FactorType=sms", 60306)]
    #[case("FactorType", "FactorType=totp&Config.Skew=3", 60306)]
    #[case("FactorType", "FactorType=totp&Binding.Secret=1", 60314)]
    #[case("Binding.Alg", "Binding.Alg=RS256", 60314)]
    #[case("Binding.PublicKey", "", 60314)]
    #[case("Binding.PublicKey", "Binding.PublicKey=MFkw", 60314)]
    #[case("Config.SdkVersion", "", 60306)]
    #[case("Config.AppId", "", 60306)]
    #[case("Config.NotificationPlatform", "", 60306)]
    #[case("Config.NotificationPlatform", "Config.NotificationPlatform=pigeon", 60306)]
    #[case("Config.NotificationPlatform", "Config.NotificationPlatform=fcm", 60306)]
    #[case("Metadata", "Metadata=%7B%22os%22%3A1%7D", 60306)]
    #[case("", "Metadata=%7B%7D", 60306)]
    fn rejects(#[case] without: &str, #[case] with: &str, #[case] code: u32) {
        let form = changed(without, with);
        assert_eq!(read(&form).expect_err(&form).code_and_text().0, code);
    }

    #[rstest]
    #[case("", None)]
    #[case("AuthPayload=MEUCIQ==&Unknown=x", None)]
    #[case("Config.AppId=com.example.app&Config.NotificationPlatform=none", None)]
    #[case("AuthPayload=123456", Some(60306))]
    #[case("AuthPayload=", Some(60306))]
    #[case("Config.NotificationPlatform=pigeon", Some(60306))]
    fn an_update_requires_nothing(#[case] form: &str, #[case] code: Option<u32>) {
        let params = Params::parse(form.as_bytes(), &rows::PARAMETER).expect(form);
        assert_eq!(update(&params).err().map(|error| error.code_and_text().0), code);
    }
}
