//! The timeline of an account: its challenges by filter, page by page, and the search for people and devices.
//!
//! A page is searched in steps, each of which reads a bounded number of challenges of both types. If few of them fit, the page ends
//! before it is full, and says how far the search came.

use std::time::Duration;

use countersign_domain::challenge::Challenge;
use countersign_domain::entity::Entity;
use countersign_domain::factor::FactorType;
use countersign_domain::sid::{AccountSid, ChallengeSid, EntitySid, FactorSid};
use countersign_domain::text::Identity;
use countersign_domain::time::Instant;
use countersign_store::Order;
use countersign_store::seam::{FoundFactor, Searched, Stretch, TimelineFilter};

use crate::error::VerifyResult;
use crate::verify::Verify;

/// Challenges of each type that one step reads at most.
const ROWS: usize = 2_500;
/// Steps of one page at most.
const STEPS: usize = 8;
/// Services in which an identity is found at most.
const MAX_SERVICES: usize = 1_000;
/// No further step starts after this time.
const BUDGET: Duration = Duration::from_millis(60);
/// How far back a list of challenges reaches. No retention is longer.
const LONGEST_RETENTION: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// A node's clock may be ahead by less than this.
const AHEAD: Duration = Duration::from_secs(60);

/// Where a page of the timeline lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// At the newest challenge.
    Newest,
    /// The challenges that are older than this one.
    OlderThan(ChallengeSid),
    /// The challenges that are newer than this one; of many, the oldest.
    NewerThan(ChallengeSid),
}

/// A page of the timeline that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineQuery {
    /// Which challenges are shown.
    pub filter: TimelineFilter,
    /// Only those created at or after this time.
    pub since: Option<Instant>,
    /// Only those created before this time.
    pub until: Option<Instant>,
    /// Where the page lies.
    pub place: Place,
    /// The most challenges: at least one.
    pub size: usize,
}

/// The cursors of a page, in the direction in which it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Nothing.
    Nothing,
    /// More challenges behind this one, the last of the page.
    More(ChallengeSid),
    /// Perhaps more: the search ended at this challenge, which it has read.
    Unread(ChallengeSid),
}

/// A page of the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelinePage {
    /// Newest first.
    pub items: Vec<Challenge>,
    /// The next page.
    pub rest: Rest,
}

/// The part of the timeline that is still to be searched, and what was found so far.
struct Walk {
    from: ChallengeSid,
    to: ChallengeSid,
    order: Order,
    size: usize,
    found: Vec<Challenge>,
    /// The last challenge that was read, unless there is nothing behind it.
    ended_at: Option<ChallengeSid>,
}

impl Walk {
    fn new(query: &TimelineQuery, now: Instant) -> Self {
        let least = |at| ChallengeSid::least(FactorType::Push, at);
        let since = query.since.unwrap_or(now - LONGEST_RETENTION).max(now - LONGEST_RETENTION);
        let mut from = least(since);
        let mut to = least(query.until.unwrap_or(now + AHEAD).min(now + AHEAD));
        let mut order = Order::Descending;
        match query.place {
            Place::Newest => {}
            Place::OlderThan(sid) => to = to.min(sid.with_kind(FactorType::Push)),
            Place::NewerThan(sid) => {
                order = Order::Ascending;
                from = from.max(sid.with_kind(FactorType::Push).next());
            }
        }
        Self { from, to, order, size: query.size, found: Vec::new(), ended_at: None }
    }

    fn stretch(&self, kind: FactorType) -> Stretch {
        let [from, to] = [self.from, self.to].map(|sid| sid.with_kind(kind));
        Stretch { from, to, order: self.order, rows: ROWS, most: self.size + 1 }
    }

