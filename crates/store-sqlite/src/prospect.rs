//! What an attempt must know: read right before it, or by the command that causes it.

use countersign_domain::address::Platform;
use countersign_domain::challenge::ChallengeLifecycle;
use countersign_domain::delivery::Lease;
use countersign_domain::prospect::{Prospect, Target};
use countersign_domain::service::ServiceSettings;
use countersign_domain::sid::{AccountSid, ChallengeSid, ServiceSid};
use countersign_domain::text::{AppId, Message};
use rusqlite::{Connection, Row, params};

use crate::cells::Cells;
use crate::rows;
use crate::statement::{exists, living, one, statements};
use crate::trouble::Trouble;

/// The instant is part of the lease: one that was lost and taken again is another one.
macro_rules! lease_holds {
    () => {
        "SELECT ordinal FROM deliveries WHERE challenge_sid = ?1 AND notification_sid = ?2 \
         AND state = 'leased' AND node = ?3 AND wake_at = ?4"
    };
}

/// From the newest backwards, since it is nearly always the newest that is looked for.
macro_rules! has_no_ending {
    () => {
        "SELECT 1 FROM notifications WHERE challenge_sid = ?1 AND sid = ?2 AND ending IS NULL ORDER BY ordinal DESC"
    };
}

/// Whether the lease holds, by `$lease_holds`, and what [`Outlook::read`] takes; no row if the challenge is gone.
macro_rules! outlook {
    ($lease_holds:expr) => {
        concat!(
            "SELECT ",
            $lease_holds,
            ", c.state, c.answered_at, c.expires_at, c.message, f.account_sid, f.service_sid, f.platform, f.token, f.app_id, s.settings \
             FROM challenges c",
            living!("c"),
            "LEFT JOIN factors f ON f.entity_sid = c.entity_sid AND f.sid = c.factor_sid WHERE c.sid = ?1"
        )
    };
}

statements! {
    LEASE_HOLDS = lease_holds!();
    HAS_NO_ENDING = has_no_ending!();
    PROSPECT = outlook!(concat!("EXISTS (", lease_holds!(), ")"));
    PROSPECT_ONCE = outlook!(concat!("EXISTS (", has_no_ending!(), ")"));
    /// For a lease that is about to begin.
    OUTLOOK = outlook!("true");
}

/// Where a challenge of a living entity stands, and where its factor is reached.
pub(crate) struct Outlook {
    pub(crate) standing: ChallengeLifecycle,
    lease_holds: bool,
    message: Option<Message>,
    /// `None` if the factor is gone.
    pub(crate) target: Option<Target>,
}

impl Outlook {
    fn read(row: &Row<'_>) -> Result<Self, Trouble> {
        let mut cells = Cells::of(row, "deliveries");
        let lease_holds = cells.take()?;
        let mut cells = cells.then("challenges");
        let standing = rows::standing(&mut cells)?;
        let message = cells.parse(|text| Some(Message::parse(text).ok()))?;
        let cells = cells.then("factors");
        let target = if cells.is_null() { None } else { Some(target(cells)?) };
        Ok(Self { standing, lease_holds, message, target })
    }

    /// What an attempt must know.
    pub(crate) fn prospect(self) -> Result<Prospect, Trouble> {
        let message = self.message.ok_or_else(|| Trouble::Corrupt("challenges.message".into()))?;
        let challenge = Some((self.standing.state, message));
        Ok(Prospect { lease_holds: self.lease_holds, challenge, factor: self.target })
    }
}

/// That of a challenge, for a lease that is about to begin.
pub(crate) fn outlook(
    db: &Connection,
    challenge: ChallengeSid,
) -> Result<Option<Outlook>, Trouble> {
    one(db, OUTLOOK, [challenge.as_bytes()], Outlook::read)
}

/// Reads it for several in one transaction: to begin one costs as much as to read for one.
pub(crate) fn read(db: &Connection, leases: &[Lease]) -> Result<Vec<Prospect>, Trouble> {
    let transaction = db.unchecked_transaction()?;
    let prospects = leases.iter().map(|lease| read_one(db, lease)).collect();
    transaction.finish()?;
    prospects
}

/// The settings of the service only where its credential is needed.
fn read_one(db: &Connection, lease: &Lease) -> Result<Prospect, Trouble> {
    let delivery = &lease.delivery;
    let (challenge, notification) =
        (delivery.challenge.as_bytes(), delivery.notification.as_bytes());
    let once = params![challenge, notification];
    let leased = params![challenge, notification, lease.node.0, lease.until.as_micros()];
    let (whole, lease_alone, key) = if delivery.once {
        (PROSPECT_ONCE, HAS_NO_ENDING, once)
    } else {
        (PROSPECT, LEASE_HOLDS, leased)
    };
    if let Some(outlook) = one(db, whole, key, Outlook::read)? {
        return outlook.prospect();
    }
    let lease_holds = exists(db, lease_alone, key)?;
    Ok(Prospect { lease_holds, challenge: None, factor: None })
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
