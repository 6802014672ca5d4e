//! The facts that an attempt needs: read right before it, or by the command that causes it.

use countersign_domain::challenge::ChallengeState;
use countersign_domain::delivery::Lease;
use countersign_domain::prospect::{ChallengeFacts, Prospect};
use countersign_domain::text::Message;
use countersign_store_sql::cells::RowResult;
use countersign_store_sql::rows;
use countersign_store_sql::rows::targets::target;
use tokio_postgres::Row;

use crate::cells::{Cells, cells_of};
use crate::error::DatabaseError;
use crate::params::{column, id, params, span};
use crate::session::Session;
use crate::statement::{all, factor_of, living};

/// The columns of [`prospect_of`], of a challenge `c`, its factor `f` and its `owner`.
macro_rules! prospect_columns {
    () => {
        concat!(
            "c.message, ",
            countersign_store_sql::manner_columns!(),
            ", f.account_sid, f.service_sid, f.platform, f.token, f.app_id, owner.settings"
        )
    };
}
pub(crate) use prospect_columns;

/// The end of the lease identifies it: a lease that was lost and taken again has another end. A delivery with `Ttl=0` has no lease. `$5`
/// and `$6` are the span of the challenges.
///
/// Only leased deliveries have a node. A condition on the state would allow a plan that reads all leased deliveries.
const READ: &str = concat!(
    "SELECT CASE WHEN u.until IS NULL THEN EXISTS (SELECT 1 FROM notifications WHERE challenge_sid = u.challenge_sid \
     AND challenge_sid BETWEEN $5 AND $6 AND sid = u.notification_sid AND ending IS NULL) \
     ELSE EXISTS (SELECT 1 FROM deliveries WHERE challenge_sid = u.challenge_sid AND notification_sid = u.notification_sid \
     AND node = u.node AND wake_at = u.until) END, o.* \
     FROM unnest($1, $2, $3, $4) WITH ORDINALITY AS u (challenge_sid, notification_sid, node, until, place) \
     LEFT JOIN LATERAL (SELECT c.state, c.answered_at, c.ended_by, ",
    prospect_columns!(),
    " FROM challenges c",
    living!("c"),
    factor_of!("c", "factors" as "f"),
    "WHERE c.sid = u.challenge_sid AND c.sid BETWEEN $5 AND $6 OFFSET 0) AS o ON true ORDER BY u.place"
);

/// Reads the prospects of several leases, in their order.
pub(crate) async fn read(db: &Session, leases: &[Lease]) -> Result<Vec<Prospect>, DatabaseError> {
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

fn prospect(row: &Row) -> RowResult<Prospect> {
    let mut cells = cells_of(row, "deliveries");
    let lease_holds = cells.take()?;
    let mut cells = cells.next_table("challenges");
    if cells.is_null() {
        return Ok(Prospect { lease_holds, challenge: None, factor: None });
    }
    let state = rows::challenges::challenge_state(&mut cells)?;
    Ok(Prospect { lease_holds, ..prospect_of(cells, state)? })
}

/// Reads the prospect of a challenge in that state, for a lease that holds: the cells of `prospect_columns!`.
pub(crate) fn prospect_of(mut cells: Cells<'_>, state: ChallengeState) -> RowResult<Prospect> {
    let message = cells.parse(|text| Message::parse(text).ok())?;
    let manner = rows::challenges::manner(&mut cells)?;
    let challenge = Some(ChallengeFacts { state, message, manner });
    Ok(Prospect { lease_holds: true, challenge, factor: target(cells)? })
}