    /// Adds what one step found. If the search of one type ended earlier than that of the other, the step counts as far as the
    /// earlier end only, so that both go on at one place.
    fn add(&mut self, both: [Searched; 2]) {
        let is_down = self.order == Order::Descending;
        let ends = both.iter().filter_map(|one| one.ended_at);
        let end =
            if is_down { ends.max_by_key(|it| it.age()) } else { ends.min_by_key(|it| it.age()) };
        let mut step: Vec<_> = both.into_iter().flat_map(|one| one.items).collect();
        step.sort_by_key(|it| it.sid.age());
        if is_down {
            step.reverse();
        }
        if let Some(end) = end {
            let is_read = |age| if is_down { age >= end.age() } else { age <= end.age() };
            step.retain(|it| is_read(it.sid.age()));
            let end = end.with_kind(FactorType::Push);
            if is_down { self.to = end } else { self.from = end.next() }
        }
        self.ended_at = end;
        self.found.append(&mut step);
    }

    fn is_over(&self) -> bool {
        self.found.len() > self.size || self.ended_at.is_none()
    }

    fn page(mut self) -> TimelinePage {
        let has_more = self.found.len() > self.size;
        self.found.truncate(self.size);
        let last = self.found.last().map(|it| it.sid).filter(|_| has_more);
        let rest = match (last, self.ended_at) {
            (Some(last), _) => Rest::More(last),
            (None, Some(end)) => Rest::Unread(end),
            (None, None) => Rest::Nothing,
        };
        if self.order == Order::Ascending {
            self.found.reverse();
        }
        TimelinePage { items: self.found, rest }
    }
}

impl Verify {
    /// Returns a page of an account's timeline.
    ///
    /// # Errors
    /// The database failed.
    pub async fn timeline(
        &self,
        account: AccountSid,
        query: &TimelineQuery,
    ) -> VerifyResult<TimelinePage> {
        let (now, began) = (self.now(), self.monotonic());
        let mut walk = Walk::new(query, now);
        for _ in 0..STEPS {
            let of = |kind| self.store.timeline(account, &query.filter, walk.stretch(kind), now);
            let step = async {
                Ok::<_, countersign_store::StoreError>([
                    of(FactorType::Push).await?,
                    of(FactorType::Totp).await?,
                ])
            };
            let step = self.reports.run(step).await?;
            walk.add(step);
            if walk.is_over() || self.monotonic() >= began + BUDGET {
                break;
            }
        }
        Ok(walk.page())
    }

    /// Returns at most `most` challenges of an account, of either type, that are older than `before`, newest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn recent_challenges(
        &self,
        account: AccountSid,
        before: Option<ChallengeSid>,
        most: usize,
    ) -> VerifyResult<TimelinePage> {
        let place = before.map_or(Place::Newest, Place::OlderThan);
        let filter = TimelineFilter::default();
        let query = TimelineQuery { filter, since: None, until: None, place, size: most };
        self.timeline(account, &query).await
    }

    /// Returns the challenges whose SID begins with a text, newest first, at most `most`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn challenges_by_sid(
        &self,
        account: AccountSid,
        (first, last): (ChallengeSid, ChallengeSid),
        most: usize,
    ) -> VerifyResult<Vec<Challenge>> {
        let (from, to, order) = (first, last.next(), Order::Descending);
        let stretch = Stretch { from, to, order, rows: most, most };
        let filter = TimelineFilter::default();
        let found = self.store.timeline(account, &filter, stretch, self.now());
        Ok(self.reports.run(found).await?.items)
    }

    /// Returns the entities whose identity begins with a text, at most `most`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn entities_by_identity(
        &self,
        account: AccountSid,
        beginning: &str,
        most: usize,
    ) -> VerifyResult<Vec<Entity>> {
        Ok(self.reports.run(self.store.entities_by_identity(account, beginning, most)).await?)
    }

    /// Returns the entities of an identity, at most one of each service.
    ///
    /// # Errors
    /// The database failed.
    pub async fn entities_of_identity(
        &self,
        account: AccountSid,
        identity: &Identity,
    ) -> VerifyResult<Vec<Entity>> {
        // Of all that begin with it, the identity itself comes first.
        let mut found = self.entities_by_identity(account, identity.as_str(), MAX_SERVICES).await?;
        found.retain(|entity| entity.owner.identity == *identity);
        Ok(found)
    }

    /// Returns the entities of a range of SIDs, at most `most`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn entities_by_sid(
        &self,
        account: AccountSid,
        range: (EntitySid, EntitySid),
        most: usize,
    ) -> VerifyResult<Vec<Entity>> {
        Ok(self.reports.run(self.store.entities_by_sid(account, range, most)).await?)
    }

    /// Returns the factors whose name begins with a text, at most `most`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn factors_by_name(
        &self,
        account: AccountSid,
        beginning: &str,
        most: usize,
    ) -> VerifyResult<Vec<FoundFactor>> {
        Ok(self.reports.run(self.store.factors_by_name(account, beginning, most)).await?)
    }

    /// Returns the factors of a range of SIDs, at most `most`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn factors_by_sid(
        &self,
        account: AccountSid,
        range: (FactorSid, FactorSid),
        most: usize,
    ) -> VerifyResult<Vec<FoundFactor>> {
        Ok(self.reports.run(self.store.factors_by_sid(account, range, most)).await?)
    }
}

