//! A challenge, from its creation to the webhook calls.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_domain::answer::DenialReason;
use countersign_domain::answer_context::{AnswerContext, ChallengeContext, asked_address};
use countersign_domain::challenge::{Challenge, ChallengeState, ChallengeStatus};
use countersign_domain::factor::Factor;
use countersign_domain::sid::ChallengeSid;
use countersign_domain::webhook::{EventType, Webhook};
use countersign_domain::webhook_call::{Call, CallState, OVERFLOWED, TakenCall, UNTRIED};
use countersign_store::PageQuery;

use super::group::Group;
use crate::curl::Commands;
use crate::error::PageError;
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::labels::{self, BAD, BUSY, CALM, GOOD, Tone};
use crate::session::Operator;
use crate::state::{Console, SharedConsole};
use crate::views::{Attempt, ChallengeSummary, Timestamp, answered_at};
use crate::waterfall::Waterfall;

/// Largest number of webhooks that are read.
const MOST_WEBHOOKS: u16 = 100;

/// An event of the challenge, past or future.
struct Step {
    /// Equal in every update, so that the element stays in place.
    id: String,
    at: Timestamp,
    tone: Tone,
    title: String,
    more: Vec<More>,
}

/// A line of an event: text of the console, then text of others.
#[derive(Default)]
struct More {
    ours: String,
    theirs: String,
}

impl More {
    fn ours(words: impl Into<String>) -> Self {
        Self { ours: words.into(), ..Self::default() }
    }
}

/// The state of a webhook's calls.
struct WebhookCalls {
    sid: String,
    name: String,
    url: String,
    words: Vec<String>,
}

#[derive(Template)]
#[template(path = "challenge.html")]
struct ChallengePage {
    frame: Frame,
    summary: ChallengeSummary,
    kind: &'static str,
    device: Option<(String, String)>,
    expires: Timestamp,
    fields: Vec<(String, String)>,
    answered_from: Option<String>,
    is_elsewhere: bool,
    has_hidden: bool,
    steps: Vec<Step>,
    webhook_calls: Vec<WebhookCalls>,
    group: Option<Group>,
    /// How many tries to prove the presence were wrong, and how many there are.
    tries: Option<(u8, u8)>,
    waterfall: Waterfall,
    curl: Commands,
}

/// The page. Updates itself until everything has ended.
pub(crate) async fn show(
    State(console): State<SharedConsole>,
    operator: Operator,
    Path(sid): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = Form::of_query(query.as_deref())?;
    let sid: ChallengeSid = super::sid(&sid)?;
    let (challenge, factor) = console.verify.challenge_of_account(operator.account, sid).await?;
    let summary = ChallengeSummary::read(&challenge, operator.account, &console).await?;
    let page = PageQuery::first(MOST_WEBHOOKS);
    let webhooks = console.verify.webhooks(operator.account, challenge.owner.service, page).await?;
    let (webhook_calls, taken) =
        webhook_calls(&console, &operator, &challenge, &webhooks.items).await?;
    let context = console.verify.context_of(&challenge).await?;
    let mut steps = steps(&challenge, &summary, &context, &console);
    steps.extend(taken.iter().map(|call| calling(call, &webhooks.items)));
    steps.sort_by_key(|step| step.at);
    let asked_from = asked_address(&challenge.details.fields);
    let asked_from = asked_from.and_then(|address| console.verify.country(address));
    let AnswerContext { address, country, .. } = context.answer;
    let answered_from = address.map(|address| match country {
        Some(country) => format!("{address} ({country})"),
        None => address.to_string(),
    });
    let tries = challenge.presence.as_deref().map(|it| (it.wrong(), it.tries()));
    let frame = Frame::new(&console, Some(&operator), Section::Nowhere);
    let frame = frame.live(&format!("/challenges/{sid}"), &query);
    let fields = challenge.details.fields.iter();
    frame::ok(&ChallengePage {
        frame,
        kind: challenge.factor_type.as_str(),
        device: factor.as_ref().map(device),
        expires: Timestamp(challenge.expires_at),
        fields: fields.map(|field| (field.label.clone(), field.value.clone())).collect(),
        answered_from,
        is_elsewhere: asked_from.zip(country).is_some_and(|(one, other)| one != other),
        has_hidden: challenge.hidden_details.is_some(),
        steps,
        webhook_calls,
        group: Group::read(&challenge, &console).await?,
        tries,
        waterfall: Waterfall::of(&challenge, &summary, &taken),
        curl: Commands::of(&challenge, &console.public_url),
        summary,
    })
}

/// Name of the device, and the way it is reached.
fn device(factor: &Factor) -> (String, String) {
    let name = factor.friendly_name.to_string();
    (name, labels::reached(factor.address.platform()).to_owned())
}

