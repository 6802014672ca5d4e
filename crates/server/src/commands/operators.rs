//! `countersign operators`: works beside a running server, which applies changes with the next request.

use std::io::BufRead as _;

use anyhow::{Context as _, bail, ensure};
use countersign_domain::operator::{Operator, OperatorName};
use countersign_domain::secret::Secret;
use countersign_domain::session::{SessionId, SessionStage};
use countersign_domain::sid::AccountSid;
use countersign_domain::time::Instant;
use countersign_verify::operators::PASSWORD_LENGTH;
use countersign_verify::sessions::{Session, Who};
use countersign_verify::{Verify, VerifyError};
use serde_json::json;

use super::beside;
use super::lists::{PAGE, all, print};
use crate::cli::{Listing, NewOperator, Operators};
use crate::config::Config;
use crate::urls::{console_url, public_url};

pub(super) async fn run(config: &Config, command: Operators) -> anyhow::Result<()> {
    let (verify, _) = beside::open(config).await?;
    match command {
        Operators::List { account, listing } => list(&verify, account, listing).await,
        Operators::Add(new) => add(config, &verify, new).await,
        Operators::Role { name, role, listing } => {
            let operator = find(&verify, &name).await?;
            verify.set_operator_role(&operator, role).await?;
            show(listing, &Operator { role, ..operator });
            Ok(())
        }
        Operators::Password { name, stdin, listing } => {
            password(&verify, &name, stdin, listing).await
        }
        Operators::Link { name, new_device, listing } => {
            let operator = find(&verify, &name).await?;
            if new_device && !verify.forget_devices(&operator).await? {
                eprintln!("{name} has no device.");
            }
            link(config, &verify, &operator, listing).await
        }
        Operators::Sessions { name, listing } => sessions(&verify, name.as_ref(), listing).await,
        Operators::Revoke { name: Some(name), listing, .. } => {
            let operator = find(&verify, &name).await?;
            revoked(listing, verify.end_operators_sessions(&operator).await?);
            Ok(())
        }
        Operators::Revoke { session: Some(session), listing, .. } => {
            revoke_one(&verify, session).await?;
            revoked(listing, 1);
            Ok(())
        }
        Operators::Revoke { .. } => bail!("name an operator, or a session by --session"),
        Operators::Remove { name, listing } => {
            let operator = find(&verify, &name).await?;
            verify.delete_operator(&operator).await?;
            print(listing, || format!("{name} is removed"), || json!({ "removed": name.as_str() }));
            Ok(())
        }
    }
}

async fn find(verify: &Verify, name: &OperatorName) -> anyhow::Result<Operator> {
    match verify.operator_named(name).await {
        Err(VerifyError::NotFound) => {
            bail!("there is no operator {name}: countersign operators list shows all")
        }
        found => Ok(found?),
    }
}

/// The accounts that operators may belong to.
async fn accounts(verify: &Verify) -> anyhow::Result<Vec<AccountSid>> {
    let accounts = all(PAGE, |page| verify.list_accounts(page), |account| account.sid).await?;
    let sids = accounts.into_iter().map(|account| account.sid);
    Ok(sids.filter(|sid| !verify.is_home_of_devices(*sid)).collect())
}

fn show(listing: Listing, operator: &Operator) {
    let Operator { sid, account, name, role, .. } = operator;
    let has_password = operator.password.is_some();
    let by = if has_password { "password and links" } else { "links" };
    let line = || format!("{name}  {role}  {account}  {}  {by}", operator.created_at);
    print(listing, line, || {
        json!({
            "sid": sid.to_string(),
            "name": name.as_str(),
            "role": role.as_str(),
            "account_sid": account.to_string(),
            "has_password": has_password,
            "date_created": operator.created_at,
            "date_updated": operator.updated_at,
        })
    });
}

async fn list(
    verify: &Verify,
    account: Option<AccountSid>,
    listing: Listing,
) -> anyhow::Result<()> {
    let accounts = match account {
        Some(account) => vec![account],
        None => accounts(verify).await?,
    };
    let mut is_empty = true;
    for account in accounts {
        let read = |page| verify.operators(account, page);
        for operator in all(PAGE, read, |operator| operator.sid).await? {
            is_empty = false;
            show(listing, &operator);
        }
    }
    if is_empty {
        eprintln!("There is no operator: countersign operators add NAME creates one.");
    }
    Ok(())
}

