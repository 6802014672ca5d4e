//! The statements that count challenges, and that search challenges, people and devices.

use std::time::Duration;

use countersign_domain::factor::FactorType;
use countersign_domain::service::Service;
use countersign_domain::sid::{AccountSid, ChallengeSid, EntitySid, FactorSid};
use countersign_domain::summary::{Grain, count};
use countersign_store::conformance::Fixture;
use countersign_store::page::Order;
use countersign_store::seam::{
    AttemptFilter, Stretch, SummaryCursor, SummaryQuery, SummaryStep, TimelineFilter,
};

/// Counts a challenge, and reads the sums.
pub(crate) async fn count_something(fixture: &Fixture, service: &Service) {
    let (store, now) = (&fixture.store, fixture.now());
    for cursor in SummaryCursor::all() {
        let from = store.summary_cursor(cursor).await.unwrap();
        let begin = ChallengeSid::least(cursor.kind, now - Duration::from_secs(60));
        let end = ChallengeSid::least(cursor.kind, fixture.later(1));
        let found = store.challenges_to_count(begin, end, 10).await.unwrap();
        let challenges: Vec<_> = found.into_iter().filter_map(|(_, found)| found).collect();
        let step =
            SummaryStep { cursor, from, to: begin, counts: count(&challenges, cursor.stage) };
        assert_eq!(store.add_summary(&step).await, Ok(true));
    }
    for (grain, of) in [(Grain::Hour, None), (Grain::Day, Some(service.sid))] {
        let query = SummaryQuery {
            account: service.account,
            grain,
            from: now - Duration::from_secs(3_600),
            service: of,
        };
        store.summaries(query).await.unwrap();
        store.service_summaries(query).await.unwrap();
    }
}

/// Searches the challenges up to `challenge` by each kind of filter, and people and devices.
pub(crate) async fn search(fixture: &Fixture, account: AccountSid, challenge: ChallengeSid) {
    let (store, now) = (&fixture.store, fixture.now());
    let from = ChallengeSid::least(FactorType::Push, now - Duration::from_secs(60));
    let attempt = AttemptFilter { platform: Some("apn".into()), ..AttemptFilter::default() };
    for attempt in [AttemptFilter::default(), attempt] {
        let filter = TimelineFilter { attempt, ..TimelineFilter::default() };
        for order in [Order::Ascending, Order::Descending] {
            let stretch = Stretch { from, to: challenge.next(), order, rows: 100, most: 10 };
            store.timeline(account, &filter, stretch, now).await.unwrap();
        }
    }
    let range = EntitySid::range_of_prefix("YE0").unwrap();
    store.entities_by_identity(account, "a", 10).await.unwrap();
    store.entities_by_sid(account, range, 10).await.unwrap();
    store.factors_by_name(account, "a", 10).await.unwrap();
    store.factors_by_sid(account, FactorSid::range_of_prefix("YF0").unwrap(), 10).await.unwrap();
}
