//! Parts that several pages show.

use std::borrow::Cow;
use std::fmt;

use countersign_domain::attempt_record::AttemptRecord;
use countersign_domain::challenge::{Challenge, ChallengeStatus};
use countersign_domain::notification::Notification;
use countersign_domain::sid::AccountSid;
use countersign_domain::time::Instant;
use countersign_domain::visible;
use countersign_store::PageQuery;
use std::time::Duration;

use crate::fault::Fault;
use crate::state::Console;
use crate::words::{self, Tone};

/// More notifications than a challenge is shown with.
const MOST_PUSHES: u16 = 100;

/// A text that others wrote, with a mark in the place of each character that could not be seen or would move the others.
pub(crate) fn marked<T: AsRef<str> + ?Sized>(text: &T) -> Cow<'_, str> {
    visible::marked(text.as_ref())
}

/// The same where there can be no markup around it, as in a title: isolated, so that its direction moves nothing beside it.
pub(crate) fn isolated<T: AsRef<str> + ?Sized>(text: &T) -> String {
    let text = marked(text);
    // ASCII reads in one direction only
    if text.is_ascii() { text.into_owned() } else { format!("\u{2068}{text}\u{2069}") }
}

/// An instant, for people and for machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(pub(crate) Instant);

impl Stamp {
    /// `2026-01-31T12:00:00.512Z`
    pub(crate) fn machine(&self) -> String {
        self.0.to_millis_string()
    }

    /// `12:00:00`
    pub(crate) fn time(&self) -> String {
        self.machine().get(11..19).unwrap_or_default().to_owned()
    }

    /// `2026-01-31`
    pub(crate) fn day(&self) -> String {
        self.machine().get(..10).unwrap_or_default().to_owned()
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.day(), self.time())
    }
}

/// One attempt of a push.
pub(crate) struct Attempt {
    pub(crate) at: Stamp,
    pub(crate) took: String,
    pub(crate) platform: String,
    pub(crate) outcome: String,
    /// Who says what follows.
    pub(crate) speaker: &'static str,
    /// A status and words.
    pub(crate) said: Option<String>,
    /// Our code, and what it means.
    pub(crate) code: Option<String>,
}

impl Attempt {
    fn of(record: &AttemptRecord, console: &Console) -> Self {
        let status = record.provider_status.map(|status| status.to_string());
        let said: Vec<_> = status.into_iter().chain(record.provider_reason.clone()).collect();
        let code = record.code.map(|code| match (console.explain)(record) {
            Some(meaning) => format!("{}: {meaning}", code.0),
            None => code.0.to_string(),
        });
        Self {
            at: Stamp(record.started_at()),
            took: words::span(Duration::from_micros(record.micros)),
            platform: record.platform.clone(),
            outcome: words::outcome(record).to_owned(),
            speaker: words::speaker(record.provider_status),
            said: (!said.is_empty()).then(|| said.join(" ")),
            code,
        }
    }
}

/// One push.
pub(crate) struct Push {
    pub(crate) sid: String,
    pub(crate) automatic: bool,
    pub(crate) at: Stamp,
    pub(crate) changed: Stamp,
    pub(crate) status: &'static str,
    pub(crate) tone: Tone,
    pub(crate) words: &'static str,
    pub(crate) attempts: Vec<Attempt>,
}

impl Push {
    pub(crate) fn of(notification: &Notification, console: &Console) -> Self {
        let standing = notification.current(console.verify.node());
        Self {
            sid: notification.sid.to_string(),
            automatic: notification.automatic,
            at: Stamp(notification.created_at),
            changed: Stamp(notification.updated_at),
            status: standing.status.as_str(),
            tone: words::tone_of_push(standing.status),
            words: words::standing(standing, notification.attempts.last()),
            attempts: notification.attempts.iter().map(|it| Attempt::of(it, console)).collect(),
        }
    }
}

/// One challenge, in a list.
pub(crate) struct Asked {
    pub(crate) sid: String,
    pub(crate) at: Stamp,
    /// What was asked; a challenge that is answered by a code may ask nothing.
    pub(crate) message: String,
    pub(crate) identity: String,
    pub(crate) service: String,
    pub(crate) status: &'static str,
    pub(crate) tone: Tone,
    pub(crate) answered: Option<Stamp>,
    pub(crate) pushes: Vec<Push>,
    /// Whether it has more pushes than these.
    pub(crate) is_cut: bool,
}

impl Asked {
    /// With its pushes.
    pub(crate) async fn read(
        challenge: &Challenge,
        account: AccountSid,
        console: &Console,
    ) -> Result<Self, Fault> {
        let owner = &challenge.owner;
        let page = PageQuery::first(MOST_PUSHES);
        let pushes = console
            .verify
            .notifications(account, owner.service, &owner.identity, challenge.sid, page)
            .await;
        let alone = Self::alone(challenge, console.now());
        match pushes {
            Ok((_, page)) => {
                let pushes = page.items.iter().map(|it| Push::of(it, console)).collect();
                Ok(Self { pushes, is_cut: page.has_next, ..alone })
            }
            // deleted since it was found
            Err(countersign_verify::VerifyError::NotFound) => Ok(alone),
            Err(error) => Err(error.into()),
        }
    }

    /// Without them.
    pub(crate) fn alone(challenge: &Challenge, now: Instant) -> Self {
        let status = challenge.status(now);
        let answered = matches!(status, ChallengeStatus::Approved | ChallengeStatus::Denied);
        Self {
            sid: challenge.sid.to_string(),
            at: Stamp(challenge.created_at),
            message: question(challenge),
            identity: challenge.owner.identity.to_string(),
            service: challenge.owner.service.to_string(),
            status: status.as_str(),
            tone: words::tone_of_challenge(status),
            answered: answered_at(challenge).filter(|_| answered),
            pushes: Vec::new(),
            is_cut: false,
        }
    }
}

/// What a challenge asks.
pub(crate) fn question(challenge: &Challenge) -> String {
    let message = challenge.details.message.as_ref();
    message.map_or_else(|| "A code".to_owned(), ToString::to_string)
}

/// When it was answered.
pub(crate) fn answered_at(challenge: &Challenge) -> Option<Stamp> {
    match challenge.state {
        countersign_domain::challenge::ChallengeState::Answered { at, .. } => Some(Stamp(at)),
        countersign_domain::challenge::ChallengeState::Pending => None,
    }
}

/// A field of a form, with what was wrong about it.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) hint: &'static str,
    pub(crate) value: String,
    pub(crate) error: Option<String>,
    /// What can be chosen, value and name; a text if there is nothing.
    pub(crate) choices: Vec<(String, String)>,
}

impl Field {
    pub(crate) fn text(name: &'static str, label: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        Self { name, label, hint: "", value, error: None, choices: Vec::new() }
    }

    pub(crate) fn hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }

    pub(crate) fn choose(self, choices: Vec<(String, String)>) -> Self {
        Self { choices, ..self }
    }

    /// What was wrong, if it was wrong about this one.
    pub(crate) fn judged(self, wrong: Option<&(&'static str, String)>) -> Self {
        let error = wrong.filter(|(name, _)| *name == self.name).map(|(_, why)| why.clone());
        Self { error, ..self }
    }

    /// What describes it: the hint, the error, or both.
    pub(crate) fn described_by(&self) -> String {
        let mut ids = Vec::new();
        if !self.hint.is_empty() {
            ids.push(format!("{}-hint", self.name));
        }
        if self.error.is_some() {
            ids.push(format!("{}-error", self.name));
        }
        ids.join(" ")
    }
}
