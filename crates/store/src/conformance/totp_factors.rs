//! TOTP factors: their enrolment, and the effect of codes.

use countersign_domain::factor::{FactorStatus, UNVERIFIED_FOR};
use countersign_domain::text::FriendlyName;
use countersign_domain::totp::{TotpChange, TotpConfigChange, TotpFactor};
use countersign_domain::totp_code::CodeVerdict;
use tokio::task::JoinSet;

use super::fixture::{Fixture, walks};
use crate::seam::{CodeUse, Enrolled, Enrolment, TotpEnrolment, TotpUpdate};

fn shows(fixture: &Fixture, factor: &TotpFactor, code: CodeVerdict) -> TotpUpdate {
    TotpUpdate {
        entity: factor.owner.entity,
        sid: factor.sid,
        code: Some(fixture.shown(factor, code)),
        most_wrong: 3,
        change: TotpChange::default(),
        at: fixture.now(),
    }
}

/// Its entity is created.
pub async fn a_totp_factor_reads_back_as_it_was_enrolled(fixture: &Fixture) {
    let service = fixture.service().await;
    let owner = fixture.make.entity(&service, &fixture.make.identity()).owner;
    let mut factor = fixture.make.totp_factor(&owner);
    (factor.status, factor.last_step) = (FactorStatus::Unverified, Some(54_321));
    assert_eq!(fixture.enrol_totp(&factor).await, Enrolled::Done(owner.entity));
    assert_eq!(fixture.totp_stored(&factor).await, Some(factor.clone()));
    let entity = fixture.store.entity(service.sid, &owner.identity).await.unwrap().unwrap();
    assert_eq!(entity.owner, owner);

    let other = fixture.totp_factor().await;
    for (service, identity) in [
        (other.owner.service, &owner.identity),
        (owner.service, &other.owner.identity),
        (other.owner.service, &other.owner.identity),
    ] {
        assert_eq!(fixture.store.totp_factor(service, identity, factor.sid).await, Ok(None));
    }
}

/// Without it not even the entity is created.
pub async fn a_totp_factor_needs_its_service(fixture: &Fixture) {
    let service = fixture.make.service(&fixture.account().await);
    let owner = fixture.make.entity(&service, &fixture.make.identity()).owner;
    let factor = fixture.make.totp_factor(&owner);
    assert_eq!(fixture.enrol_totp(&factor).await, Enrolled::NoService);
    assert_eq!(fixture.totp_stored(&factor).await, None);
}

/// Push factors and lapsed factors do not count.
pub async fn an_entity_has_only_so_many_totp_factors(fixture: &Fixture) {
    let service = fixture.service().await;
    let identity = fixture.make.identity();
    fixture.factor_of(&service, &identity).await;
    let owner = fixture.make.entity(&service, &identity).owner;
    let enrol = async |factor: TotpFactor| {
        let enrolment = TotpEnrolment { factor, most_per_entity: 2, most_per_day: 0 };
        fixture.store.enrol_totp_factor(&enrolment).await.unwrap()
    };
    let mut lapsing = fixture.make.totp_factor(&owner);
    lapsing.status = FactorStatus::Unverified;
    assert!(matches!(enrol(lapsing).await, Enrolled::Done(_)));
    assert!(matches!(enrol(fixture.make.totp_factor(&owner)).await, Enrolled::Done(_)));
    assert_eq!(enrol(fixture.make.totp_factor(&owner)).await, Enrolled::TooMany);
    fixture.make.clock.advance(UNVERIFIED_FOR);
    assert!(matches!(enrol(fixture.make.totp_factor(&owner)).await, Enrolled::Done(_)));
}

/// In any order.
pub async fn factors_of_both_types_are_counted_in_a_day(fixture: &Fixture) {
    let service = fixture.service().await;
    let owner = fixture.make.entity(&service, &fixture.make.identity()).owner;
    let (most_per_entity, most_per_day) = (0, 3);
    let push = async || {
        let factor = fixture.make.factor(&owner);
        let enrolment = Enrolment { factor, token: None, most_per_entity, most_per_day };
        fixture.store.enrol_factor(&enrolment).await.unwrap()
    };
    let totp = async || {
        let factor = fixture.make.totp_factor(&owner);
        let enrolment = TotpEnrolment { factor, most_per_entity, most_per_day };
        fixture.store.enrol_totp_factor(&enrolment).await.unwrap()
    };
    assert!(matches!(totp().await, Enrolled::Done(_)));
    assert!(matches!(push().await, Enrolled::Done(_)));
    assert!(matches!(totp().await, Enrolled::Done(_)));
    assert_eq!((push().await, totp().await), (Enrolled::TooManyToday, Enrolled::TooManyToday));
}

/// In the order of their SIDs.
pub async fn a_list_holds_factors_of_both_types(fixture: &Fixture) {
    let service = fixture.service().await;
    let identity = fixture.make.identity();
    let mut sids = Vec::new();
    for _ in 0..3 {
        sids.push(fixture.totp_factor_of(&service, &identity).await.sid);
        sids.push(fixture.factor_of(&service, &identity).await.sid);
        fixture.pass(1);
    }
    sids.sort_unstable();
    let entity = fixture.store.entity(service.sid, &identity).await.unwrap().unwrap();
    let entity = entity.owner.entity;
    walks(&sids, async |page| {
        fixture.store.factors(entity, page).await.unwrap().map(|factor| factor.sid())
    })
    .await;
}

