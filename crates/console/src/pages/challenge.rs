//! One challenge, from its making to the calls of webhooks.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use countersign_domain::challenge::{Challenge, ChallengeStatus};
use countersign_domain::factor::Factor;
use countersign_domain::sid::ChallengeSid;
use countersign_domain::webhook::{EventType, Webhook};
use countersign_domain::webhook_call::{Call, CallState, TakenCall};
use countersign_store::PageQuery;

use crate::fault::Fault;
use crate::frame::{self, Frame, Here};
use crate::session::Operator;
use crate::state::{Console, Shared};
use crate::views::{Asked, Stamp, answered_at};
use crate::words::{self, BAD, BUSY, CALM, GOOD, Tone};

/// Webhooks that are looked at.
const MOST_WEBHOOKS: u16 = 100;

/// Something that happened, or will.
struct Step {
    at: Stamp,
    tone: Tone,
    title: String,
    more: Vec<String>,
}

/// What is known of the calls of a webhook.
struct Told {
    name: String,
    url: String,
    words: Vec<String>,
}

#[derive(Template)]
#[template(path = "challenge.html")]
struct ChallengePage {
    frame: Frame,
    asked: Asked,
    kind: &'static str,
    device: Option<(String, String)>,
    expires: Stamp,
    fields: Vec<(String, String)>,
    has_hidden: bool,
    steps: Vec<Step>,
    told: Vec<Told>,
}

/// The page; it reads itself again until everything has ended.
pub(crate) async fn show(
    State(console): State<Shared>,
    operator: Operator,
    Path(sid): Path<String>,
) -> Result<Response, Fault> {
    let sid: ChallengeSid = super::sid(&sid)?;
    let (challenge, factor) = console.verify.challenge_of_account(operator.account, sid).await?;
    let asked = Asked::read(&challenge, operator.account, &console).await?;
    let page = PageQuery::first(MOST_WEBHOOKS);
    let webhooks = console.verify.webhooks(operator.account, challenge.owner.service, page).await?;
    let taken = console.verify.taken_calls(challenge.sid).await?;
    let told = told(&console, &operator, &challenge, &webhooks.items, &taken).await?;
    let mut steps = steps(&challenge, &asked, &console);
    steps.extend(taken.iter().map(|call| calling(call, &webhooks.items)));
    steps.sort_by_key(|step| step.at);
    let frame = Frame::new(&console, Some(&operator), Here::Nowhere).live();
    let fields = challenge.details.fields.iter();
    frame::ok(&ChallengePage {
        frame,
        kind: challenge.factor_type.as_str(),
        device: factor.as_ref().map(device),
        expires: Stamp(challenge.expires_at),
        fields: fields.map(|field| (field.label.clone(), field.value.clone())).collect(),
        has_hidden: challenge.hidden_details.is_some(),
        steps,
        told,
        asked,
    })
}

/// Its name, and how it is reached.
fn device(factor: &Factor) -> (String, String) {
    let name = factor.friendly_name.to_string();
    (name, words::reached(factor.address.platform()).to_owned())
}

fn steps(challenge: &Challenge, asked: &Asked, console: &Console) -> Vec<Step> {
    let step = |at, tone, title: &str, more| Step { at, tone, title: title.to_owned(), more };
    let mut steps = vec![step(Stamp(challenge.created_at), CALM, "Asked", vec![])];
    for push in &asked.pushes {
        let by = if push.automatic { "with the challenge" } else { "once more, on request" };
        let title = format!("Push {by}");
        steps.push(step(push.at, CALM, &title, vec![push.sid.clone()]));
        for attempt in &push.attempts {
            let mut more = vec![format!("over {}, in {}", attempt.platform, attempt.took)];
            more.extend(attempt.said.iter().map(|said| format!("The push service said: {said}")));
            more.extend(attempt.code.clone());
            let title = format!("Attempt: {}", attempt.outcome);
            steps.push(step(attempt.at, CALM, &title, more));
        }
        let title = format!("Push {}", push.status);
        steps.push(step(push.changed, push.tone, &title, vec![push.words.to_owned()]));
    }
    let status = challenge.status(console.now());
    match (status, answered_at(challenge)) {
        (ChallengeStatus::Approved, Some(at)) => {
            steps.push(step(at, GOOD, "Approved by the person", vec![]));
        }
        (ChallengeStatus::Denied, Some(at)) => {
            steps.push(step(at, BAD, "Denied by the person", vec![]));
        }
        (ChallengeStatus::Expired, _) => {
            steps.push(step(Stamp(challenge.expires_at), CALM, "Expired unanswered", vec![]));
        }
        _ => {
            let more = vec!["It can be answered until then.".to_owned()];
            steps.push(step(Stamp(challenge.expires_at), BUSY, "Expires", more));
        }
    }
    steps
}