fn steps(
    challenge: &Challenge,
    summary: &ChallengeSummary,
    context: &ChallengeContext,
    console: &Console,
) -> Vec<Step> {
    let step = |id: &str, at, tone, title: &str, more| {
        let id = format!("step-{id}");
        Step { id, at, tone, title: title.to_owned(), more }
    };
    let quiet = "Quietly: the person approved none of the challenges before it.";
    let asked = if context.is_quiet { vec![More::ours(quiet)] } else { vec![] };
    let mut steps = vec![step("asked", Timestamp(challenge.created_at), CALM, "Asked", asked)];
    for push in &summary.pushes {
        let by = if push.automatic { "with the challenge" } else { "once more, on request" };
        let (sid, title) = (&push.sid, format!("Push {by}"));
        steps.push(step(sid, push.at, CALM, &title, vec![More::ours(sid)]));
        for (number, attempt) in push.attempts.iter().enumerate() {
            let id = format!("{sid}-{number}");
            let title = format!("Attempt: {}", attempt.outcome);
            steps.push(step(&id, attempt.at, CALM, &title, of_attempt(attempt)));
        }
        let (id, title) = (format!("{sid}-now"), format!("Push {}", push.status));
        steps.push(step(&id, push.changed, push.tone, &title, vec![More::ours(push.words)]));
    }
    let expires = Timestamp(challenge.expires_at);
    let (at, tone, title) = match (challenge.status(console.now()), answered_at(challenge)) {
        (ChallengeStatus::Approved, Some(at)) => (at, GOOD, "Approved by the person"),
        (ChallengeStatus::Denied, Some(at)) => (at, BAD, denied_title(context)),
        (ChallengeStatus::Expired, _) => (expires, CALM, "Expired unanswered"),
        _ => (expires, BUSY, "Expires"),
    };
    let more = More::ours("It can be answered until then.");
    let more = if tone == BUSY { vec![more] } else { vec![] };
    steps.push(step("end", at, tone, title, more));
    steps
}

const fn denied_title(context: &ChallengeContext) -> &'static str {
    match context.answer.reason {
        Some(DenialReason::NotMe) => "Denied and reported: “It was not me”",
        Some(DenialReason::Cancelled) => "Denied by the person, who did not want to go on",
        Some(DenialReason::PresenceFailed) => "Denied: the last number was wrong",
        None => "Denied by the person",
    }
}

fn of_attempt(attempt: &Attempt) -> Vec<More> {
    let mut more = vec![More::ours(format!("over {}, in {}", attempt.platform, attempt.took))];
    let said = attempt.said.iter().cloned();
    more.extend(said.map(|theirs| More { ours: attempt.speaker.to_owned(), theirs }));
    more.extend(attempt.code.iter().map(More::ours));
    more
}

/// The event of a successful webhook call.
fn calling(call: &TakenCall, webhooks: &[Webhook]) -> Step {
    let known = webhooks.iter().find(|webhook| webhook.sid == call.webhook);
    let name = known.map_or(More::ours("a webhook that was removed since"), |webhook| More {
        theirs: webhook.friendly_name.to_string(),
        ..More::default()
    });
    let later = labels::span(call.taken_at.since(call.happened_at));
    let how = format!("{}, {later} after it happened", taken_words(call));
    let title = format!("Webhook called: {}", call.event.as_str());
    let (id, at, more) =
        (format!("step-{}", call.id), Timestamp(call.taken_at), vec![name, More::ours(how)]);
    Step { id, at, tone: GOOD, title, more }
}

fn taken_words(call: &TakenCall) -> String {
    let tries = match call.attempts {
        1 => "at the first try".to_owned(),
        tries => format!("at try {tries}"),
    };
    format!("taken with status {} {tries}", call.status)
}

/// The pending and the successful calls of each webhook. Pending calls are read first: a call that succeeds between the two
/// reads is in both and counts as successful. In the other order it would be in neither.
async fn webhook_calls(
    console: &Console,
    operator: &Operator,
    challenge: &Challenge,
    webhooks: &[Webhook],
) -> Result<(Vec<WebhookCalls>, Vec<TakenCall>), PageError> {
    let mut waiting = Vec::new();
    for webhook in webhooks {
        let calls = console.verify.calls_about(operator.account, webhook.sid, challenge).await?;
        waiting.push((webhook, calls));
    }
    let all_taken = console.verify.taken_calls(challenge.sid).await?;
    let mut webhook_calls = Vec::new();
    for (webhook, mut calls) in waiting {
        calls.retain(|call| all_taken.iter().all(|taken| taken.id != call.id));
        // After a verdict, the calls that wait for an expiry are never made.
        calls.retain(|call| call.state != CallState::Asleep || is_unanswered(challenge));
        let taken = all_taken.iter().filter(|call| call.webhook == webhook.sid);
        let mut words: Vec<_> = taken
            .map(|call| format!("{}: {}.", call.event.as_str(), taken_words(call)))
            .chain(calls.iter().map(of_call))
            .collect();
        if words.is_empty() {
            words.push(nothing(challenge, &webhook.event_types, console));
        }
        let (name, url) = (webhook.friendly_name.to_string(), webhook.url.as_str().to_owned());
        webhook_calls.push(WebhookCalls { sid: webhook.sid.to_string(), name, url, words });
    }
    Ok((webhook_calls, all_taken))
}

/// The result of a call's last attempt. Only a status counts as a response.
fn last_try(call: &Call) -> String {
    match call.last_error.as_deref() {
        None => String::new(),
        Some(OVERFLOWED) => " Too many calls were waiting.".to_owned(),
        Some(UNTRIED) => " It was not tried in time.".to_owned(),
        Some(error) if error.starts_with("status ") => format!(" Last answer: {error}."),
        Some(error) => format!(" No answer at the last try: {error}."),
    }
}

const fn is_unanswered(challenge: &Challenge) -> bool {
    matches!(challenge.state, ChallengeState::Pending)
}

/// The state of a call.
pub(crate) fn of_call(call: &Call) -> String {
    let (event, tries) = (call.event.as_str(), call.attempts);
    let last = last_try(call);
    let at = Timestamp(call.wake_at);
    match call.state {
        CallState::Asleep => format!("{event}: made if nobody answers until {at}."),
        CallState::Due if tries == 0 => format!("{event}: about to be made."),
        CallState::Due => format!("{event}: failed {tries} times, next try {at}.{last}"),
        CallState::Behind => format!("{event}: waits for an earlier call about the same device."),
        CallState::Leased => format!("{event}: is being made.{last}"),
        CallState::Failed => format!("{event}: given up after {tries} tries.{last}"),
    }
}

/// The text for a webhook without calls.
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
