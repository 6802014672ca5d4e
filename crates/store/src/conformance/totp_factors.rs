//! Factors with codes: how they come, and what a code does to them.

use countersign_domain::factor::{FactorStatus, UNVERIFIED_FOR};
use countersign_domain::text::FriendlyName;
use countersign_domain::totp::{TotpChange, TotpConfigChange, TotpFactor};
use tokio::task::JoinSet;

use super::stage::{Stage, walks};
use crate::seam::{Enrolled, Enrolment, Shown, ShownCode, TotpEnrolment, TotpUpdate};

fn shows(stage: &Stage, factor: &TotpFactor, code: ShownCode) -> TotpUpdate {
    TotpUpdate {
        entity: factor.owner.entity,
        sid: factor.sid,
        code: Some(stage.shown(factor, code)),
        most_wrong: 3,
        change: TotpChange::default(),
        at: stage.now(),
    }
}

/// And makes its entity.
pub async fn a_totp_factor_reads_back_as_it_was_enrolled(stage: &Stage) {
    let service = stage.service().await;
    let owner = stage.make.entity(&service, &stage.make.identity()).owner;
    let mut factor = stage.make.totp_factor(&owner);
    (factor.status, factor.last_step) = (FactorStatus::Unverified, Some(54_321));
    assert_eq!(stage.enrol_totp(&factor).await, Enrolled::Done(owner.entity));
    assert_eq!(stage.totp_stored(&factor).await, Some(factor.clone()));
    let entity = stage.store.entity(service.sid, &owner.identity).await.unwrap().unwrap();
    assert_eq!(entity.owner, owner);

    let other = stage.totp_factor().await;
    for (service, identity) in [
        (other.owner.service, &owner.identity),
        (owner.service, &other.owner.identity),
        (other.owner.service, &other.owner.identity),
    ] {
        assert_eq!(stage.store.totp_factor(service, identity, factor.sid).await, Ok(None));
    }
}

/// Otherwise not even the entity is made.
pub async fn a_totp_factor_needs_its_service(stage: &Stage) {
    let service = stage.make.service(&stage.account().await);
    let owner = stage.make.entity(&service, &stage.make.identity()).owner;
    let factor = stage.make.totp_factor(&owner);
    assert_eq!(stage.enrol_totp(&factor).await, Enrolled::NoService);
    assert_eq!(stage.totp_stored(&factor).await, None);
}

/// Push factors are another matter, and one that lapsed makes room.
pub async fn an_entity_has_only_so_many_totp_factors(stage: &Stage) {
    let service = stage.service().await;
    let identity = stage.make.identity();
    stage.factor_of(&service, &identity).await;
    let owner = stage.make.entity(&service, &identity).owner;
    let enrol = async |factor: TotpFactor| {
        let enrolment = TotpEnrolment { factor, most_per_entity: 2, most_per_day: 0 };
        stage.store.enrol_totp_factor(&enrolment).await.unwrap()
    };
    let mut lapsing = stage.make.totp_factor(&owner);
    lapsing.status = FactorStatus::Unverified;
    assert!(matches!(enrol(lapsing).await, Enrolled::Done(_)));
    assert!(matches!(enrol(stage.make.totp_factor(&owner)).await, Enrolled::Done(_)));
    assert_eq!(enrol(stage.make.totp_factor(&owner)).await, Enrolled::TooMany);
    stage.make.clock.advance(UNVERIFIED_FOR);
    assert!(matches!(enrol(stage.make.totp_factor(&owner)).await, Enrolled::Done(_)));
}

/// Whichever comes first.
pub async fn factors_of_both_types_are_counted_in_a_day(stage: &Stage) {
    let service = stage.service().await;
    let owner = stage.make.entity(&service, &stage.make.identity()).owner;
    let (most_per_entity, most_per_day) = (0, 3);
    let push = async || {
        let factor = stage.make.factor(&owner);
        let enrolment = Enrolment { factor, token: None, most_per_entity, most_per_day };
        stage.store.enrol_factor(&enrolment).await.unwrap()
    };
    let totp = async || {
        let factor = stage.make.totp_factor(&owner);
        let enrolment = TotpEnrolment { factor, most_per_entity, most_per_day };
        stage.store.enrol_totp_factor(&enrolment).await.unwrap()
    };
    assert!(matches!(totp().await, Enrolled::Done(_)));
    assert!(matches!(push().await, Enrolled::Done(_)));
    assert!(matches!(totp().await, Enrolled::Done(_)));
    assert_eq!((push().await, totp().await), (Enrolled::TooManyToday, Enrolled::TooManyToday));
}

/// In the order of their SIDs.
pub async fn a_list_holds_factors_of_both_types(stage: &Stage) {
    let service = stage.service().await;
    let identity = stage.make.identity();
    let mut sids = Vec::new();
    for _ in 0..3 {
        sids.push(stage.totp_factor_of(&service, &identity).await.sid);
        sids.push(stage.factor_of(&service, &identity).await.sid);
        stage.pass(1);
    }
    sids.sort_unstable();
    let entity = stage.store.entity(service.sid, &identity).await.unwrap().unwrap();
    let entity = entity.owner.entity;
    walks(&sids, async |page| {
        stage.store.factors(entity, page).await.unwrap().map(|factor| factor.sid())
    })
    .await;
}

