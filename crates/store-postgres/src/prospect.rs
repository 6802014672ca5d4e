//! What an attempt must know: read right before it, or by the command that causes it.

use countersign_domain::address::Platform;
use countersign_domain::challenge::ChallengeState;
use countersign_domain::delivery::Lease;
use countersign_domain::prospect::{Prospect, Target};
use countersign_domain::service::ServiceSettings;
use countersign_domain::sid::{AccountSid, ServiceSid};
use countersign_domain::text::{AppId, Message};
use tokio_postgres::Row;

use crate::cells::Cells;
use crate::database::Session;
use crate::params::{column, id, params, span};
use crate::rows;
use crate::statement::{all, factor_of, living};
use crate::trouble::Trouble;

/// What [`told`] takes, of a challenge `c`, its factor `f` and its `owner`.
macro_rules! told_columns {
    () => {
        "c.message, f.account_sid, f.service_sid, f.platform, f.token, f.app_id, owner.settings"
    };
}
pub(crate) use told_columns;

/// The lease is told by its end: one that was lost and taken again is another one. A `Ttl=0` has none. `$5` and `$6` are the
/// span of the challenges.
///
/// Only what is leased has a node. To ask for the state as well would invite a plan that goes through all that is leased.
const READ: &str = concat!(
    "SELECT CASE WHEN u.until IS NULL THEN EXISTS (SELECT 1 FROM notifications WHERE challenge_sid = u.challenge_sid \
     AND challenge_sid BETWEEN $5 AND $6 AND sid = u.notification_sid AND ending IS NULL) \
     ELSE EXISTS (SELECT 1 FROM deliveries WHERE challenge_sid = u.challenge_sid AND notification_sid = u.notification_sid \
     AND node = u.node AND wake_at = u.until) END, o.* \
     FROM unnest($1, $2, $3, $4) WITH ORDINALITY AS u (challenge_sid, notification_sid, node, until, place) \
     LEFT JOIN LATERAL (SELECT c.state, c.answered_at, ",
    told_columns!(),
    " FROM challenges c",
    living!("c"),
    factor_of!("c", "factors" as "f"),
    "WHERE c.sid = u.challenge_sid AND c.sid BETWEEN $5 AND $6 OFFSET 0) AS o ON true ORDER BY u.place"
);

/// Reads it for several, in their order.
pub(crate) async fn read(db: &Session, leases: &[Lease]) -> Result<Vec<Prospect>, Trouble> {
    let challenges = column(leases, |lease| id(lease.delivery.challenge.as_bytes()));
    let (first, last) = span(&challenges);
    let until = |lease: &Lease| (!lease.delivery.once).then_some(lease.until.as_micros());
    let params = params![
        challenges,
        column(leases, |lease| id(lease.delivery.notification.as_bytes())),
        column(leases, |lease| id(&lease.node.0)),
        column(leases, until),
        first,
        last,
    ];
    all(db, READ, params, prospect).await
}

fn prospect(row: &Row) -> Result<Prospect, Trouble> {
    let mut cells = Cells::of(row, "deliveries");
    let lease_holds = cells.take()?;
    let mut cells = cells.then("challenges");
    if cells.is_null() {
        return Ok(Prospect { lease_holds, challenge: None, factor: None });
    }
    let state = rows::challenge_state(&mut cells)?;
    Ok(Prospect { lease_holds, ..told(cells, state)? })
}

/// That of a challenge which stands there, for a lease that holds. Seven cells.
pub(crate) fn told(mut cells: Cells<'_>, state: ChallengeState) -> Result<Prospect, Trouble> {
    let message = cells.parse(|text| Message::parse(text).ok())?;
    let cells = cells.then("factors");
    let factor = if cells.is_null() { None } else { Some(target(cells)?) };
    Ok(Prospect { lease_holds: true, challenge: Some((state, message)), factor })
}

fn target(mut cells: Cells<'_>) -> Result<Target, Trouble> {
    let account = cells.make(AccountSid::from_bytes)?;
    let service = cells.make(ServiceSid::from_bytes)?;
    let address = rows::address(&mut cells)?;
    let app_id = cells.parse(|text| AppId::parse(text).ok())?;
    let mut cells = cells.then("services");
    let mut settings = || cells.parse(|text| serde_json::from_str::<ServiceSettings>(text).ok());
    let credential = match address.platform() {
        Platform::Apn => settings()?.push.apn_credential_sid,
        Platform::Fcm => settings()?.push.fcm_credential_sid,
        Platform::WebPush | Platform::Stream | Platform::None => None,
    };
    Ok(Target { account, service, address, app_id, credential })
}
