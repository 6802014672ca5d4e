//! Enrolling, asking and answering.

use super::Answer::{Deleted, Listed, Made, Shown, Upgraded};
use super::{Callers, Operation, delete, get, post};
use crate::openapi::bodies;
use crate::openapi::kind::Kind;
use crate::openapi::parameter::{Parameter, optional};
use crate::openapi::words::{CHALLENGE_STATUSES, ORDERS};
use crate::rows;

const FACTORS: &str = "VerifyV2Factor";
const NEW_FACTORS: &str = "VerifyV2NewFactor";
const CHALLENGES: &str = "VerifyV2Challenge";
const NOTIFICATIONS: &str = "VerifyV2Notification";
const STREAMS: &str = "CountersignStream";

const CHALLENGE_LIST: &[Parameter] = &[
    optional("FactorSid", Kind::Sid("YF"), "Only challenges of this factor."),
    optional("Status", Kind::Named(&CHALLENGE_STATUSES), "Only challenges that stand there."),
    optional("Order", Kind::Named(&ORDERS), "By creation; `asc` if absent."),
];

const CHALLENGE_FETCH: &[Parameter] = &[optional(
    "WaitSeconds",
    Kind::Whole(0..=50),
    "Ours: while the challenge is pending, wait for the answer or the expiry, at most so many \
     seconds.",
)];

pub(super) static ALL: &[Operation] = &[
    get(
        "/v2/Services/{ServiceSid}/Entities/{Identity}/Factors",
        (FACTORS, "ListFactor"),
        Listed("factors", "verify.v2.service.entity.factor"),
        "Lists an entity's factors, oldest first.",
    ),
    post(
        "/v2/Services/{ServiceSid}/Entities/{Identity}/Factors",
        (NEW_FACTORS, "CreateNewFactor"),
        Made("verify.v2.service.entity.new_factor"),
        "Enrols a device or, for the application, an app that shows codes. It is unverified until it proves that it holds \
         its key or secret, and forgotten if it does not within 24 hours. Makes the entity if there is none.",
    )
    .by(Callers::Enrolling)
    .form(bodies::FACTOR)
    .refusing(&[
        &rows::BINDING,
        &rows::TOKEN_NOT_FOR_THIS,
        &rows::TOO_MANY_FACTORS,
        &rows::FACTOR_EXISTS,
        &rows::TOO_MANY_FACTORS_TODAY,
        &rows::TOO_MANY_ENTITIES,
    ]),
    get(
        "/v2/Services/{ServiceSid}/Entities/{Identity}/Factors/{Sid}",
        (FACTORS, "FetchFactor"),
        Shown("verify.v2.service.entity.factor"),
        "Shows a factor.",
    )
    .by(Callers::Device),
    post(
        "/v2/Services/{ServiceSid}/Entities/{Identity}/Factors/{Sid}",
        (FACTORS, "UpdateFactor"),
        Shown("verify.v2.service.entity.factor"),
        "Changes what is given. With `AuthPayload` it verifies the factor.",
    )
    .by(Callers::Device)
    .form(bodies::FACTOR_UPDATE)
    .refusing(&[&rows::FACTOR_NOT_PROVED, &rows::TOO_MANY_CODES]),
    delete(
        "/v2/Services/{ServiceSid}/Entities/{Identity}/Factors/{Sid}",
        (FACTORS, "DeleteFactor"),
        Deleted,
        "Deletes a factor. Nobody can answer its challenges any more.",
    )
    .by(Callers::Device),
    get(
        "/v2/Services/{ServiceSid}/Entities/{Identity}/Factors/{FactorSid}/Stream",
        (STREAMS, "OpenStream"),
        Upgraded,
        "Ours: the WebSocket of a factor of platform `stream`. The first frames say who is calling, \
         see docs/device-stream.md.",
    )
    .by(Callers::Anybody)
    .refusing(&[&rows::UPGRADE_REQUIRED]),
    get(
        "/v2/Services/{ServiceSid}/Entities/{Identity}/Challenges",
        (CHALLENGES, "ListChallenge"),
        Listed("challenges", "verify.v2.service.entity.challenge"),
        "Lists an entity's challenges; a device sees those of its own factor.",
    )
    .by(Callers::Device)
    .query(CHALLENGE_LIST),
    post(
        "/v2/Services/{ServiceSid}/Entities/{Identity}/Challenges",
        (CHALLENGES, "CreateChallenge"),
        Made("verify.v2.service.entity.challenge"),
        "Asks a device, and sends the first push by itself. Does not wait for the push, and does \
         not fail with it. For a factor with codes, a code may come along and is judged at once.",
    )
    .form(bodies::CHALLENGE)
    .refusing(&[&rows::FACTOR_UNVERIFIED, &rows::ANSWER_REJECTED, &rows::TOO_MANY_CHALLENGES]),
    get(
        "/v2/Services/{ServiceSid}/Entities/{Identity}/Challenges/{Sid}",
        (CHALLENGES, "FetchChallenge"),
        Shown("verify.v2.service.entity.challenge"),
        "Shows a challenge, at once or as soon as it is no longer pending.",
    )
    .by(Callers::Device)
    .query(CHALLENGE_FETCH),
    post(
        "/v2/Services/{ServiceSid}/Entities/{Identity}/Challenges/{Sid}",
        (CHALLENGES, "UpdateChallenge"),
        Shown("verify.v2.service.entity.challenge"),
        "Answers a challenge, once and for all, or keeps notes with it.",
    )
    .by(Callers::Device)
    .form(bodies::CHALLENGE_UPDATE)
    .refusing(&[
        &rows::ALREADY_ANSWERED,
        &rows::CHALLENGE_EXPIRED,
        &rows::ANSWER_REJECTED,
        &rows::TOO_MANY_ANSWERS,
    ]),
    get(
        "/v2/Services/{ServiceSid}/Entities/{Identity}/Challenges/{ChallengeSid}/Notifications",
        (NOTIFICATIONS, "ListNotification"),
        Listed("notifications", "notification_details"),
        "Ours: lists a challenge's notifications, the automatic one first, each with how its \
         delivery goes.",
    ),
    post(
        "/v2/Services/{ServiceSid}/Entities/{Identity}/Challenges/{ChallengeSid}/Notifications",
        (NOTIFICATIONS, "CreateNotification"),
        Made("verify.v2.service.entity.challenge.notification"),
        "Pushes a challenge once more. 201 means that the notification is kept, and delivered if \
         that is possible within its TTL.",
    )
    .form(bodies::NOTIFICATION)
    .refusing(&[
        &rows::OTHER_PARAMETER,
        &rows::PLATFORM_NONE,
        &rows::ALREADY_ANSWERED,
        &rows::CHALLENGE_EXPIRED,
        &rows::TOO_MANY_NOTIFICATIONS,
    ]),
    get(
        "/v2/Services/{ServiceSid}/Entities/{Identity}/Challenges/{ChallengeSid}/Notifications/{Sid}",
        (NOTIFICATIONS, "FetchNotification"),
        Shown("notification_details"),
        "Ours: shows a notification and how its delivery goes.",
    ),
];
