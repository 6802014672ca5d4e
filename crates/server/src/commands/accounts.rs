//! `countersign accounts`: works beside a running server, which applies changes within ten seconds.

use anyhow::{Context as _, anyhow, ensure};
use countersign_domain::account::{Account, clean_name};
use countersign_domain::sid::AccountSid;
use countersign_verify::{Verify, VerifyError};
use serde_json::json;

use super::beside;
use super::lists::{PAGE, all, print};
use crate::cli::{Accounts, Listing};
use crate::config::Config;

pub(super) async fn run(config: &Config, command: Accounts) -> anyhow::Result<()> {
    let (verify, _) = beside::open(config).await?;
    match command {
        Accounts::Create { name } => {
            let name = clean(&name)?;
            let (account, token) = verify.create_account(&name).await?;
            println!("account_sid={}\nauth_token={}", account.sid, token.expose());
        }
        Accounts::List(listing) => list(&verify, listing).await?,
        Accounts::Rotate { account, evict: true, .. } => evict(&verify, &account).await?,
        Accounts::Rotate { account, replace, evict: false } => {
            rotate(&verify, &account, replace).await?;
        }
        Accounts::Suspend { account } => {
            let sid = parse(&account)?;
            verify.suspend_account(sid).await.map_err(explain(&account))?;
            eprintln!(
                "{sid} is suspended; a running server knows within ten seconds. countersign accounts resume {sid} ends that."
            );
        }
        Accounts::Resume { account } => {
            let sid = parse(&account)?;
            verify.resume_account(sid).await.map_err(explain(&account))?;
            eprintln!("{sid} is active; a running server knows within ten seconds.");
        }
        Accounts::Promote { account } => promote(&verify, &account).await?,
        Accounts::CreateKey { account, name } => {
            let name = clean(&name)?;
            let sid = parse(&account)?;
            let (key, secret) =
                verify.create_api_key(sid, &name).await.map_err(explain(&account))?;
            println!("api_key_sid={}\napi_key_secret={}", key.sid, secret.expose());
        }
        Accounts::ListKeys { account, listing } => {
            let sid = parse(&account)?;
            let keys = all(PAGE, |page| verify.api_keys(sid, page), |key| key.sid).await?;
            for key in keys {
                let line = || format!("{}  {}  {}", key.sid, key.created_at, key.friendly_name);
                print(listing, line, || {
                    json!({
                        "sid": key.sid.to_string(),
                        "account_sid": sid.to_string(),
                        "friendly_name": key.friendly_name,
                        "date_created": key.created_at,
                    })
                });
            }
        }
        Accounts::RevokeKey { key } => {
            let sid =
                key.parse().with_context(|| format!("{key} is not the SID of an API key (SK…)"))?;
            verify.delete_api_key(sid).await.map_err(explain(&key))?;
            eprintln!("{sid} is revoked; a running server knows within ten seconds.");
        }
    }
    Ok(())
}

async fn evict(verify: &Verify, account: &str) -> anyhow::Result<()> {
    let sid = parse(account)?;
    let token = verify.evict_tokens(sid).await.map_err(explain(account))?;
    println!("auth_token={}", token.expose());
    eprintln!(
        "This is the only token of {sid} now, and signs its webhooks; a running server refuses the others within ten seconds. API keys still work: countersign accounts list-keys {sid}"
    );
    Ok(())
}

async fn rotate(verify: &Verify, account: &str, replace: bool) -> anyhow::Result<()> {
    let sid = parse(account)?;
    let found = verify.account(sid).await.map_err(explain(account))?;
    ensure!(
        replace || found.secondary.is_none(),
        "{sid} has a secondary token, which would stop working: countersign accounts promote {sid} makes it the \
         primary one; countersign accounts rotate --replace {sid} ends it and makes another"
    );
    let token = verify.rotate_token(sid).await.map_err(explain(account))?;
    println!("secondary_auth_token={}", token.expose());
    if found.secondary.is_some() {
        eprintln!("The previous secondary token no longer works.");
    }
    eprintln!(
        "Both tokens work now. When all callers use the new one: countersign accounts promote {sid}"
    );
    Ok(())
}

async fn promote(verify: &Verify, account: &str) -> anyhow::Result<()> {
    let sid = parse(account)?;
    match verify.promote_token(sid).await {
        Err(VerifyError::Conflict) => anyhow::bail!(
            "{sid} has no secondary token: countersign accounts rotate {sid} creates one"
        ),
        promoted => promoted.map_err(explain(account))?,
    }
    eprintln!(
        "The secondary token is the primary one now and signs webhooks; the other still works, until countersign accounts rotate --replace {sid}."
    );
    Ok(())
}

/// The value of `--name` without invisible characters.
fn clean(name: &str) -> anyhow::Result<String> {
    clean_name(name).map_err(|why| anyhow!("--name {why}"))
}

/// `countersign webhooks`: lists the webhooks with failed calls, one per line.
pub(super) async fn webhooks(config: &Config, listing: Listing) -> anyhow::Result<()> {
    let (verify, _) = beside::open(config).await?;
    let failing = verify.failing_webhooks().await?;
    if failing.is_empty() {
        eprintln!("No webhook has calls that failed.");
    }
    for webhook in failing {
        let url = url::Url::parse(&webhook.url).ok();
        let host = url.as_ref().and_then(|url| url.host_str()).unwrap_or("-");
        let (sid, waiting, given_up) = (webhook.webhook, webhook.waiting, webhook.given_up);
        let last = &webhook.last_error;
        let line = || {
            let next = webhook.next_try.map_or_else(|| "-".to_owned(), |at| at.to_string());
            format!(
                "{sid}  {host}  waiting={waiting}  given_up={given_up}  next={next}  last={last}"
            )
        };
        print(listing, line, || {
            json!({
                "sid": sid.to_string(),
                "service_sid": webhook.service.to_string(),
                "host": host,
                "waiting": waiting,
                "given_up": given_up,
                "next_try": webhook.next_try,
                "last_error": last,
            })
        });
    }
    Ok(())
}

async fn list(verify: &Verify, listing: Listing) -> anyhow::Result<()> {
    let accounts: Vec<Account> =
        all(PAGE, |page| verify.list_accounts(page), |account| account.sid).await?;
    ensure!(!accounts.is_empty(), "there are no accounts: countersign accounts create creates one");
    for account in accounts {
        let Account { sid, created_at, friendly_name, suspended_at, .. } = &account;
        let has_two = account.secondary.is_some();
        let line = || {
            let tokens = if has_two { "two tokens" } else { "one token" };
            let state = if suspended_at.is_some() { "  suspended" } else { "" };
            format!("{sid}  {created_at}  {tokens}{state}  {friendly_name}")
        };
        print(listing, line, || {
            json!({
                "sid": sid.to_string(),
                "friendly_name": friendly_name,
                "tokens": if has_two { 2 } else { 1 },
                "date_created": created_at,
                "date_suspended": suspended_at,
            })
        });
    }
    Ok(())
}

fn parse(account: &str) -> anyhow::Result<AccountSid> {
    account.parse().with_context(|| format!("{account} is not the SID of an account (AC…)"))
}

fn explain(sid: &str) -> impl FnOnce(VerifyError) -> anyhow::Error {
    let sid = sid.to_owned();
    move |error| match error {
        VerifyError::NotFound => anyhow::anyhow!("there is no {sid}"),
        other => other.into(),
    }
}
