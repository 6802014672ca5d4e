//! `countersign challenges`: the newest challenges, without their texts unless these are asked for.

use std::cmp::Reverse;

use countersign_domain::challenge::{Challenge, ChallengeState, ChallengeStatus};
use countersign_domain::sid::{AccountSid, ChallengeSid};
use countersign_domain::text::{Identity, Message};
use countersign_domain::time::Instant;
use countersign_store::seam::ChallengeFilter;
use countersign_store::{Cursor, Order, PageQuery, Side};
use countersign_verify::{Caller, Verify};
use serde_json::{Value, json};

use super::{beside, lists};
use crate::cli::{ListChallenges, Scope};
use crate::config::Config;

/// Challenges that are read at once.
const PAGE: u16 = 1_000;
/// Pages of an account that are read at most, to find those of a service or a status.
const PAGES: usize = 20;

/// The challenges that are wanted.
pub(super) struct Wanted<'a> {
    pub(super) scope: &'a Scope,
    pub(super) status: Option<ChallengeStatus>,
    pub(super) before: Option<ChallengeSid>,
    /// How many at most.
    pub(super) most: usize,
}

pub(super) async fn run(config: &Config, flags: ListChallenges) -> anyhow::Result<()> {
    let (verify, world) = beside::open(config).await?;
    let scope = &flags.scope;
    let most = usize::from(scope.limit);
    let wanted = Wanted { scope, status: flags.status, before: flags.before, most };
    let now = world.clock.now();
    let found = newest(&verify, &wanted, now).await?;
    for challenge in &found {
        let human = || line(challenge, now, flags.messages);
        lists::print(flags.listing, human, || members(challenge, now, flags.messages));
    }
    match found.last() {
        None => eprintln!("There are no such challenges."),
        Some(last) if found.len() == most => {
            eprintln!("There may be older ones: --before {}", last.sid);
        }
        Some(_) => {}
    }
    Ok(())
}

/// The newest challenges that are wanted, newest first.
pub(super) async fn newest(
    verify: &Verify,
    wanted: &Wanted<'_>,
    now: Instant,
) -> anyhow::Result<Vec<Challenge>> {
    let scope = wanted.scope;
    let mut found = Vec::new();
    for account in lists::accounts(verify, scope.account, scope.service).await? {
        found.extend(match &scope.identity {
            Some(identity) => of_person(verify, account, identity, wanted).await?,
            None => of_account(verify, account, wanted, now).await?,
        });
    }
    found.sort_by_key(|challenge| Reverse((challenge.created_at, challenge.sid)));
    found.truncate(wanted.most);
    Ok(found)
}

async fn of_person(
    verify: &Verify,
    account: AccountSid,
    identity: &Identity,
    wanted: &Wanted<'_>,
) -> anyhow::Result<Vec<Challenge>> {
    let mut found = Vec::new();
    for entity in verify.entities_of_identity(account, identity).await? {
        let service = entity.owner.service;
        if wanted.scope.service.is_some_and(|wanted| wanted != service) {
            continue;
        }
        let filter = ChallengeFilter { factor: None, status: wanted.status };
        let page = PageQuery {
            size: u16::try_from(wanted.most).unwrap_or(PAGE).min(PAGE),
            order: Order::Descending,
            cursor: wanted.before.map(|sid| Cursor { sid, side: Side::After }),
        };
        let caller = Caller::Application(account);
        found.extend(verify.challenges(&caller, service, identity, filter, page).await?.items);
    }
    Ok(found)
}

async fn of_account(
    verify: &Verify,
    account: AccountSid,
    wanted: &Wanted<'_>,
    now: Instant,
) -> anyhow::Result<Vec<Challenge>> {
    let is_wanted = |challenge: &Challenge| {
        wanted.scope.service.is_none_or(|service| service == challenge.owner.service)
            && wanted.status.is_none_or(|status| status == challenge.status(now))
    };
    let (mut found, mut before) = (Vec::new(), wanted.before);
    for _ in 0..PAGES {
        let page = verify.recent_challenges(account, before, usize::from(PAGE)).await?.items;
        before = page.last().map(|challenge| challenge.sid);
        let is_last = page.len() < usize::from(PAGE);
        found.extend(page.into_iter().filter(is_wanted));
        if found.len() >= wanted.most || is_last {
            return Ok(found);
        }
    }
    if let Some(before) = before {
        eprintln!(
            "Only the newest {} challenges of {account} were searched: --before {before} continues.",
            PAGES * usize::from(PAGE)
        );
    }
    Ok(found)
}

/// When a challenge was answered.
fn answered_at(challenge: &Challenge) -> Option<Instant> {
    match challenge.state {
        ChallengeState::Pending | ChallengeState::AnsweredElsewhere { .. } => None,
        ChallengeState::Answered { at, .. } => Some(at),
    }
}

fn message(challenge: &Challenge) -> Option<&str> {
    challenge.details.message.as_ref().map(Message::as_str)
}

fn line(challenge: &Challenge, now: Instant, with_message: bool) -> String {
    let Challenge { sid, owner, factor, factor_type, created_at, .. } = challenge;
    let status = challenge.status(now).as_str();
    let answered = answered_at(challenge).map_or_else(|| "-".to_owned(), |at| at.to_string());
    let (service, identity, kind) = (owner.service, owner.identity.as_str(), factor_type.as_str());
    let mut line = format!(
        "{sid}  {status:<8}  {created_at}  answered={answered}  {kind}  {service}  {identity}  {factor}"
    );
    if let Some(message) = message(challenge).filter(|_| with_message) {
        line.push_str(&format!("  {message:?}"));
    }
    line
}

fn members(challenge: &Challenge, now: Instant, with_message: bool) -> Value {
    let owner = &challenge.owner;
    let mut members = json!({
        "sid": challenge.sid.to_string(),
        "account_sid": owner.account.to_string(),
        "service_sid": owner.service.to_string(),
        "identity": owner.identity.as_str(),
        "factor_sid": challenge.factor.to_string(),
        "factor_type": challenge.factor_type.as_str(),
        "status": challenge.status(now).as_str(),
        "date_created": challenge.created_at,
        "expiration_date": challenge.expires_at,
        "date_responded": answered_at(challenge),
    });
    if with_message {
        members["message"] = message(challenge).into();
    }
    members
}
