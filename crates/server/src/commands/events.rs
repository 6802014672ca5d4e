//! `countersign events`: what happens to challenges, as a list or as it happens. Reads the database, and no secret.

use std::collections::HashSet;
use std::time::Duration;

use countersign_domain::challenge::{Challenge, ChallengeState, ChallengeStatus, Verdict};
use countersign_domain::sid::ChallengeSid;
use countersign_domain::time::Instant;
use serde_json::{Value, json};

use super::challenges::{Wanted, newest};
use super::{beside, lists};
use crate::cli::Events;
use crate::config::Config;

/// The challenges of one look: events of older ones are not seen.
const CHALLENGES: usize = 1_000;
/// The pause between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A commit may become visible this long after the time that it is stamped with.
const LATE: Duration = Duration::from_secs(60);

/// The events of a challenge by their names, and which one it was.
type Kind = &'static str;

/// Something that happened to a challenge.
struct Event<'a> {
    at: Instant,
    kind: Kind,
    challenge: &'a Challenge,
}

impl Event<'_> {
    const fn key(&self) -> (ChallengeSid, Kind) {
        (self.challenge.sid, self.kind)
    }
}

pub(super) async fn run(config: &Config, flags: Events) -> anyhow::Result<()> {
    let (verify, world) = beside::open(config).await?;
    let wanted = Wanted { scope: &flags.scope, status: None, before: None, most: CHALLENGES };
    let mut seen: Option<HashSet<(ChallengeSid, Kind)>> = None;
    loop {
        let now = world.clock.now();
        let challenges = newest(&verify, &wanted, now).await?;
        let all = events_of(&challenges, now);
        let begin = match seen {
            Some(_) => 0,
            None => all.len().saturating_sub(usize::from(flags.scope.limit)),
        };
        let is_new = |event: &&Event<'_>| match &seen {
            Some(seen) => event.at > now - LATE && !seen.contains(&event.key()),
            None => true,
        };
        for event in all[begin..].iter().filter(is_new) {
            lists::print(flags.listing, || line(event), || members(event));
        }
        if !flags.follow {
            return Ok(());
        }
        seen = Some(all.iter().map(Event::key).collect());
        world.clock.sleep(LOOK_EVERY).await;
    }
}

/// All events of challenges until now, in order.
fn events_of(challenges: &[Challenge], now: Instant) -> Vec<Event<'_>> {
    let mut all = Vec::new();
    for challenge in challenges {
        all.push(Event { at: challenge.created_at, kind: "created", challenge });
        let end = match challenge.state {
            ChallengeState::Answered { verdict: Verdict::Approved, at } => Some(("approved", at)),
            ChallengeState::Answered { verdict: Verdict::Denied, at } => Some(("denied", at)),
            ChallengeState::AnsweredElsewhere { at, .. } => Some(("expired", at)),
            ChallengeState::Pending if challenge.status(now) == ChallengeStatus::Expired => {
                Some(("expired", challenge.expires_at))
            }
            ChallengeState::Pending => None,
        };
        all.extend(end.map(|(kind, at)| Event { at, kind, challenge }));
    }
    all.sort_by_key(|event| event.at);
    all
}

fn line(event: &Event<'_>) -> String {
    let Event { at, kind, challenge } = event;
    let owner = &challenge.owner;
    let (sid, service, identity) = (challenge.sid, owner.service, owner.identity.as_str());
    let at = at.to_millis_string();
    format!("{at}  {kind:<8}  {sid}  {service}  {identity}  {}", challenge.factor)
}

fn members(event: &Event<'_>) -> Value {
    let owner = &event.challenge.owner;
    json!({
        "at": event.at.to_millis_string(),
        "event": format!("challenge.{}", event.kind),
        "challenge_sid": event.challenge.sid.to_string(),
        "account_sid": owner.account.to_string(),
        "service_sid": owner.service.to_string(),
        "identity": owner.identity.as_str(),
        "factor_sid": event.challenge.factor.to_string(),
        "factor_type": event.challenge.factor_type.as_str(),
    })
}
