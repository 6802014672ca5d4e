//! Webhooks.

use countersign_domain::sid::{AccountSid, ServiceSid, WebhookSid};
use countersign_domain::text::FriendlyName;
use countersign_domain::time::Instant;
use countersign_domain::webhook::{Webhook, WebhookUrl};

use crate::cells::{Cells, RowResult, SqlRow};

/// The columns of [`webhook`], of the table alias `w`.
#[macro_export]
macro_rules! webhook_columns {
    () => {
        "w.sid, w.account_sid, w.service_sid, w.friendly_name, w.event_types, w.url, w.enabled, w.version, \
         w.created_at, w.updated_at"
    };
}

/// Reads a webhook. Event types of a newer release are left out: its nodes handle them.
///
/// # Errors
/// A cell is corrupt.
pub fn webhook<R: SqlRow>(cells: &mut Cells<R>) -> RowResult<Webhook> {
    Ok(Webhook {
        sid: cells.map(WebhookSid::from_bytes)?,
        account: cells.map(AccountSid::from_bytes)?,
        service: cells.map(ServiceSid::from_bytes)?,
        friendly_name: cells.parse(|text| FriendlyName::parse(text).ok())?,
        event_types: cells.parse(|words| {
            Some(words.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect())
        })?,
        url: cells.parse(|text| WebhookUrl::from_stored(text).ok())?,
        enabled: cells.take()?,
        version: cells.parse(|word| word.parse().ok())?,
        created_at: cells.map(Instant::from_micros)?,
        updated_at: cells.map(Instant::from_micros)?,
    })
}
