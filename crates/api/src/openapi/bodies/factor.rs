//! Factors (wire reference §2.3).

use super::texts::{NAME, STRINGS};
use crate::openapi::kind::Kind;
use crate::openapi::parameter::{Parameter, for_codes, for_push, optional, required};
use crate::openapi::words::{
    FACTOR_ALGORITHMS, NEW_FACTOR_ALGORITHMS, NEW_FACTOR_PLATFORMS, NEW_FACTOR_TYPES, PLATFORMS,
};

/// What stands before the point in every P-256 key, in base64; then 88 characters more.
const PUBLIC_KEY: Kind =
    Kind::Matching(124, 124, "^MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE[0-9A-Za-z+/]{86}==$");
/// Which of its lengths is right depends on the platform.
const TOKEN: Kind = Kind::Length(0, 2_048);
const STEP: &str = "Seconds that a code is good for. Only for factors that answer with codes.";
const SKEW: &str =
    "Steps before and after that are taken too. Only for factors that answer with codes.";
const DIGITS: &str = "Digits of a code. Only for factors that answer with codes.";

/// A new factor.
pub(crate) const FACTOR: &[Parameter] = &[
    required("FriendlyName", NAME, "What the person calls the device."),
    required("FactorType", Kind::Named(&NEW_FACTOR_TYPES), ""),
    optional("Binding.Alg", Kind::OneOf(&["ES256"]), "How the device signs. `ES256` if absent."),
    for_push(
        "Binding.PublicKey",
        PUBLIC_KEY,
        "The device's P-256 public key: base64, with padding, of its DER SubjectPublicKeyInfo. Required for `push`.",
    ),
    for_push(
        "Config.AppId",
        Kind::Length(1, 100),
        "The app's Android package or iOS bundle id. Required for `push`.",
    ),
    for_push("Config.NotificationPlatform", Kind::Named(&NEW_FACTOR_PLATFORMS), ""),
    optional(
        "Config.NotificationToken",
        TOKEN,
        "Under what the push service knows the device: 32 to 255 hexadecimal digits for `apn`, 32 to 255 characters \
         for `fcm`, the JSON text of the subscription for `webpush`; not read for `none` and `stream`.",
    ),
    for_push(
        "Config.SdkVersion",
        Kind::Length(1, 64),
        "The version of the SDK inside the app. Required for `push`.",
    ),
    for_codes(
        "Binding.Secret",
        Kind::Text,
        "The shared secret in Base32; made by the server if absent. Only for factors that answer with codes.",
    ),
    for_codes("Config.TimeStep", Kind::Whole(20..=60), STEP),
    for_codes("Config.Skew", Kind::Whole(0..=2), SKEW),
    for_codes("Config.CodeLength", Kind::Whole(3..=8), DIGITS),
    for_codes("Config.Alg", Kind::Named(&NEW_FACTOR_ALGORITHMS), ""),
    optional(
        "Metadata",
        STRINGS,
        "What the application keeps with the factor: the text of a JSON object whose values are texts.",
    ),
];

/// A changed factor, or the proof that verifies it.
pub(crate) const FACTOR_UPDATE: &[Parameter] = &[
    for_push(
        "AuthPayload",
        Kind::Length(1, 128),
        "Proves that the device holds its key: base64 of its DER signature (ECDSA, SHA-256) over the factor's SID; or \
         that the app holds its secret: a code. Verifies the factor.",
    ),
    optional("FriendlyName", NAME, "What the person calls the device."),
    optional(
        "Config.NotificationToken",
        TOKEN,
        "Under what the push service knows the device from now on; bounds as for a new factor.",
    ),
    optional("Config.SdkVersion", Kind::Length(1, 64), "The version of the SDK inside the app."),
    for_codes("Config.TimeStep", Kind::Whole(20..=60), STEP),
    for_codes("Config.Skew", Kind::Whole(0..=2), SKEW),
    for_codes("Config.CodeLength", Kind::Whole(3..=8), DIGITS),
    for_codes("Config.Alg", Kind::Named(&FACTOR_ALGORITHMS), ""),
    optional(
        "Config.NotificationPlatform",
        Kind::OneOf(PLATFORMS),
        "How the device is reached from now on. `none` makes the server forget the push token.",
    ),
    optional(
        "Config.AppId",
        Kind::Length(1, 100),
        "The app's id. Both mobile SDKs send it, though Twilio's description has no such parameter.",
    ),
];
