//! The form of a service (wire reference §2.1). Absent means unchanged; an empty text takes a value back.

use countersign_domain::invalid::Invalid;
use countersign_domain::service::ServiceSettings;
use countersign_domain::text::{ServiceName, bounded};

use crate::error::ApiError;
use crate::params::{Params, boolean, integer};

/// The most characters of a text that we only keep and show.
const LONGEST: usize = 256;

/// A new service's settings.
pub(super) fn create(params: &Params<'_>) -> Result<ServiceSettings, ApiError> {
    let name = params.required("FriendlyName", ServiceName::parse)?;
    let mut settings = ServiceSettings::named(name);
    update(params, &mut settings)?;
    Ok(settings)
}

/// Changes what is given.
pub(super) fn update(params: &Params<'_>, to: &mut ServiceSettings) -> Result<(), ApiError> {
    set(&mut to.friendly_name, params.optional("FriendlyName", ServiceName::parse)?);
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
    let texts: [(&'static str, &mut Option<String>, Check); 10] = [
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
    for (name, text, check) in texts {
        let given = params.optional(name, or_none(|text| check(text).map(|()| text.to_owned())))?;
        set(text, given);
    }
    set(&mut party.origins, params.optional("Passkeys.RelyingParty.Origins", or_none(origins))?);
    Ok(())
}

/// Says whether a text may be kept.
type Check = fn(&str) -> Result<(), Invalid>;

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

fn short(text: &str) -> Result<(), Invalid> {
    bounded(text, 1, LONGEST)
}

/// SIDs of resources that we do not have.
fn sid(text: &str, prefix: &str) -> Result<(), Invalid> {
    let digits = text.strip_prefix(prefix).filter(|digits| digits.len() == 32);
    if digits.is_some_and(|digits| digits.bytes().all(|c| c.is_ascii_hexdigit())) {
        Ok(())
    } else {
        Err(Invalid(format!("must be {prefix} and 32 hexadecimal digits").into()))
    }
}

fn wanted(text: &str) -> Result<(), Invalid> {
    one_of(text, &["required", "preferred", "discouraged"])
}

fn one_of(text: &str, words: &[&str]) -> Result<(), Invalid> {
    if words.contains(&text) {
        Ok(())
    } else {
        Err(Invalid(format!("must be one of {}", words.join(", ")).into()))
    }
}

fn origins(text: &str) -> Result<Vec<String>, Invalid> {
    bounded(text, 1, 4 * LONGEST)?;
    Ok(text.split(',').map(|origin| origin.trim().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::rows;

    fn read(form: &str) -> Result<ServiceSettings, ApiError> {
        create(&Params::parse(form.as_bytes(), &rows::SERVICE_PARAMETER)?)
    }

    #[rstest]
    #[case("", 20001)]
    #[case("FriendlyName=a&FriendlyName=b", 60200)]
    #[case("FriendlyName=", 60200)]
    #[case("FriendlyName=owl%21bank", 60200)]
    #[case("FriendlyName=owl12345", 60200)]
    #[case("FriendlyName=a&CodeLength=11", 60200)]
    #[case("FriendlyName=a&LookupEnabled=1", 60200)]
    #[case("FriendlyName=a&Push.ApnCredentialSid=CR1", 60200)]
    #[case("FriendlyName=a&Totp.TimeStep=61", 60200)]
    #[case("FriendlyName=a&Totp.CodeLength=9", 60200)]
    #[case("FriendlyName=a&Totp.Skew=3", 60200)]
    #[case("FriendlyName=a&DefaultTemplateSid=HJ0", 60200)]
    #[case("FriendlyName=a&Whatsapp.MsgServiceSid=MG-", 60200)]
    #[case("FriendlyName=a&Passkeys.UserVerification=maybe", 60200)]
    fn refuses(#[case] form: &str, #[case] code: u32) {
        assert_eq!(read(form).expect_err(form).code_and_text().0, code);
    }

    #[test]
    fn takes_every_parameter_and_takes_values_back() {
        let mut settings = read(
            "friendlyname=owl+bank&CodeLength=10&LookupEnabled=True&SkipSmsToLandlines=true\
             &DtmfInputRequired=true&Psd2Enabled=true&DoNotShareWarningEnabled=true\
             &CustomCodeEnabled=true&VerifyEventSubscriptionEnabled=true&TtsName=owl\
             &Push.IncludeDate=TRUE&Push.ApnCredentialSid=CR000000000000000000000000000000AA\
             &Push.FcmCredentialSid=CR000000000000000000000000000000ab&Totp.Issuer=Owl\
             &Totp.TimeStep=20&Totp.CodeLength=8&Totp.Skew=0\
             &DefaultTemplateSid=HJ000000000000000000000000000000aa\
             &Whatsapp.MsgServiceSid=MG000000000000000000000000000000aa&Whatsapp.From=%2B1\
             &Passkeys.RelyingParty.Id=owl.example&Passkeys.RelyingParty.Name=Owl\
             &Passkeys.RelyingParty.Origins=a.example,%20b.example\
             &Passkeys.AuthenticatorAttachment=cross-platform\
             &Passkeys.DiscoverableCredentials=required&Passkeys.UserVerification=discouraged",
        )
        .expect("a form");
        insta::assert_json_snapshot!(settings);

        let form = b"Push.ApnCredentialSid=&TtsName=&Passkeys.RelyingParty.Origins=";
        let params = Params::parse(form, &rows::SERVICE_PARAMETER).expect("a form");
        update(&params, &mut settings).expect("an update");
        assert_eq!(settings.push.apn_credential_sid, None);
        assert_eq!((settings.tts_name, settings.passkeys.relying_party.origins), (None, None));
    }
}