#[cfg(test)]
mod tests {
    use countersign_testkit::Fixtures;

    use super::*;

    /// Challenges a second apart, oldest first, and a query for pages of two.
    fn challenges(count: u64) -> (Vec<Challenge>, TimelineQuery, Instant) {
        let make = Fixtures::new(3);
        let service = make.service(&make.account());
        let factor = make.factor(&make.entity(&service, &make.identity()).owner);
        let made = (0..count).map(|_| {
            make.clock.advance(Duration::from_secs(1));
            make.challenge(&factor)
        });
        let made = made.collect();
        let (filter, place) = (TimelineFilter::default(), Place::Newest);
        let query = TimelineQuery { filter, since: None, until: None, place, size: 2 };
        (made, query, make.now())
    }

    fn searched(items: &[&Challenge], ended_at: Option<ChallengeSid>) -> Searched {
        Searched { items: items.iter().map(|it| (*it).clone()).collect(), ended_at }
    }

    /// Otherwise the next page would skip what the type that ended earlier has not read.
    #[test]
    fn a_step_counts_as_far_as_both_types_were_read() {
        let (all, query, now) = challenges(5);
        let mut walk = Walk::new(&query, now);
        let code = all[1].sid.with_kind(FactorType::Totp);
        let coded = Challenge { sid: code, ..all[1].clone() };
        walk.add([searched(&[&all[4]], Some(all[3].sid)), searched(&[&coded], None)]);
        assert!(!walk.is_over());
        assert_eq!(walk.to, all[3].sid, "the next step begins where the first type ended");
        walk.add([searched(&[&all[0]], None), searched(&[&coded], None)]);
        assert!(walk.is_over());
        let page = walk.page();
        assert_eq!(page.items, [all[4].clone(), coded]);
        assert_eq!(page.rest, Rest::More(code));
    }

    #[test]
    fn a_search_that_ends_early_says_how_far_it_came() {
        let (all, query, now) = challenges(3);
        let mut walk = Walk::new(&query, now);
        walk.add([searched(&[&all[2]], Some(all[1].sid)), searched(&[], None)]);
        assert_eq!(
            walk.page(),
            TimelinePage { items: vec![all[2].clone()], rest: Rest::Unread(all[1].sid) }
        );
        let newer = TimelineQuery { place: Place::NewerThan(all[0].sid), ..query };
        let mut walk = Walk::new(&newer, now);
        walk.add([searched(&[&all[1], &all[2]], Some(all[2].sid)), searched(&[], None)]);
        assert_eq!(walk.from, all[2].sid.next());
        let page = walk.page();
        assert_eq!(page.items, [all[2].clone(), all[1].clone()], "newest first");
        assert_eq!(page.rest, Rest::Unread(all[2].sid));
    }
}