/// Nothing else changes.
pub async fn a_right_code_verifies_a_factor(fixture: &Fixture) {
    let mut factor = fixture.totp_factor_in(FactorStatus::Unverified).await;
    fixture.pass(1);
    let update = shows(fixture, &factor, CodeVerdict::Right(7));
    let is = fixture.store.update_totp_factor(&update).await;
    (factor.status, factor.last_step) = (FactorStatus::Verified, Some(7));
    factor.updated_at = fixture.now();
    assert_eq!(is, Ok(CodeUse::Accepted(factor.clone())));
    assert_eq!(fixture.totp_stored(&factor).await, Some(factor));
}

/// Earlier steps are not accepted either.
pub async fn a_step_is_spent_once(fixture: &Fixture) {
    let factor = fixture.totp_factor().await;
    let mut hands = JoinSet::new();
    for _ in 0..6 {
        let (store, update) =
            (fixture.store.clone(), shows(fixture, &factor, CodeVerdict::Right(8)));
        let update = TotpUpdate { most_wrong: 0, ..update };
        hands.spawn(async move { store.update_totp_factor(&update).await.unwrap() });
    }
    let shown = hands.join_all().await;
    let accepted = shown.iter().filter(|shown| matches!(shown, CodeUse::Accepted(_))).count();
    assert_eq!(accepted, 1, "{shown:?}");
    for (step, is_good) in [(8, false), (7, false), (9, true)] {
        let update = shows(fixture, &factor, CodeVerdict::Right(step));
        let update = TotpUpdate { most_wrong: 0, ..update };
        let shown = fixture.store.update_totp_factor(&update).await.unwrap();
        assert_eq!(matches!(shown, CodeUse::Accepted(_)), is_good, "{step}");
    }
}

/// A right code resets the count.
pub async fn after_so_many_wrong_codes_in_a_row_codes_are_not_checked(fixture: &Fixture) {
    let factor = fixture.totp_factor().await;
    let show = async |code| {
        fixture.store.update_totp_factor(&shows(fixture, &factor, code)).await.unwrap()
    };
    for step in [1, 2] {
        for _ in 0..2 {
            assert_eq!(show(CodeVerdict::Wrong).await, CodeUse::Wrong);
        }
        assert!(matches!(show(CodeVerdict::Right(step)).await, CodeUse::Accepted(_)));
        for spent in [CodeVerdict::Right(step), CodeVerdict::Spent] {
            assert_eq!(show(spent).await, CodeUse::Spent, "a used code is not counted as wrong");
        }
    }
    for _ in 0..3 {
        assert_eq!(show(CodeVerdict::Wrong).await, CodeUse::Wrong);
    }
    assert_eq!(show(CodeVerdict::Right(3)).await, CodeUse::Exhausted);
    assert_eq!(fixture.totp_stored(&factor).await.unwrap().last_step, Some(2));
}

/// After a change of the step's length, used steps stay used.
pub async fn an_update_of_codes_changes_only_what_it_names(fixture: &Fixture) {
    let factor = fixture.totp_factor().await;
    let spent = shows(fixture, &factor, CodeVerdict::Right(10));
    fixture.store.update_totp_factor(&spent).await.unwrap();
    fixture.pass(1);
    let name = FriendlyName::parse("the old codes").unwrap();
    let config = TotpConfigChange { time_step: Some(60), ..TotpConfigChange::default() };
    let change = TotpChange { friendly_name: Some(name.clone()), config };
    let update = TotpUpdate { code: None, change, ..shows(fixture, &factor, CodeVerdict::Wrong) };
    let mut expected = TotpFactor {
        friendly_name: name,
        last_step: Some(5),
        updated_at: fixture.now(),
        ..factor.clone()
    };
    expected.config.time_step = 60;
    let is = fixture.store.update_totp_factor(&update).await;
    assert_eq!(is, Ok(CodeUse::Accepted(expected.clone())));
    assert_eq!(fixture.totp_stored(&factor).await, Some(expected));
    let stranger = TotpUpdate { entity: fixture.totp_factor().await.owner.entity, ..update };
    assert_eq!(fixture.store.update_totp_factor(&stranger).await, Ok(CodeUse::NotFound));
}

/// From lists too, and its codes are not accepted.
pub async fn a_deleted_totp_factor_is_gone(fixture: &Fixture) {
    let factor = fixture.totp_factor().await;
    let challenge = fixture.code_challenge(&factor).await;
    let (store, entity) = (&fixture.store, factor.owner.entity);
    assert_eq!(store.delete_factor(entity, factor.sid, fixture.now()).await, Ok(true));
    assert_eq!(store.delete_factor(entity, factor.sid, fixture.now()).await, Ok(false));
    assert_eq!(fixture.totp_stored(&factor).await, None);
    let update = shows(fixture, &factor, CodeVerdict::Right(1));
    assert_eq!(store.update_totp_factor(&update).await, Ok(CodeUse::NotFound));
    let code = fixture.shown(&factor, CodeVerdict::Right(1));
    let answered = store.answer_by_code(challenge.sid, code, 0, None, fixture.now()).await;
    assert_eq!(answered, Ok(Ok(CodeUse::NotFound)));
}
