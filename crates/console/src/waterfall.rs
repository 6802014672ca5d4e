//! A challenge from its creation on, as bars on one axis of milliseconds.
//!
//! The axis is logarithmic: attempts take milliseconds, and people seconds or minutes.

use std::time::Duration;

use countersign_domain::challenge::{Challenge, ChallengeState, Verdict};
use countersign_domain::time::Instant;
use countersign_domain::webhook_call::TakenCall;

use crate::labels::{BAD, BUSY, CALM, GOOD, Tone};
use crate::views::{ChallengeSummary, Push};

/// The width of the drawing.
const WIDTH: f64 = 1_000.0;
/// The narrowest bar.
const NARROWEST: f64 = 6.0;
/// The marks of the axis, in milliseconds.
const MARKS: [(f64, &str); 8] = [
    (1.0, "1 ms"),
    (10.0, "10 ms"),
    (100.0, "100 ms"),
    (1_000.0, "1 s"),
    (10_000.0, "10 s"),
    (60_000.0, "1 min"),
    (600_000.0, "10 min"),
    (3_600_000.0, "1 h"),
];
/// Bars at most. A challenge has fewer unless it was pushed very often.
const MOST: usize = 100;

/// A step and its time.
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) tone: Tone,
    /// Milliseconds after the creation.
    pub(crate) start: String,
    /// Milliseconds that it took; empty for a moment.
    pub(crate) took: String,
    pub(crate) x: String,
    pub(crate) width: String,
}

/// A mark of the axis.
pub(crate) struct Mark {
    pub(crate) name: &'static str,
    pub(crate) x: String,
}

/// The drawing.
pub(crate) struct Waterfall {
    pub(crate) bars: Vec<Bar>,
    pub(crate) marks: Vec<Mark>,
    pub(crate) is_cut: bool,
}

/// A step, from and to an instant.
struct Step {
    name: String,
    tone: Tone,
    from: Instant,
    to: Instant,
}

impl Waterfall {
    /// Draws the steps of a challenge: its pushes and their attempts, the answer, and the webhook calls that were taken.
    pub(crate) fn of(
        challenge: &Challenge,
        summary: &ChallengeSummary,
        calls: &[TakenCall],
    ) -> Self {
        let began = challenge.created_at;
        let mut steps: Vec<_> = summary.pushes.iter().flat_map(of_push).collect();
        steps.extend(of_answer(challenge));
        steps.extend(calls.iter().map(|call| Step {
            name: format!("Webhook {}", call.event.as_str()),
            tone: GOOD,
            from: call.happened_at,
            to: call.taken_at,
        }));
        steps.sort_by_key(|step| (step.from, step.to));
        let is_cut = steps.len() > MOST;
        steps.truncate(MOST);
        let millis = |at: Instant| at.since(began).as_secs_f64() * 1_000.0;
        let longest = steps.iter().map(|step| millis(step.to)).fold(1.0, f64::max);
        let place = |millis: f64| millis.ln_1p() / longest.ln_1p() * (WIDTH - NARROWEST);
        let created = Bar {
            name: "Created".to_owned(),
            tone: CALM,
            start: written(0.0),
            took: String::new(),
            x: coordinate(0.0),
            width: coordinate(NARROWEST),
        };
        let bar = |step: Step| {
            let (from, to) = (millis(step.from), millis(step.to));
            let x = place(from);
            Bar {
                start: written(from),
                took: if step.to > step.from { written(to - from) } else { String::new() },
                x: coordinate(x),
                width: coordinate((place(to) - x).max(NARROWEST)),
                name: step.name,
                tone: step.tone,
            }
        };
        let marks = MARKS.into_iter().filter(|(at, _)| *at <= longest);
        Self {
            bars: std::iter::once(created).chain(steps.into_iter().map(bar)).collect(),
            marks: marks.map(|(at, name)| Mark { name, x: coordinate(place(at)) }).collect(),
            is_cut,
        }
    }
}

