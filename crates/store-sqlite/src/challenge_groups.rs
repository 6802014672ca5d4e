//! Groups of challenges.

use async_trait::async_trait;
use countersign_domain::backchannel::BackchannelRequest;
use countersign_domain::challenge::Challenge;
use countersign_domain::challenge_group::ChallengeGroup;
use countersign_domain::sid::{ChallengeGroupSid, EntitySid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_store::error::StoreResult;
use countersign_store::page::{Page, PageQuery};
use countersign_store::seam::{ChallengeGroups, GroupOpened, Opening};
use countersign_store_sql::paging::keyed;
use countersign_store_sql::rows::challenges::NewChallenge;
use countersign_store_sql::{challenge_columns, rows};
use rusqlite::{Connection, params};

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::opening::Open;
use crate::paging::{Listing, downwards, upwards};
use crate::pauses::Judged;
use crate::statement::{all, execute, living, statements};
use crate::store::SqliteStore;
use crate::{backchannel, events};

statements! {
    INSERT = "INSERT INTO challenge_groups (sid, entity_sid, last_sid) VALUES (?1, ?2, ?3)";
    UP = upwards!("sid"; "SELECT sid FROM challenge_groups WHERE entity_sid = ?1");
    DOWN = downwards!("sid"; "SELECT sid FROM challenge_groups WHERE entity_sid = ?1");
    /// By the index of the entity's challenges.
    CHALLENGES = concat!(
        "SELECT ", challenge_columns!(), " FROM challenge_groups g CROSS JOIN challenges c ON c.entity_sid = g.entity_sid ",
        "AND c.sid >= g.sid AND c.sid <= g.last_sid AND c.group_sid = g.sid ", living!("c"),
        "WHERE g.sid = ?1 ORDER BY c.sid"
    );
}

fn read(db: &Connection, sid: ChallengeGroupSid) -> Result<Option<ChallengeGroup>, DatabaseError> {
    let challenges = all(db, CHALLENGES, [sid.as_bytes()], |row| {
        rows::challenges::challenge(&mut cells_of(row, "challenges"))
    })?;
    Ok(ChallengeGroup::of(challenges))
}

/// Opens the challenges of a group.
struct OpenGroup(Vec<Open>, Option<BackchannelRequest>);

impl OpenGroup {
    fn challenges(&self) -> impl DoubleEndedIterator<Item = &Challenge> {
        self.0.iter().map(|open| &open.0.opening.challenge)
    }

    fn insert(&self, db: &Connection, is_quiet: bool) -> Result<(), DatabaseError> {
        let Some((first, last)) = self.challenges().next().zip(self.challenges().next_back())
        else {
            return Ok(());
        };
        let entity = first.owner.entity.as_bytes();
        execute(db, INSERT, params![first.sid.as_bytes(), entity, last.sid.as_bytes()])?;
        self.0.iter().try_for_each(|open| open.insert(db, is_quiet))?;
        events::watch_expiry(db, first)
    }
}

impl Command for OpenGroup {
    type Output = GroupOpened;

    fn run(&self, db: &Connection) -> Result<GroupOpened, DatabaseError> {
        let mut is_any_quiet = false;
        for open in &self.0 {
            match open.judge(db)? {
                Judged::Open { is_quiet } => is_any_quiet |= is_quiet,
                Judged::Refused(why) => {
                    let factor = open.0.opening.challenge.factor;
                    return Ok(GroupOpened::Refused { factor, why });
                }
            }
        }
        if let (Some(request), Some(first)) = (&self.1, self.challenges().next())
            && !backchannel::insert(db, request, first.expires_at)?
        {
            return Ok(GroupOpened::Repeated);
        }
        self.insert(db, is_any_quiet)?;
        Ok(GroupOpened::Done)
    }
}

#[async_trait]
impl ChallengeGroups for SqliteStore {
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
        let found = self.read(|db| read(db, sid))?;
        Ok(found.filter(|group| group.is_at(service, identity)))
    }

    async fn challenge_groups(
        &self,
        entity: EntitySid,
        page: PageQuery<ChallengeGroupSid>,
    ) -> StoreResult<Page<ChallengeGroup>> {
        let query = keyed(page, |sid| *sid.as_bytes());
        let listing = Listing { up: UP, down: DOWN, owner: entity.as_bytes(), filters: &[] };
        self.read(|db| {
            let sid = |row: &rusqlite::Row<'_>| {
                cells_of(row, "challenge_groups").map(ChallengeGroupSid::from_bytes)
            };
            let found = listing.page(db, query, sid, |sid| *sid.as_bytes())?;
            let groups: Result<Vec<_>, _> = found.items.iter().map(|sid| read(db, *sid)).collect();
            let items = groups?.into_iter().flatten().collect();
            Ok(Page { items, has_previous: found.has_previous, has_next: found.has_next })
        })
    }
}
