//! The facts that an attempt needs: read right before it, or by the command that causes it.

use countersign_domain::challenge::ChallengeLifecycle;
use countersign_domain::delivery::Lease;
use countersign_domain::prompt_manner::PromptManner;
use countersign_domain::prospect::{ChallengeFacts, Prospect, Target};
use countersign_domain::sid::ChallengeSid;
use countersign_domain::text::Message;
use countersign_store_sql::cells::RowResult;
use countersign_store_sql::manner_columns;
use countersign_store_sql::rows;
use countersign_store_sql::rows::targets::target;
use rusqlite::{Connection, Row, params};

use crate::cells::cells_of;
use crate::error::DatabaseError;
use crate::statement::{exists, living, one, statements};

/// The end of the lease identifies it: a lease that was lost and taken again has another end.
macro_rules! lease_holds {
    () => {
        "SELECT ordinal FROM deliveries WHERE challenge_sid = ?1 AND notification_sid = ?2 \
         AND state = 'leased' AND node = ?3 AND wake_at = ?4"
    };
}

/// Backwards from the newest, which is nearly always the one looked for.
macro_rules! has_no_ending {
    () => {
        "SELECT 1 FROM notifications WHERE challenge_sid = ?1 AND sid = ?2 AND ending IS NULL ORDER BY ordinal DESC"
    };
}

/// Whether the lease holds, by `$lease_holds`, and what [`ChallengeProspect::read`] takes; no row if the challenge is gone.
macro_rules! outlook {
    ($lease_holds:expr) => {
        concat!(
            "SELECT ",
            $lease_holds,
            ", c.state, c.answered_at, c.ended_by, c.expires_at, c.message, ", manner_columns!(), ", f.account_sid, f.service_sid, f.platform, f.token, f.app_id, s.settings \
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
    /// For a lease that begins with this command.
    OUTLOOK = outlook!("true");
}

/// Where a challenge of a living entity stands, and where its factor is reached.
pub(crate) struct ChallengeProspect {
    pub(crate) standing: ChallengeLifecycle,
    lease_holds: bool,
    message: Option<Message>,
    manner: PromptManner,
    /// `None` if the factor does not exist.
    pub(crate) target: Option<Target>,
}

impl ChallengeProspect {
    fn read(row: &Row<'_>) -> RowResult<Self> {
        let mut cells = cells_of(row, "deliveries");
        let lease_holds = cells.take()?;
        let mut cells = cells.next_table("challenges");
        let standing = rows::challenges::standing(&mut cells)?;
        let message = cells.parse(|text| Some(Message::parse(text).ok()))?;
        let manner = rows::challenges::manner(&mut cells)?;
        let target = target(cells)?;
        Ok(Self { standing, lease_holds, message, manner, target })
    }

    /// Converts it into what an attempt must know.
    pub(crate) fn prospect(self) -> Result<Prospect, DatabaseError> {
        let message =
            self.message.ok_or_else(|| DatabaseError::Corrupt("challenges.message".into()))?;
        let challenge =
            Some(ChallengeFacts { state: self.standing.state, message, manner: self.manner });
        Ok(Prospect { lease_holds: self.lease_holds, challenge, factor: self.target })
    }
}

/// Reads the outlook of a challenge, for a lease that begins with this command.
pub(crate) fn outlook(
    db: &Connection,
    challenge: ChallengeSid,
) -> Result<Option<ChallengeProspect>, DatabaseError> {
    one(db, OUTLOOK, [challenge.as_bytes()], ChallengeProspect::read)
}

/// Reads the prospects of several leases in one transaction: beginning a transaction costs as much as one of the reads.
pub(crate) fn read(db: &Connection, leases: &[Lease]) -> Result<Vec<Prospect>, DatabaseError> {
    let transaction = db.unchecked_transaction()?;
    let prospects = leases.iter().map(|lease| read_one(db, lease)).collect();
    transaction.finish()?;
    prospects
}

fn read_one(db: &Connection, lease: &Lease) -> Result<Prospect, DatabaseError> {
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
    if let Some(outlook) = one(db, whole, key, ChallengeProspect::read)? {
        return outlook.prospect();
    }
    let lease_holds = exists(db, lease_alone, key)?;
    Ok(Prospect { lease_holds, challenge: None, factor: None })
}
