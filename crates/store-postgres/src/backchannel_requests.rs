//! The statements about requests of clients that commands about challenges run.

use countersign_domain::backchannel::BackchannelRequest;
use countersign_domain::secret::Sealed;
use countersign_domain::sid::ChallengeGroupSid;
use countersign_domain::time::Instant;

use crate::error::DatabaseError;
use crate::params::{column, id, params};
use crate::session::Session;

const INSERT: &str = "INSERT INTO backchannel_requests (id, account_sid, service_sid, integration_sid, identity, group_sid, created_at, \
                      deadline, call, wake_at, attempts) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0) ON CONFLICT DO NOTHING";
/// When the questions are answered.
const WAKE: &str = "UPDATE backchannel_requests b SET wake_at = a.at FROM unnest($1, $2) AS a (sid, at) \
                    WHERE b.group_sid = a.sid AND b.wake_at > a.at AND b.group_sid = ANY ($1)";

/// Has the clients called whose questions were answered.
pub(crate) async fn wake(
    db: &Session,
    answered: &[(ChallengeGroupSid, Instant)],
) -> Result<(), DatabaseError> {
    if answered.is_empty() {
        return Ok(());
    }
    let groups = column(answered, |(group, _)| id(group.as_bytes()));
    let instants = column(answered, |(_, at)| at.as_micros());
    db.execute(WAKE, params![groups, instants]).await.map(drop)
}

/// Stores the request that a group is opened for. Its client is called at `ends_at` unless the group is answered before.
/// Returns whether there was none with its id.
pub(crate) async fn insert(
    db: &Session,
    new: &BackchannelRequest,
    ends_at: Instant,
) -> Result<bool, DatabaseError> {
    let row = params![
        id(&new.id.0),
        id(new.account.as_bytes()),
        id(new.service.as_bytes()),
        id(new.integration.as_bytes()),
        new.identity.as_str(),
        id(new.group.as_bytes()),
        new.created_at.as_micros(),
        new.deadline.as_micros(),
        new.call.as_ref().map(Sealed::as_bytes),
        new.call.as_ref().map(|_| ends_at.as_micros()),
    ];
    Ok(db.execute(INSERT, row).await? > 0)
}
