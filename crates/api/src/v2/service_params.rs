//! The form of a service (Twilio documentation). An absent parameter changes nothing; an empty one removes the value.

use countersign_domain::service::ServiceSettings;
use countersign_domain::service_form;
use countersign_domain::text::ServiceName;

use crate::error::ApiError;
use crate::parameter_names::name_of_setting;
use crate::params::Params;

/// The settings of a new service.
pub(super) fn create(params: &Params<'_>) -> Result<ServiceSettings, ApiError> {
    let name = params.required("FriendlyName", ServiceName::written)?;
    let mut settings = ServiceSettings::named(name);
    update(params, &mut settings)?;
    Ok(settings)
}

/// Changes the given settings.
pub(super) fn update(params: &Params<'_>, to: &mut ServiceSettings) -> Result<(), ApiError> {
    service_form::change(to, |setting| params.scalar(name_of_setting(setting)))
        .map_err(|(setting, why)| params.bad(name_of_setting(setting), why))
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
    fn rejects(#[case] form: &str, #[case] code: u32) {
        assert_eq!(read(form).expect_err(form).code_and_text().0, code);
    }

    #[test]
    fn sets_and_removes_every_parameter() {
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
