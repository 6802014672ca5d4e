//! The webhooks with due calls that a look visits.

use countersign_domain::call_permits::MAX_IN_FLIGHT;
use countersign_domain::sid::{AccountSid, ServiceSid, WebhookSid};
use countersign_store::seam::{CallsWanted, WEBHOOKS_PER_LOOK};
use countersign_store_sql::cells::RowResult;
use countersign_store_sql::values::limit;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::cells::cells_of;
use crate::error::DatabaseError;
use crate::params::{id, params};
use crate::session::Session;
use crate::statement::all;

/// The webhooks behind `$1`, up to `$2`, with due calls: how many of their calls are leased, whether any is due by now, and their account
/// if they may be called.
const WAITING: &str = "WITH RECURSIVE passed (webhook_sid, service_sid, number) AS ((SELECT webhook_sid, service_sid, 1 \
     FROM webhook_calls WHERE state = 'due' AND webhook_sid > $1 AND webhook_sid <= $2 ORDER BY webhook_sid LIMIT 1) \
     UNION ALL SELECT next.webhook_sid, next.service_sid, passed.number + 1 FROM passed CROSS JOIN LATERAL \
     (SELECT webhook_sid, service_sid FROM webhook_calls WHERE state = 'due' AND webhook_sid > passed.webhook_sid \
     AND webhook_sid <= $2 ORDER BY webhook_sid LIMIT 1) AS next WHERE passed.number < $3) \
     SELECT passed.webhook_sid, passed.service_sid, \
     (SELECT count(*) FROM (SELECT 1 FROM webhook_calls WHERE state = 'leased' AND webhook_sid = passed.webhook_sid \
     LIMIT $5) AS leased), \
     EXISTS (SELECT 1 FROM webhook_calls WHERE state = 'due' AND webhook_sid = passed.webhook_sid AND wake_at <= $4), \
     (SELECT w.account_sid FROM webhooks w JOIN services s ON s.sid = w.service_sid \
     WHERE w.service_sid = passed.service_sid AND w.sid = passed.webhook_sid AND w.enabled) \
     FROM passed ORDER BY 1";

/// A webhook that a look visits.
pub(crate) struct Visited {
    pub(crate) webhook: WebhookSid,
    pub(crate) service: ServiceSid,
    pub(crate) in_flight: usize,
    pub(crate) is_due: bool,
    /// Its account, if the webhook may be called.
    pub(crate) account: Option<AccountSid>,
}

impl Visited {
    fn read(row: &Row) -> RowResult<Self> {
        let mut cells = cells_of(row, "webhook_calls");
        let (webhook, service) =
            (cells.map(WebhookSid::from_bytes)?, cells.map(ServiceSid::from_bytes)?);
        let in_flight = cells.take::<u32>()?;
        let is_due = cells.take()?;
        let account = cells.map_if_any(AccountSid::from_bytes)?;
        let in_flight = usize::try_from(in_flight).unwrap_or(MAX_IN_FLIGHT);
        Ok(Self { webhook, service, in_flight, is_due, account })
    }
}

/// The webhooks with due calls, from the last turn on and around, and whether these are all.
pub(crate) async fn waiting(
    db: &Session,
    wanted: &CallsWanted,
) -> Result<(Vec<Visited>, bool), DatabaseError> {
    let (turn, now) = (id(wanted.turn.as_bytes()), wanted.now.as_micros());
    let mut passed = Vec::new();
    for (after, until) in [(turn, Uuid::max()), (Uuid::nil(), turn)] {
        let most = limit(WEBHOOKS_PER_LOOK - passed.len());
        let asked = params![after, until, most, now, limit(MAX_IN_FLIGHT)];
        passed.extend(all(db, WAITING, asked, Visited::read).await?);
        if passed.len() >= WEBHOOKS_PER_LOOK {
            return Ok((passed, false));
        }
    }
    Ok((passed, true))
}
