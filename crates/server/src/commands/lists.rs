//! The parts that all listings share: pages, lines for people or as JSON, and the accounts of a listing.

use countersign_domain::sid::{AccountSid, ServiceSid};
use countersign_store::{Cursor, Page, PageQuery, Side};
use countersign_verify::{Verify, VerifyError};
use serde_json::Value;

use crate::cli::Listing;

/// Rows of a page.
pub(super) const PAGE: u16 = 500;

/// Reads all items of a list, page by page.
pub(super) async fn all<T, S, F>(
    size: u16,
    read: impl Fn(PageQuery<S>) -> F,
    sid: impl Fn(&T) -> S,
) -> anyhow::Result<Vec<T>>
where
    F: Future<Output = countersign_verify::VerifyResult<Page<T>>>,
{
    let mut items = Vec::new();
    let mut query = PageQuery::first(size);
    loop {
        let page = read(query).await?;
        items.extend(page.items);
        let Some(last) = items.last().filter(|_| page.has_next) else { return Ok(items) };
        query = PageQuery {
            cursor: Some(Cursor { sid: sid(last), side: Side::After }),
            ..PageQuery::first(size)
        };
    }
}

/// Prints an item, as a line for people or as one of JSON.
pub(super) fn print(
    listing: Listing,
    human: impl FnOnce() -> String,
    json: impl FnOnce() -> Value,
) {
    if listing.json {
        println!("{}", json());
    } else {
        println!("{}", human());
    }
}

/// The account that owns a service.
pub(super) async fn owner(verify: &Verify, service: ServiceSid) -> anyhow::Result<AccountSid> {
    let accounts = all(PAGE, |page| verify.list_accounts(page), |account| account.sid).await?;
    for account in accounts {
        match verify.service(account.sid, service).await {
            Err(VerifyError::NotFound) => {}
            found => return Ok(found?.account),
        }
    }
    anyhow::bail!("there is no {service}")
}

/// The accounts that a listing is about: the one that is named, the one of the service, or all.
pub(super) async fn accounts(
    verify: &Verify,
    account: Option<AccountSid>,
    service: Option<ServiceSid>,
) -> anyhow::Result<Vec<AccountSid>> {
    if let Some(service) = service {
        let owner = owner(verify, service).await?;
        anyhow::ensure!(
            account.is_none_or(|account| account == owner),
            "{service} belongs to another account: {owner}"
        );
        return Ok(vec![owner]);
    }
    if let Some(account) = account {
        return match verify.account(account).await {
            Err(VerifyError::NotFound) => anyhow::bail!("there is no {account}"),
            found => Ok(vec![found?.sid]),
        };
    }
    let accounts = all(PAGE, |page| verify.list_accounts(page), |account| account.sid).await?;
    Ok(accounts.into_iter().map(|account| account.sid).collect())
}
