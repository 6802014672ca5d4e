//! What an attempt must know, read afresh right before it.

use countersign_domain::address::Platform;
use countersign_domain::challenge::ChallengeState;
use countersign_domain::delivery::{Lease, Prospect, Target};
use countersign_domain::service::ServiceSettings;
use countersign_domain::sid::{AccountSid, ServiceSid};
use countersign_domain::text::{AppId, Message};
use tokio_postgres::Row;

use crate::cells::Cells;
use crate::database::Session;
use crate::params::{id, params};
use crate::rows;
use crate::statement::{factor_of, living};
use crate::trouble::Trouble;

/// The instant is part of the lease: one that was lost and taken again is another one.
const LEASE_HOLDS: &str = "SELECT 1 FROM deliveries WHERE challenge_sid = $1 AND notification_sid = $2 \
                           AND state = 'leased' AND node = $3 AND wake_at = $4";
const HAS_NO_ENDING: &str =
    "SELECT 1 FROM notifications WHERE challenge_sid = $1 AND sid = $2 AND ending IS NULL";
const READ: &str = concat!(
    "SELECT c.state, c.answered_at, c.message, f.account_sid, f.service_sid, f.platform, f.token, f.app_id, \
     owner.settings FROM challenges c",
    living!("c"),
    factor_of!("c", "factors" as "f"),
    "WHERE c.sid = $1"
);

/// Reads it; the settings of the service only where its credential is needed.
pub(crate) async fn read(db: &Session, lease: &Lease) -> Result<Prospect, Trouble> {
    let delivery = &lease.delivery;
    let challenge = id(delivery.challenge.as_bytes());
    let notification = id(delivery.notification.as_bytes());
    let read = (READ, params![challenge] as _);
    let [held, found] = if delivery.once {
        db.query_all([(HAS_NO_ENDING, params![challenge, notification]), read]).await?
    } else {
        let (node, until) = (id(&lease.node.0), lease.until.as_micros());
        let key = params![challenge, notification, node, until];
        db.query_all([(LEASE_HOLDS, key), read]).await?
    };
    let (challenge, factor) = found.first().map(told).transpose()?.unzip();
    Ok(Prospect { lease_holds: !held.is_empty(), challenge, factor: factor.flatten() })
}

type Told = ((ChallengeState, Message), Option<Target>);

fn told(row: &Row) -> Result<Told, Trouble> {
    let mut cells = Cells::of(row, "challenges");
    let state = rows::challenge_state(&mut cells)?;
    let message = cells.parse(|text| Message::parse(text).ok())?;
    let cells = cells.then("factors");
    let target = if cells.is_null() { None } else { Some(target(cells)?) };
    Ok(((state, message), target))
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
