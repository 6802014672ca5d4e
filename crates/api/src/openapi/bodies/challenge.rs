//! Challenges (wire reference §2.4).

use countersign_domain::challenge::MOST_FIELDS;

use super::texts::STRINGS;
use crate::openapi::kind::Kind;
use crate::openapi::parameter::{Parameter, for_codes, for_push, optional, required};

/// One label with its value: 36 and 128 characters, each of which JSON may write as twelve, and what is around them.
const FIELD: Kind = Kind::Json(2_048);

/// A new challenge.
pub(crate) const CHALLENGE: &[Parameter] = &[
    required("FactorSid", Kind::Sid("YF"), "The verified factor whose device is asked."),
    optional(
        "ExpirationDate",
        Kind::Date,
        "From when on no answer is taken: in the future, at most 60 minutes from now. 5 minutes from now if absent.",
    ),
    for_push("Details.Message", Kind::Length(1, 256), "The question that the person reads."),
    optional(
        "Details.Fields",
        Kind::Repeated(&FIELD, MOST_FIELDS),
        "What else the person is shown, such as the place of a login. Repeat the parameter, one JSON object \
         `{\"label\":…,\"value\":…}` each time; labels have up to 36 characters, values up to 128.",
    ),
    optional(
        "HiddenDetails",
        STRINGS,
        "What the device is told and the person is not: the text of a JSON object whose values are texts.",
    ),
    for_codes(
        "AuthPayload",
        Kind::Text,
        "A code of 3 to 8 digits. Means nothing to a push factor.",
    ),
];

/// A device's answer, or the application's notes.
pub(crate) const CHALLENGE_UPDATE: &[Parameter] = &[
    optional(
        "AuthPayload",
        Kind::Length(1, 32_768),
        "The answer. Of a push factor: a compact JWS (ES256) by its key over every member that \
         `Twilio-Verify-Signature-Fields` names, as it was read, and `status`: `approved` or `denied`. Of one with \
         codes: a code, which approves.",
    ),
    optional(
        "Metadata",
        STRINGS,
        "What the application keeps with the challenge: the text of a JSON object whose values are texts.",
    ),
];
