//! `countersign pauses`: the people who get no new challenges for now, and the end of a person's pause. Works beside a running
//! server, which counts and pauses by the database alone.

use countersign_domain::sid::{AccountSid, ServiceSid};
use countersign_domain::time::Instant;
use countersign_store::PageQuery;
use countersign_verify::Verify;
use countersign_verify::protections::{EntityProtection, ProtectionChange};
use serde_json::{Value, json};

use super::{beside, lists};
use crate::cli::{ListFactors, Listing, Pauses};
use crate::config::Config;

pub(super) async fn run(config: &Config, command: Pauses) -> anyhow::Result<()> {
    let (verify, _) = beside::open(config).await?;
    match command {
        Pauses::List { account, service, listing } => {
            let mut found = false;
            for account in lists::accounts(&verify, account, service).await? {
                match service {
                    Some(service) => found |= list(&verify, account, service, listing).await?,
                    None => {
                        let read = |page: PageQuery<_>| verify.services(account, page);
                        for one in lists::all(lists::PAGE, read, |service| service.sid).await? {
                            found |= list(&verify, account, one.sid, listing).await?;
                        }
                    }
                }
            }
            if !found {
                eprintln!("Nobody is paused.");
            }
        }
        Pauses::Show(flags) => {
            for protection in of_person(&verify, &flags).await? {
                print(flags.listing, &protection);
            }
        }
        Pauses::End(flags) => end(&verify, &flags).await?,
    }
    Ok(())
}

/// Prints the paused people of a service, page by page. Returns whether there are any.
async fn list(
    verify: &Verify,
    account: AccountSid,
    service: ServiceSid,
    listing: Listing,
) -> anyhow::Result<bool> {
    let (mut after, mut found) = (None, false);
    loop {
        let page = verify.paused(account, service, after, usize::from(lists::PAGE)).await?;
        page.iter().for_each(|protection| print(listing, protection));
        found |= !page.is_empty();
        if page.len() < usize::from(lists::PAGE) {
            return Ok(found);
        }
        after = page.last().map(|last| last.owner.entity);
    }
}

/// How a person is protected, in each service that knows them.
async fn of_person(verify: &Verify, flags: &ListFactors) -> anyhow::Result<Vec<EntityProtection>> {
    let mut found = Vec::new();
    for account in lists::accounts(verify, flags.account, flags.service).await? {
        for entity in verify.entities_of_identity(account, &flags.identity).await? {
            let service = entity.owner.service;
            if flags.service.is_none_or(|wanted| wanted == service) {
                found.push(verify.protection(account, service, &flags.identity).await?);
            }
        }
    }
    anyhow::ensure!(!found.is_empty(), "no service has the identity {}", flags.identity.as_str());
    Ok(found)
}

async fn end(verify: &Verify, flags: &ListFactors) -> anyhow::Result<()> {
    let found = of_person(verify, flags).await?;
    let paused: Vec<_> = found.into_iter().filter(|found| found.pause.is_some()).collect();
    anyhow::ensure!(!paused.is_empty(), "{} is not paused", flags.identity.as_str());
    for protection in paused {
        let owner = &protection.owner;
        let resume = ProtectionChange::Resume;
        let ended = verify.protect(owner.account, owner.service, &owner.identity, resume).await?;
        print(flags.listing, &ended);
    }
    Ok(())
}

fn print(listing: Listing, protection: &EntityProtection) {
    lists::print(listing, || line(protection), || members(protection));
}

fn line(protection: &EntityProtection) -> String {
    let owner = &protection.owner;
    let (service, identity) = (owner.service, owner.identity.as_str());
    let Some(pause) = protection.pause else { return format!("{service}  {identity}  not paused") };
    let until = pause.until.as_ref().map_or_else(|| "until it is ended".to_owned(), until);
    format!("{service}  {identity}  paused {until}  {}", pause.reason.as_str())
}

fn until(at: &Instant) -> String {
    format!("until {at}")
}

fn members(protection: &EntityProtection) -> Value {
    let (owner, pause) = (&protection.owner, protection.pause);
    json!({
        "entity_sid": owner.entity.to_string(),
        "account_sid": owner.account.to_string(),
        "service_sid": owner.service.to_string(),
        "identity": owner.identity.as_str(),
        "paused": pause.is_some(),
        "reason": pause.map(|pause| pause.reason.as_str()),
        "paused_until": pause.and_then(|pause| pause.until),
        "level": protection.level,
    })
}
