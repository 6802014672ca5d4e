//! Services (wire reference §2.1). What only text messages, calls and passkeys need is kept and shown.

use crate::openapi::kind::Kind;
use crate::openapi::parameter::{Parameter, optional, required};

const NAME: Kind = Kind::Length(1, 32);
const NAMED: &str =
    "What the service is called: letters, digits (at most 4), spaces, dashes and underscores.";
const KEPT: &str = "Kept and shown; nothing here depends on it.";
/// A text that is only kept.
const SHORT: Kind = Kind::Length(0, 256);
const WANTED: Kind = Kind::OneOf(&["required", "preferred", "discouraged"]);

/// All but the first, in both forms.
macro_rules! service {
    ($($name:expr),*) => {
        &[
            $($name,)*
            optional("CodeLength", Kind::Whole(4..=10), "Digits of a code. 6 if never set."),
            optional("LookupEnabled", Kind::Flag, KEPT),
            optional("SkipSmsToLandlines", Kind::Flag, KEPT),
            optional("DtmfInputRequired", Kind::Flag, KEPT),
            optional("TtsName", SHORT, KEPT),
            optional("Psd2Enabled", Kind::Flag, KEPT),
            optional("DoNotShareWarningEnabled", Kind::Flag, KEPT),
            optional("CustomCodeEnabled", Kind::Flag, KEPT),
            optional(
                "Push.IncludeDate",
                Kind::Flag,
                "Whether challenges carry `details.date`. Deprecated by Twilio.",
            ),
            optional(
                "Push.ApnCredentialSid",
                Kind::Sid("CR"),
                "The account's credential for APNs; an empty text takes it back.",
            ),
            optional(
                "Push.FcmCredentialSid",
                Kind::Sid("CR"),
                "The account's credential for FCM; an empty text takes it back.",
            ),
            optional(
                "Totp.Issuer",
                SHORT,
                "Whose code an authenticator app says it is. The service's name if never set.",
            ),
            optional("Totp.TimeStep", Kind::Whole(20..=60), "Seconds that a code is good for. 30 if never set."),
            optional("Totp.CodeLength", Kind::Whole(3..=8), "Digits of a code. 6 if never set."),
            optional(
                "Totp.Skew",
                Kind::Whole(0..=2),
                "Steps before and after that are taken too. 1 if never set.",
            ),
            optional("DefaultTemplateSid", Kind::Sid("HJ"), KEPT),
            optional("Whatsapp.MsgServiceSid", Kind::Sid("MG"), KEPT),
            optional("Whatsapp.From", SHORT, KEPT),
            optional("Passkeys.RelyingParty.Id", SHORT, KEPT),
            optional("Passkeys.RelyingParty.Name", SHORT, KEPT),
            optional(
                "Passkeys.RelyingParty.Origins",
                Kind::Length(0, 1_024),
                "Origins with commas between them. Kept and shown.",
            ),
            optional(
                "Passkeys.AuthenticatorAttachment",
                Kind::OneOf(&["platform", "cross-platform", "any"]),
                KEPT,
            ),
            optional("Passkeys.DiscoverableCredentials", WANTED, KEPT),
            optional("Passkeys.UserVerification", WANTED, KEPT),
            optional("VerifyEventSubscriptionEnabled", Kind::Flag, KEPT),
        ]
    };
}

/// A new service.
pub(crate) const SERVICE: &[Parameter] = service!(required("FriendlyName", NAME, NAMED));

/// A changed service.
pub(crate) const SERVICE_UPDATE: &[Parameter] = service!(optional("FriendlyName", NAME, NAMED));