/// The call of a webhook that was taken.
fn calling(call: &TakenCall, webhooks: &[Webhook]) -> Step {
    let known = webhooks.iter().find(|webhook| webhook.sid == call.webhook);
    let name = known.map_or("a webhook that was removed since".to_owned(), |webhook| {
        webhook.friendly_name.to_string()
    });
    let later = words::span(call.taken_at.since(call.happened_at));
    let how = format!("{}, {later} after it happened", taken_words(call));
    let title = format!("Webhook called: {}", call.event.as_str());
    Step { at: Stamp(call.taken_at), tone: GOOD, title, more: vec![name, how] }
}

fn taken_words(call: &TakenCall) -> String {
    let tries = match call.attempts {
        1 => "at the first try".to_owned(),
        tries => format!("at try {tries}"),
    };
    format!("taken with status {} {tries}", call.status)
}

async fn told(
    console: &Console,
    operator: &Operator,
    challenge: &Challenge,
    webhooks: &[Webhook],
    taken: &[TakenCall],
) -> Result<Vec<Told>, Fault> {
    let mut told = Vec::new();
    for webhook in webhooks {
        let calls = console.verify.calls_about(operator.account, webhook.sid, challenge).await?;
        let taken = taken.iter().filter(|call| call.webhook == webhook.sid);
        let mut words: Vec<_> = taken
            .map(|call| format!("{}: {}.", call.event.as_str(), taken_words(call)))
            .chain(calls.iter().map(of_call))
            .collect();
        if words.is_empty() {
            words.push(nothing(challenge, &webhook.event_types, console));
        }
        let (name, url) = (webhook.friendly_name.to_string(), webhook.url.as_str().to_owned());
        told.push(Told { name, url, words });
    }
    Ok(told)
}

/// Where a call stands.
pub(crate) fn of_call(call: &Call) -> String {
    let (event, tries) = (call.event.as_str(), call.attempts);
    let last = call.last_error.as_ref().map(|error| format!(" Last answer: {error}."));
    let last = last.unwrap_or_default();
    let at = Stamp(call.wake_at);
    match call.state {
        CallState::Asleep => format!("{event}: made if nobody answers until {at}."),
        CallState::Due if tries == 0 => format!("{event}: about to be made."),
        CallState::Due => format!("{event}: failed {tries} times, next try {at}.{last}"),
        CallState::Behind => format!("{event}: waits for an earlier call about the same device."),
        CallState::Leased => format!("{event}: is being made.{last}"),
        CallState::Failed => format!("{event}: given up after {tries} tries.{last}"),
    }
}

/// No call is on record: none was wanted.
fn nothing(challenge: &Challenge, wanted: &[EventType], console: &Console) -> String {
    let wants = |event: EventType| wanted.contains(&event);
    let all = wants(EventType::All);
    let wants = match challenge.status(console.now()) {
        ChallengeStatus::Pending => {
            return "Nothing to tell yet.".to_owned();
        }
        ChallengeStatus::Approved => all || wants(EventType::ChallengeApproved),
        ChallengeStatus::Denied => all || wants(EventType::ChallengeDenied),
        ChallengeStatus::Expired => wants(EventType::ChallengeExpired),
    };
    if wants {
        "No call is on record: the webhook was made or changed since, or did not take it in time."
            .to_owned()
    } else {
        "Does not want to hear of how this challenge ended.".to_owned()
    }
}
