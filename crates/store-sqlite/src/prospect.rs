//! What an attempt must know, read afresh right before it.

use countersign_domain::address::Platform;
use countersign_domain::delivery::{Lease, Prospect, Target};
use countersign_domain::service::ServiceSettings;
use countersign_domain::sid::{AccountSid, ServiceSid};
use countersign_domain::text::{AppId, Message};
use rusqlite::{Connection, params};

use crate::cells::Cells;
use crate::rows;
use crate::statement::{exists, living, one, statements};
use crate::trouble::Trouble;

statements! {
    /// The instant is part of the lease: one that was lost and taken again is another one.
    LEASE_HOLDS = "SELECT ordinal FROM deliveries WHERE challenge_sid = ?1 AND notification_sid = ?2 \
                   AND state = 'leased' AND node = ?3 AND wake_at = ?4";
    /// From the newest backwards, since it is nearly always the newest that is looked for.
    HAS_NO_ENDING = "SELECT 1 FROM notifications WHERE challenge_sid = ?1 AND sid = ?2 AND ending IS NULL \
                     ORDER BY ordinal DESC";
    READ = concat!(
        "SELECT c.state, c.answered_at, c.message, f.account_sid, f.service_sid, f.platform, f.token, f.app_id, \
         s.settings FROM challenges c", living!("c"),
        "LEFT JOIN factors f ON f.entity_sid = c.entity_sid AND f.sid = c.factor_sid WHERE c.sid = ?1"
    );
}

/// Reads it; the settings of the service only where its credential is needed.
pub(crate) fn read(db: &Connection, lease: &Lease) -> Result<Prospect, Trouble> {
    let delivery = &lease.delivery;
    let (challenge, notification) =
        (delivery.challenge.as_bytes(), delivery.notification.as_bytes());
    let lease_holds = if delivery.once {
        exists(db, HAS_NO_ENDING, [challenge, notification])?
    } else {
        let params = params![challenge, notification, lease.node.0, lease.until.as_micros()];
        exists(db, LEASE_HOLDS, params)?
    };
    let found = one(db, READ, [challenge], |row| {
        let mut cells = Cells::of(row, "challenges");
        let state = rows::challenge_state(&mut cells)?;
        let message = cells.parse(|text| Message::parse(text).ok())?;
        let cells = cells.then("factors");
        let target = if cells.is_null() { None } else { Some(target(cells)?) };
        Ok(((state, message), target))
    })?;
    let (challenge, factor) = found.unzip();
    Ok(Prospect { lease_holds, challenge, factor: factor.flatten() })
}

fn target(mut cells: Cells<'_, '_>) -> Result<Target, Trouble> {
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
