//! Views that several pages share.

use std::borrow::Cow;
use std::fmt;

use countersign_domain::attempt_record::AttemptRecord;
use countersign_domain::challenge::{Challenge, ChallengeState, ChallengeStatus};
use countersign_domain::factor::AnyFactor;
use countersign_domain::notification::Notification;
use countersign_domain::sid::AccountSid;
use countersign_domain::time::Instant;
use countersign_domain::visible;
use countersign_store::PageQuery;
use std::time::Duration;

use crate::error::PageError;
use crate::labels::{self, Tone};
use crate::state::Console;

/// Largest number of notifications of a challenge.
const MOST_PUSHES: u16 = 100;

/// A text of others, with visible marks in place of characters that are invisible or reorder the text.
pub(crate) fn marked<T: AsRef<str> + ?Sized>(text: &T) -> Cow<'_, str> {
    visible::marked(text.as_ref())
}

/// Like [`marked`], for places without markup, such as a title: isolated, so that its direction does not affect the text around
/// it.
pub(crate) fn isolated<T: AsRef<str> + ?Sized>(text: &T) -> String {
    let text = marked(text);
    // ASCII has only one direction.
    if text.is_ascii() { text.into_owned() } else { format!("\u{2068}{text}\u{2069}") }
}

/// An instant, for people and for machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp(pub(crate) Instant);

impl Timestamp {
    /// `2026-01-31T12:00:00.512Z`
    pub(crate) fn machine(&self) -> String {
        self.0.to_millis_string()
    }

    /// `12:00:00`
    pub(crate) fn time(&self) -> String {
        self.machine().get(11..19).unwrap_or_default().to_owned()
    }

    /// `12:00`
    pub(crate) fn minute(&self) -> String {
        self.machine().get(11..16).unwrap_or_default().to_owned()
    }

    /// `2026-01-31`
    pub(crate) fn day(&self) -> String {
        self.machine().get(..10).unwrap_or_default().to_owned()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.day(), self.time())
    }
}

/// An attempt of a push.
pub(crate) struct Attempt {
    pub(crate) at: Timestamp,
    pub(crate) took: String,
    pub(crate) platform: String,
    pub(crate) outcome: String,
    /// Label of the source of `said`.
    pub(crate) speaker: &'static str,
    /// Status and reason.
    pub(crate) said: Option<String>,
    /// Code of the outcome, and its meaning.
    pub(crate) code: Option<String>,
    pub(crate) code_number: Option<u32>,
    pub(crate) micros: u64,
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
            at: Timestamp(record.started_at()),
            took: labels::span(Duration::from_micros(record.micros)),
            platform: record.platform.clone(),
            outcome: labels::outcome(record).to_owned(),
            speaker: labels::speaker(record.provider_status),
            said: (!said.is_empty()).then(|| said.join(" ")),
            code,
            code_number: record.code.map(|code| code.0),
            micros: record.micros,
        }
    }
}

/// A push.
pub(crate) struct Push {
    pub(crate) sid: String,
    pub(crate) automatic: bool,
    pub(crate) at: Timestamp,
    pub(crate) changed: Timestamp,
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
            at: Timestamp(notification.created_at),
            changed: Timestamp(notification.updated_at),
            status: standing.status.as_str(),
            tone: labels::tone_of_push(standing.status),
            words: labels::standing(standing, notification.attempts.last()),
            attempts: notification.attempts.iter().map(|it| Attempt::of(it, console)).collect(),
        }
    }
}

/// A challenge in a list.
pub(crate) struct ChallengeSummary {
    pub(crate) sid: String,
    pub(crate) at: Timestamp,
    /// The question. May be empty for a challenge that is answered by a code.
    pub(crate) message: String,
    pub(crate) identity: String,
    pub(crate) service: String,
    pub(crate) status: &'static str,
    pub(crate) tone: Tone,
    pub(crate) answered: Option<Timestamp>,
    pub(crate) pushes: Vec<Push>,
    /// Whether there are more pushes.
    pub(crate) is_cut: bool,
    /// How many challenges of its group the list holds, which this one stands for; `None` for one that was asked alone.
    pub(crate) devices: Option<usize>,
    /// The proof that the person looks at the page that asked.
    pub(crate) presence: Option<&'static str>,
}

impl ChallengeSummary {
    /// Reads the challenge with its pushes.
    pub(crate) async fn read(
        challenge: &Challenge,
        account: AccountSid,
        console: &Console,
    ) -> Result<Self, PageError> {
        let owner = &challenge.owner;
        let page = PageQuery::first(MOST_PUSHES);
        let pushes = console
            .verify
            .notifications(account, owner.service, &owner.identity, challenge.sid, page)
            .await;
        let without_pushes = Self::without_pushes(challenge, console.now());
        match pushes {
            Ok((_, page)) => {
                let pushes = page.items.iter().map(|it| Push::of(it, console)).collect();
                Ok(Self { pushes, is_cut: page.has_next, ..without_pushes })
            }
            // Deleted since the list was read.
            Err(countersign_verify::VerifyError::NotFound) => Ok(without_pushes),
            Err(error) => Err(error.into()),
        }
    }

    /// Challenges without their pushes, those of a group as one: as the one that was answered, if the list holds it.
    pub(crate) fn of_groups(challenges: &[Challenge], now: Instant) -> Vec<Self> {
        let mut rows: Vec<(&Challenge, Option<usize>)> = Vec::new();
        for challenge in challenges {
            let known = challenge.group.as_ref().and_then(|group| {
                rows.iter_mut().find(|(row, _)| row.group.as_ref() == Some(group))
            });
            match known {
                Some((row, devices)) => {
                    *devices = devices.map(|devices| devices + 1);
                    if matches!(challenge.state, ChallengeState::Answered { .. }) {
                        *row = challenge;
                    }
                }
                None => rows.push((challenge, challenge.group.as_ref().map(|_| 1))),
            }
        }
        let row = |(challenge, devices)| Self { devices, ..Self::without_pushes(challenge, now) };
        rows.into_iter().map(row).collect()
    }

    /// The challenge without its pushes.
    pub(crate) fn without_pushes(challenge: &Challenge, now: Instant) -> Self {
        let status = challenge.status(now);
        let answered = matches!(status, ChallengeStatus::Approved | ChallengeStatus::Denied);
        Self {
            sid: challenge.sid.to_string(),
            at: Timestamp(challenge.created_at),
            message: question(challenge),
            identity: challenge.owner.identity.to_string(),
            service: challenge.owner.service.to_string(),
            status: status.as_str(),
            tone: labels::tone_of_challenge(status),
            answered: answered_at(challenge).filter(|_| answered),
            pushes: Vec::new(),
            is_cut: false,
            devices: challenge.group.as_ref().map(|_| 1),
            presence: challenge.presence.as_deref().map(labels::presence),
        }
    }
}

/// The question of a challenge.
pub(crate) fn question(challenge: &Challenge) -> String {
    let message = challenge.details.message.as_ref();
    message.map_or_else(|| "A code".to_owned(), ToString::to_string)
}

/// Time of the verdict.
pub(crate) fn answered_at(challenge: &Challenge) -> Option<Timestamp> {
    match challenge.state {
        ChallengeState::Answered { at, .. } => Some(Timestamp(at)),
        ChallengeState::AnsweredElsewhere { .. } | ChallengeState::Pending => None,
    }
}

/// The name that a device's person gave it.
pub(crate) fn name_of(factor: &AnyFactor) -> String {
    match factor {
        AnyFactor::Push(factor) => factor.friendly_name.to_string(),
        AnyFactor::Totp(factor) => factor.friendly_name.to_string(),
    }
}
