//! `countersign factors`: the devices and TOTP factors of a person, without keys, tokens and secrets.

use countersign_domain::factor::AnyFactor;
use countersign_verify::Verify;
use serde_json::{Value, json};

use super::{beside, lists};
use crate::cli::ListFactors;
use crate::config::Config;

pub(super) async fn run(config: &Config, flags: ListFactors) -> anyhow::Result<()> {
    let (verify, _) = beside::open(config).await?;
    let factors = of_person(&verify, &flags).await?;
    if factors.is_empty() {
        eprintln!("{} has no factors.", flags.identity.as_str());
    }
    for factor in &factors {
        lists::print(flags.listing, || line(factor), || members(factor));
    }
    Ok(())
}

async fn of_person(verify: &Verify, flags: &ListFactors) -> anyhow::Result<Vec<AnyFactor>> {
    let mut factors = Vec::new();
    let mut known = false;
    for account in lists::accounts(verify, flags.account, flags.service).await? {
        let entities = verify.entities_of_identity(account, &flags.identity).await?;
        for entity in entities {
            let owner = entity.owner;
            if flags.service.is_some_and(|service| service != owner.service) {
                continue;
            }
            known = true;
            let read = |page| verify.factors(account, owner.service, &flags.identity, page);
            factors.extend(lists::all(lists::PAGE, read, AnyFactor::sid).await?);
        }
    }
    anyhow::ensure!(known, "no service has the identity {}", flags.identity.as_str());
    Ok(factors)
}

fn line(factor: &AnyFactor) -> String {
    let (kind, status, name, owner, created) = match factor {
        AnyFactor::Push(factor) => {
            let platform = factor.address.platform().as_str();
            (
                platform,
                factor.status,
                factor.friendly_name.as_str(),
                &factor.owner,
                factor.created_at,
            )
        }
        AnyFactor::Totp(factor) => {
            ("totp", factor.status, factor.friendly_name.as_str(), &factor.owner, factor.created_at)
        }
    };
    let (sid, status, service) = (factor.sid(), status.as_str(), owner.service);
    format!("{sid}  {status}  {kind}  {created}  {service}  {name}")
}

fn members(factor: &AnyFactor) -> Value {
    let (kind, platform, status, name, owner, created, updated) = match factor {
        AnyFactor::Push(factor) => {
            let platform = Some(factor.address.platform().as_str());
            let (name, owner) = (factor.friendly_name.as_str(), &factor.owner);
            ("push", platform, factor.status, name, owner, factor.created_at, factor.updated_at)
        }
        AnyFactor::Totp(factor) => {
            let (name, owner) = (factor.friendly_name.as_str(), &factor.owner);
            ("totp", None, factor.status, name, owner, factor.created_at, factor.updated_at)
        }
    };
    json!({
        "sid": factor.sid().to_string(),
        "account_sid": owner.account.to_string(),
        "service_sid": owner.service.to_string(),
        "identity": owner.identity.as_str(),
        "factor_type": kind,
        "platform": platform,
        "status": status.as_str(),
        "friendly_name": name,
        "date_created": created,
        "date_updated": updated,
    })
}