async fn add(config: &Config, verify: &Verify, new: NewOperator) -> anyhow::Result<()> {
    let NewOperator { name, role, account, listing } = new;
    let account = match (account, accounts(verify).await?.as_slice()) {
        (Some(account), _) => account,
        (None, [only]) => *only,
        (None, []) => bail!("there are no accounts: countersign accounts create creates one"),
        (None, _) => bail!("there are several accounts: name one by --account"),
    };
    let operator = verify.create_operator(account, name, role).await?;
    link(config, verify, &operator, listing).await
}

/// Prints a new link.
async fn link(
    config: &Config,
    verify: &Verify,
    operator: &Operator,
    listing: Listing,
) -> anyhow::Result<()> {
    ensure!(config.console.enabled, "the console is off: console.enabled is false");
    let (key, expires_at) = verify.create_operator_link(operator).await?;
    let api = public_url(config, config.http.listen)?;
    let base = console_url(config, &api, config.admin.listen);
    let link = format!("{}/console/link?key={}", base.trim_end_matches('/'), key.expose());
    print(
        listing,
        || link.clone(),
        || {
            json!({
                "name": operator.name.as_str(),
                "role": operator.role.as_str(),
                "link": link,
                "expires": expires_at,
            })
        },
    );
    eprintln!("It signs {} in once, until {expires_at}.", operator.name);
    Ok(())
}

async fn password(
    verify: &Verify,
    name: &OperatorName,
    stdin: bool,
    listing: Listing,
) -> anyhow::Result<()> {
    let operator = find(verify, name).await?;
    let chosen = if stdin { Some(read_password()?) } else { None };
    let is_drawn = chosen.is_none();
    let password = verify.set_operator_password(&operator, chosen).await?;
    let shown = is_drawn.then(|| password.expose());
    let line = || shown.map_or_else(|| format!("{name} has a new password"), str::to_owned);
    print(listing, line, || json!({ "name": name.as_str(), "password": shown }));
    eprintln!("The sessions of {name} have ended.");
    Ok(())
}

fn read_password() -> anyhow::Result<Secret> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("standard input")?;
    let password = line.trim_end_matches(['\r', '\n']);
    ensure!(
        PASSWORD_LENGTH.contains(&password.len()),
        "a password must have {} to {} bytes",
        PASSWORD_LENGTH.start(),
        PASSWORD_LENGTH.end()
    );
    Ok(Secret::new(password))
}

async fn sessions(
    verify: &Verify,
    name: Option<&OperatorName>,
    listing: Listing,
) -> anyhow::Result<()> {
    let accounts = match name {
        Some(name) => vec![find(verify, name).await?.account],
        None => accounts(verify).await?,
    };
    for account in accounts {
        for session in verify.sessions_of(account).await? {
            let is_asked = name.is_none_or(|name| match &session.who {
                Who::Operator(_, operator) => operator == name,
                Who::Token | Who::ApiKey(_) => false,
            });
            if is_asked {
                show_session(listing, &session);
            }
        }
    }
    Ok(())
}

fn show_session(listing: Listing, session: &Session) {
    let Session { id, account, who, role, opened_at, seen_at, expires_at, .. } = session;
    let (name, is_open) = (who.name(), session.stage == SessionStage::Open);
    let address = session.address.map(|address| address.to_canonical().to_string());
    let line = || {
        let address = address.as_deref().unwrap_or("-");
        let half = if is_open { "" } else { "  second factor missing" };
        format!("{id}  {name}  {role}  {address}  since={opened_at}  seen={seen_at}{half}")
    };
    let date = |at: &Instant| json!(at);
    print(listing, line, || {
        json!({
            "id": id.to_string(),
            "account_sid": account.to_string(),
            "name": name,
            "role": role.as_str(),
            "address": address,
            "second_factor_missing": !is_open,
            "date_created": date(opened_at),
            "date_seen": date(seen_at),
            "expires": date(expires_at),
        })
    });
}

async fn revoke_one(verify: &Verify, session: SessionId) -> anyhow::Result<()> {
    match verify.revoke_session(session).await {
        Err(VerifyError::NotFound) => bail!("there is no session {session}"),
        ended => Ok(ended?),
    }
}

fn revoked(listing: Listing, count: usize) {
    let line = || match count {
        1 => "1 session has ended".to_owned(),
        count => format!("{count} sessions have ended"),
    };
    print(listing, line, || json!({ "ended": count }));
}
