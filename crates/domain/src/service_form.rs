//! The settings of a service that an application may change, read from texts (Twilio Verify v2, Service resource). An absent
//! text leaves a setting unchanged, an empty one resets it.

use crate::invalid::Invalid;
use crate::numbers::{boolean, integer};
use crate::service::ServiceSettings;
use crate::text::{ServiceName, bounded, line};

/// The most characters of a text that is only stored and shown.
const MAX_TEXT: usize = 256;

/// A setting of a service. Its name in a request is for the caller to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the field of `ServiceSettings` with that name")]
pub enum ServiceParameter {
    FriendlyName,
    CodeLength,
    LookupEnabled,
    SkipSmsToLandlines,
    DtmfInputRequired,
    Psd2Enabled,
    DoNotShareWarningEnabled,
    CustomCodeEnabled,
    VerifyEventSubscriptionEnabled,
    IncludeDate,
    ApnCredential,
    FcmCredential,
    TotpTimeStep,
    TotpCodeLength,
    TotpSkew,
    TtsName,
    TotpIssuer,
    DefaultTemplate,
    WhatsappMessagingService,
    WhatsappFrom,
    RelyingPartyId,
    RelyingPartyName,
    RelyingPartyOrigins,
    AuthenticatorAttachment,
    DiscoverableCredentials,
    UserVerification,
}

/// A setting whose text was refused, and why.
pub type InvalidParameter = (ServiceParameter, Invalid);

/// Changes the settings for which `text` returns a text.
///
/// # Errors
/// The first setting whose text is refused.
pub fn change<'p>(
    to: &mut ServiceSettings,
    text: impl Fn(ServiceParameter) -> Result<Option<&'p str>, Invalid>,
) -> Result<(), InvalidParameter> {
    use ServiceParameter as Name;
    let texts = Texts(text);
    set(&mut to.friendly_name, texts.parse(Name::FriendlyName, ServiceName::written)?);
    set(&mut to.code_length, texts.parse(Name::CodeLength, integer(4..=10))?);
    let kept: [(Name, &mut bool); 8] = [
        (Name::LookupEnabled, &mut to.lookup_enabled),
        (Name::SkipSmsToLandlines, &mut to.skip_sms_to_landlines),
        (Name::DtmfInputRequired, &mut to.dtmf_input_required),
        (Name::Psd2Enabled, &mut to.psd2_enabled),
        (Name::DoNotShareWarningEnabled, &mut to.do_not_share_warning_enabled),
        (Name::CustomCodeEnabled, &mut to.custom_code_enabled),
        (Name::VerifyEventSubscriptionEnabled, &mut to.verify_event_subscription_enabled),
        (Name::IncludeDate, &mut to.push.include_date),
    ];
    for (name, flag) in kept {
        set(flag, texts.parse(name, boolean)?);
    }
    let (push, totp) = (&mut to.push, &mut to.totp);
    set(&mut push.apn_credential_sid, texts.parse(Name::ApnCredential, or_none(str::parse))?);
    set(&mut push.fcm_credential_sid, texts.parse(Name::FcmCredential, or_none(str::parse))?);
    set(&mut totp.time_step, texts.parse(Name::TotpTimeStep, integer(20..=60))?);
    set(&mut totp.code_length, texts.parse(Name::TotpCodeLength, integer(3..=8))?);
    set(&mut totp.skew, texts.parse(Name::TotpSkew, integer(0..=2))?);
    let passkeys = &mut to.passkeys;
    let party = &mut passkeys.relying_party;
    let strings: [(Name, &mut Option<String>, Parse); 10] = [
        (Name::TtsName, &mut to.tts_name, short),
        (Name::TotpIssuer, &mut totp.issuer, short),
        (Name::DefaultTemplate, &mut to.default_template_sid, |text| sid(text, "HJ")),
        (Name::WhatsappMessagingService, &mut to.whatsapp.msg_service_sid, |text| sid(text, "MG")),
        (Name::WhatsappFrom, &mut to.whatsapp.from, short),
        (Name::RelyingPartyId, &mut party.id, short),
        (Name::RelyingPartyName, &mut party.name, short),
        (Name::AuthenticatorAttachment, &mut passkeys.authenticator_attachment, |text| {
            one_of(text, &["platform", "cross-platform", "any"])
        }),
        (Name::DiscoverableCredentials, &mut passkeys.discoverable_credentials, wanted),
        (Name::UserVerification, &mut passkeys.user_verification, wanted),
    ];
    for (name, text, parse) in strings {
        set(text, texts.parse(name, or_none(parse))?);
    }
    set(&mut party.origins, texts.parse(Name::RelyingPartyOrigins, or_none(origins))?);
    Ok(())
}

/// The texts of a request.
struct Texts<F>(F);

impl<'p, F: Fn(ServiceParameter) -> Result<Option<&'p str>, Invalid>> Texts<F> {
    fn parse<T>(
        &self,
        name: ServiceParameter,
        parse: impl FnOnce(&'p str) -> Result<T, Invalid>,
    ) -> Result<Option<T>, InvalidParameter> {
        let text = (self.0)(name).map_err(|why| (name, why))?;
        text.map(parse).transpose().map_err(|why| (name, why))
    }
}

/// Parses a text into the form that is stored.
type Parse = fn(&str) -> Result<String, Invalid>;

fn set<T>(place: &mut T, given: Option<T>) {
    if let Some(value) = given {
        *place = value;
    }
}

fn or_none<T>(
    parse: impl FnOnce(&str) -> Result<T, Invalid>,
) -> impl FnOnce(&str) -> Result<Option<T>, Invalid> {
    |text| if text.is_empty() { Ok(None) } else { parse(text).map(Some) }
}

/// One line that people read.
fn short(text: &str) -> Result<String, Invalid> {
    line(text, 1, MAX_TEXT)
}

/// A SID of a resource that this server does not offer.
fn sid(text: &str, prefix: &str) -> Result<String, Invalid> {
    let digits = text.strip_prefix(prefix).filter(|digits| digits.len() == 32);
    if digits.is_some_and(|digits| digits.bytes().all(|c| c.is_ascii_hexdigit())) {
        Ok(text.to_owned())
    } else {
        Err(Invalid(format!("must be {prefix} and 32 hexadecimal digits").into()))
    }
}

fn wanted(text: &str) -> Result<String, Invalid> {
    one_of(text, &["required", "preferred", "discouraged"])
}

fn one_of(text: &str, words: &[&str]) -> Result<String, Invalid> {
    if words.contains(&text) {
        Ok(text.to_owned())
    } else {
        Err(Invalid(format!("must be one of {}", words.join(", ")).into()))
    }
}

fn origins(text: &str) -> Result<Vec<String>, Invalid> {
    bounded(text, 1, 4 * MAX_TEXT)?;
    Ok(text.split(',').map(|origin| origin.trim().to_owned()).collect())
}