/// A push is committed before its first attempt starts.
fn of_push(push: &Push) -> Vec<Step> {
    let first = push.attempts.first().map_or(push.at, |attempt| attempt.at);
    let name = if push.automatic { "Stored and handed over" } else { "Push on request stored" };
    let mut steps = vec![Step {
        name: name.to_owned(),
        tone: CALM,
        from: push.at.0,
        to: first.0.max(push.at.0),
    }];
    steps.extend(push.attempts.iter().map(|attempt| Step {
        name: format!("Attempt over {}: {}", attempt.platform, attempt.outcome),
        tone: if attempt.code_number.is_some() { BAD } else { GOOD },
        from: attempt.at.0,
        to: attempt.at.0 + Duration::from_micros(attempt.micros),
    }));
    steps
}

fn of_answer(challenge: &Challenge) -> Option<Step> {
    let from = challenge.created_at;
    match challenge.state {
        ChallengeState::Answered { verdict, at } => {
            let (name, tone) = match verdict {
                Verdict::Approved => ("Person approved", GOOD),
                Verdict::Denied => ("Person denied", BAD),
            };
            Some(Step { name: name.to_owned(), tone, from, to: at })
        }
        ChallengeState::AnsweredElsewhere { at, .. } => {
            Some(Step { name: "Answered on another device".to_owned(), tone: BUSY, from, to: at })
        }
        ChallengeState::Pending => None,
    }
}

fn written(millis: f64) -> String {
    if millis < 100.0 { format!("{millis:.1}") } else { format!("{millis:.0}") }
}

fn coordinate(place: f64) -> String {
    format!("{place:.1}")
}

#[cfg(test)]
mod tests {
    use countersign_domain::sid::WebhookSid;
    use countersign_testkit::Fixtures;

    use super::*;
    use crate::views::{Attempt, Timestamp};

    fn attempt(at: Instant, micros: u64) -> Attempt {
        Attempt {
            at: Timestamp(at),
            took: String::new(),
            platform: "apn".to_owned(),
            outcome: "accepted by the push service".to_owned(),
            speaker: "",
            said: None,
            code: None,
            code_number: None,
            micros,
        }
    }

    #[test]
    fn each_step_has_its_milliseconds_on_one_axis() {
        let make = Fixtures::new(1);
        let service = make.service(&make.account());
        let factor = make.factor(&make.entity(&service, &make.identity()).owner);
        let asked = make.challenge(&factor);
        let at = |micros| asked.created_at + Duration::from_micros(micros);
        let state = ChallengeState::Answered { verdict: Verdict::Approved, at: at(8_000_000) };
        let challenge = Challenge { state, ..asked.clone() };
        let mut summary = ChallengeSummary::without_pushes(&challenge, at(9_000_000));
        summary.pushes.push(Push {
            sid: "NT".to_owned(),
            automatic: true,
            at: Timestamp(at(0)),
            changed: Timestamp(at(0)),
            status: "sent",
            tone: GOOD,
            words: "",
            attempts: vec![attempt(at(2_500), 40_000)],
        });
        let call = TakenCall {
            id: countersign_domain::event::CallId([0; 16]),
            webhook: WebhookSid::from_bytes([0; 16]),
            event: "challenge.approved".to_owned(),
            happened_at: at(8_000_000),
            attempts: 1,
            taken_at: at(8_120_000),
            status: 204,
        };
        let drawn = Waterfall::of(&challenge, &summary, &[call]);
        let told: Vec<_> = drawn
            .bars
            .iter()
            .map(|bar| format!("{} {} {}", bar.name, bar.start, bar.took))
            .collect();
        assert_eq!(
            told,
            [
                "Created 0.0 ",
                "Stored and handed over 0.0 2.5",
                "Person approved 0.0 8000",
                "Attempt over apn: accepted by the push service 2.5 40.0",
                "Webhook challenge.approved 8000 120",
            ]
        );
        let ends = drawn.bars.iter().map(|bar| {
            let [x, width] = [&bar.x, &bar.width].map(|text| text.parse::<f64>().unwrap());
            x + width
        });
        assert!(ends.into_iter().all(|end| end <= WIDTH), "the picture stays within its frame");
        let marks: Vec<_> = drawn.marks.iter().map(|mark| mark.name).collect();
        assert_eq!(marks, ["1 ms", "10 ms", "100 ms", "1 s"]);
    }
}
