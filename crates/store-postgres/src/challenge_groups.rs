//! Groups of challenges.

use std::collections::HashMap;

use async_trait::async_trait;
use countersign_domain::backchannel::BackchannelRequest;
use countersign_domain::challenge::Challenge;
use countersign_domain::challenge_group::ChallengeGroup;
use countersign_domain::sid::{ChallengeGroupSid, EntitySid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::page::{Page, PageQuery};
use countersign_store::seam::{ChallengeGroups, GroupOpened, Opened, Opening};
use countersign_store_sql::rows::challenges::NewChallenge;
use countersign_store_sql::{challenge_columns, rows};
use tokio_postgres::Row;

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::opening::{self, Open};
use crate::paging::{Listing, by_id};
use crate::params::{column, id, params, span};
use crate::session::Session;
use crate::statement::{all, living};
use crate::store::PostgresStore;
use crate::{backchannel_requests, events};

const INSERT: &str = "INSERT INTO challenge_groups (sid, entity_sid, last_sid) VALUES ($1, $2, $3)";
const LIST: &str = "SELECT g.sid FROM challenge_groups g WHERE g.entity_sid = $1";
const CHALLENGES: &str = concat!(
    "SELECT ",
    challenge_columns!(),
    " FROM challenge_groups g CROSS JOIN LATERAL (SELECT * FROM challenges \
     WHERE entity_sid = g.entity_sid AND sid >= g.sid AND sid <= g.last_sid AND group_sid = g.sid OFFSET 0) AS c",
    living!("c"),
    "WHERE g.sid = ANY ($1) AND g.sid BETWEEN $2 AND $3 ORDER BY c.sid"
);

/// Reads groups of living entities.
async fn read(
    db: &Session,
    sids: &[ChallengeGroupSid],
) -> Result<HashMap<ChallengeGroupSid, ChallengeGroup>, DatabaseError> {
    if sids.is_empty() {
        return Ok(HashMap::new());
    }
    let sids = column(sids, |sid| id(sid.as_bytes()));
    let (first, last) = span(&sids);
    let read = |row: &Row| rows::challenges::challenge(&mut cells_of(row, "challenges"));
    let mut groups = HashMap::<_, Vec<Challenge>>::new();
    for challenge in all(db, CHALLENGES, params![sids, first, last], read).await? {
        if let Some(group) = challenge.group {
            groups.entry(group).or_default().push(challenge);
        }
    }
    let group = |(sid, challenges)| Some((sid, ChallengeGroup::of(challenges)?));
    Ok(groups.into_iter().filter_map(group).collect())
}

/// Opens the challenges of a group.
struct OpenGroup(Vec<Open>, Option<BackchannelRequest>);

#[async_trait]
impl Command for OpenGroup {
    type Output = GroupOpened;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        let times = || self.0.iter().map(|open| open.0.opening.challenge.created_at);
        times().min().zip(times().max())
    }

    async fn run(&self, db: &Session) -> Result<GroupOpened, DatabaseError> {
        let challenges = || self.0.iter().map(|open| &open.0.opening.challenge);
        let Some((first, last)) = challenges().next().zip(challenges().next_back()) else {
            return Ok(GroupOpened::Done);
        };
        let judged = opening::judge(&self.0, db).await?;
        let refused = challenges().zip(judged.results).find(|(_, why)| *why != Opened::Done);
        if let Some((challenge, why)) = refused {
            return Ok(GroupOpened::Refused { factor: challenge.factor, why });
        }
        if let Some(request) = &self.1
            && !backchannel_requests::insert(db, request, first.expires_at).await?
        {
            return Ok(GroupOpened::Repeated);
        }
        let row = params![
            id(first.sid.as_bytes()),
            id(first.owner.entity.as_bytes()),
            id(last.sid.as_bytes()),
        ];
        db.execute(INSERT, row).await?;
        let is_quiet = !judged.quiet.is_empty();
        let quiet = challenges().filter(|_| is_quiet).map(|challenge| challenge.sid).collect();
        opening::insert(db, &self.0.iter().collect::<Vec<_>>(), &quiet).await?;
        events::watch_expiry(db, &[first]).await?;
        Ok(GroupOpened::Done)
    }
}

#[async_trait]
impl ChallengeGroups for PostgresStore {
    async fn open_group(
        &self,
        openings: &[Opening],
        asked_by: Option<&BackchannelRequest>,
    ) -> StoreResult<GroupOpened> {
        let open = |opening| Ok(Open(NewChallenge::new(opening)?));
        let all: StoreResult<Vec<_>> = openings.iter().map(open).collect();
        self.write(OpenGroup(all?, asked_by.cloned())).await
    }

    async fn challenge_group(
        &self,
        service: ServiceSid,
        identity: &Identity,
        sid: ChallengeGroupSid,
    ) -> StoreResult<Option<ChallengeGroup>> {
        let found = read(&self.session().await?, &[sid]).await?.remove(&sid);
        Ok(found.filter(|group| group.is_at(service, identity)))
    }

    async fn challenge_groups(
        &self,
        entity: EntitySid,
        page: PageQuery<ChallengeGroupSid>,
    ) -> StoreResult<Page<ChallengeGroup>> {
        let db = self.session().await?;
        let list = Listing { select: LIST, key: "g.sid", params: params![id(entity.as_bytes())] };
        let sid = |row: &Row| cells_of(row, "challenge_groups").map(ChallengeGroupSid::from_bytes);
        let found = list.page(&db, by_id!(page), sid, |sid| id(sid.as_bytes())).await?;
        let mut groups = read(&db, &found.items).await?;
        let items = found.items.iter().filter_map(|sid| groups.remove(sid)).collect();
        Ok(Page { items, has_previous: found.has_previous, has_next: found.has_next })
    }
}
