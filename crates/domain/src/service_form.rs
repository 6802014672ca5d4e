//! What an application may set of a service (wire reference §2.1). Absent means unchanged; an empty text takes a value
//! back. One reading for whoever takes such a form.

use std::ops::RangeInclusive;

use crate::invalid::Invalid;
use crate::service::ServiceSettings;
use crate::text::{ServiceName, bounded, line};

/// The most characters of a text that we only keep and show.
const LONGEST: usize = 256;

/// A parameter that was not taken, and why.
pub type BadParameter = (&'static str, Invalid);

/// Changes what is given; `text` knows the text of a parameter, if it was.
///
/// # Errors
/// The first parameter that is wrong.
pub fn change<'p>(
    to: &mut ServiceSettings,
    text: impl Fn(&'static str) -> Result<Option<&'p str>, Invalid>,
) -> Result<(), BadParameter> {
    let params = Given(text);
    set(&mut to.friendly_name, params.optional("FriendlyName", ServiceName::written)?);
    set(&mut to.code_length, params.optional("CodeLength", integer(4..=10))?);
    let kept: [(&'static str, &mut bool); 8] = [
        ("LookupEnabled", &mut to.lookup_enabled),
        ("SkipSmsToLandlines", &mut to.skip_sms_to_landlines),
        ("DtmfInputRequired", &mut to.dtmf_input_required),
        ("Psd2Enabled", &mut to.psd2_enabled),
        ("DoNotShareWarningEnabled", &mut to.do_not_share_warning_enabled),
        ("CustomCodeEnabled", &mut to.custom_code_enabled),
        ("VerifyEventSubscriptionEnabled", &mut to.verify_event_subscription_enabled),
        ("Push.IncludeDate", &mut to.push.include_date),
    ];
    for (name, flag) in kept {
        set(flag, params.optional(name, boolean)?);
    }
    let (push, totp) = (&mut to.push, &mut to.totp);
    set(
        &mut push.apn_credential_sid,
        params.optional("Push.ApnCredentialSid", or_none(str::parse))?,
    );
    set(
        &mut push.fcm_credential_sid,
        params.optional("Push.FcmCredentialSid", or_none(str::parse))?,
    );
    set(&mut totp.time_step, params.optional("Totp.TimeStep", integer(20..=60))?);
    set(&mut totp.code_length, params.optional("Totp.CodeLength", integer(3..=8))?);
    set(&mut totp.skew, params.optional("Totp.Skew", integer(0..=2))?);
    let passkeys = &mut to.passkeys;
    let party = &mut passkeys.relying_party;
    let texts: [(&'static str, &mut Option<String>, Read); 10] = [
        ("TtsName", &mut to.tts_name, short),
        ("Totp.Issuer", &mut totp.issuer, short),
        ("DefaultTemplateSid", &mut to.default_template_sid, |text| sid(text, "HJ")),
        ("Whatsapp.MsgServiceSid", &mut to.whatsapp.msg_service_sid, |text| sid(text, "MG")),
        ("Whatsapp.From", &mut to.whatsapp.from, short),
        ("Passkeys.RelyingParty.Id", &mut party.id, short),
        ("Passkeys.RelyingParty.Name", &mut party.name, short),
        ("Passkeys.AuthenticatorAttachment", &mut passkeys.authenticator_attachment, |text| {
            one_of(text, &["platform", "cross-platform", "any"])
        }),
        ("Passkeys.DiscoverableCredentials", &mut passkeys.discoverable_credentials, wanted),
        ("Passkeys.UserVerification", &mut passkeys.user_verification, wanted),
    ];
    for (name, text, read) in texts {
        set(text, params.optional(name, or_none(read))?);
    }
    set(&mut party.origins, params.optional("Passkeys.RelyingParty.Origins", or_none(origins))?);
    Ok(())
}

/// What was given.
struct Given<F>(F);

impl<'p, F: Fn(&'static str) -> Result<Option<&'p str>, Invalid>> Given<F> {
    fn optional<T>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&'p str) -> Result<T, Invalid>,
    ) -> Result<Option<T>, BadParameter> {
        let text = (self.0)(name).map_err(|why| (name, why))?;
        text.map(parse).transpose().map_err(|why| (name, why))
    }
}

/// Reads a text as it is kept.
type Read = fn(&str) -> Result<String, Invalid>;

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

/// What people read, of one line.
fn short(text: &str) -> Result<String, Invalid> {
    line(text, 1, LONGEST)
}

/// SIDs of resources that we do not have.
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
    bounded(text, 1, 4 * LONGEST)?;
    Ok(text.split(',').map(|origin| origin.trim().to_owned()).collect())
}

/// Reads a whole number within bounds: digits only, no sign.
///
/// # Errors
/// Says which bounds.
pub fn integer<T>(bounds: RangeInclusive<T>) -> impl FnOnce(&str) -> Result<T, Invalid>
where
    T: TryFrom<u32> + PartialOrd + std::fmt::Display,
{
    move |text| {
        let digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
        let number = digits.then(|| text.parse().ok()).flatten();
        let number = number.and_then(|number: u32| T::try_from(number).ok());
        number.filter(|number| bounds.contains(number)).ok_or_else(|| {
            let (least, most) = (bounds.start(), bounds.end());
            Invalid(format!("must be a whole number from {least} to {most}").into())
        })
    }
}

/// Reads `true` or `false`, in any case.
///
/// # Errors
/// Another word.
pub fn boolean(text: &str) -> Result<bool, Invalid> {
    if text.eq_ignore_ascii_case("true") {
        Ok(true)
    } else if text.eq_ignore_ascii_case("false") {
        Ok(false)
    } else {
        Err(Invalid::because("must be true or false"))
    }
}