/// And nothing else of it.
pub async fn a_right_code_verifies_a_factor(stage: &Stage) {
    let mut factor = stage.totp_factor_in(FactorStatus::Unverified).await;
    stage.pass(1);
    let update = shows(stage, &factor, ShownCode::Right(7));
    let is = stage.store.update_totp_factor(&update).await;
    (factor.status, factor.last_step) = (FactorStatus::Verified, Some(7));
    factor.updated_at = stage.now();
    assert_eq!(is, Ok(Shown::Accepted(factor.clone())));
    assert_eq!(stage.totp_stored(&factor).await, Some(factor));
}

/// Neither is an earlier one good after it.
pub async fn a_step_is_spent_once(stage: &Stage) {
    let factor = stage.totp_factor().await;
    let mut hands = JoinSet::new();
    for _ in 0..6 {
        let (store, update) = (stage.store.clone(), shows(stage, &factor, ShownCode::Right(8)));
        let update = TotpUpdate { most_wrong: 0, ..update };
        hands.spawn(async move { store.update_totp_factor(&update).await.unwrap() });
    }
    let shown = hands.join_all().await;
    let accepted = shown.iter().filter(|shown| matches!(shown, Shown::Accepted(_))).count();
    assert_eq!(accepted, 1, "{shown:?}");
    for (step, is_good) in [(8, false), (7, false), (9, true)] {
        let update = shows(stage, &factor, ShownCode::Right(step));
        let update = TotpUpdate { most_wrong: 0, ..update };
        let shown = stage.store.update_totp_factor(&update).await.unwrap();
        assert_eq!(matches!(shown, Shown::Accepted(_)), is_good, "{step}");
    }
}

/// From the first again after a right one.
pub async fn after_so_many_wrong_codes_in_a_row_nobody_looks(stage: &Stage) {
    let factor = stage.totp_factor().await;
    let show =
        async |code| stage.store.update_totp_factor(&shows(stage, &factor, code)).await.unwrap();
    for step in [1, 2] {
        for _ in 0..2 {
            assert_eq!(show(ShownCode::Wrong).await, Shown::Wrong);
        }
        assert!(matches!(show(ShownCode::Right(step)).await, Shown::Accepted(_)));
        for spent in [ShownCode::Right(step), ShownCode::Spent] {
            assert_eq!(show(spent).await, Shown::Spent, "which is not counted");
        }
    }
    for _ in 0..3 {
        assert_eq!(show(ShownCode::Wrong).await, Shown::Wrong);
    }
    assert_eq!(show(ShownCode::Right(3)).await, Shown::Exhausted);
    assert_eq!(stage.totp_stored(&factor).await.unwrap().last_step, Some(2));
}

/// With a step of another length, what was spent stays spent.
pub async fn an_update_of_codes_changes_only_what_it_names(stage: &Stage) {
    let factor = stage.totp_factor().await;
    let spent = shows(stage, &factor, ShownCode::Right(10));
    stage.store.update_totp_factor(&spent).await.unwrap();
    stage.pass(1);
    let name = FriendlyName::parse("the old codes").unwrap();
    let config = TotpConfigChange { time_step: Some(60), ..TotpConfigChange::default() };
    let change = TotpChange { friendly_name: Some(name.clone()), config };
    let update = TotpUpdate { code: None, change, ..shows(stage, &factor, ShownCode::Wrong) };
    let mut expected = TotpFactor {
        friendly_name: name,
        last_step: Some(5),
        updated_at: stage.now(),
        ..factor.clone()
    };
    expected.config.time_step = 60;
    let is = stage.store.update_totp_factor(&update).await;
    assert_eq!(is, Ok(Shown::Accepted(expected.clone())));
    assert_eq!(stage.totp_stored(&factor).await, Some(expected));
    let stranger = TotpUpdate { entity: stage.totp_factor().await.owner.entity, ..update };
    assert_eq!(stage.store.update_totp_factor(&stranger).await, Ok(Shown::Gone));
}

/// From its list too, and its codes are worth nothing.
pub async fn a_deleted_totp_factor_is_gone(stage: &Stage) {
    let factor = stage.totp_factor().await;
    let challenge = stage.code_challenge(&factor).await;
    let (store, entity) = (&stage.store, factor.owner.entity);
    assert_eq!(store.delete_factor(entity, factor.sid, stage.now()).await, Ok(true));
    assert_eq!(store.delete_factor(entity, factor.sid, stage.now()).await, Ok(false));
    assert_eq!(stage.totp_stored(&factor).await, None);
    let update = shows(stage, &factor, ShownCode::Right(1));
    assert_eq!(store.update_totp_factor(&update).await, Ok(Shown::Gone));
    let code = stage.shown(&factor, ShownCode::Right(1));
    let answered = store.answer_by_code(challenge.sid, code, 0, None, stage.now()).await;
    assert_eq!(answered, Ok(Ok(Shown::Gone)));
}
