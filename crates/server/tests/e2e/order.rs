//! `POST …/Notifications` checks in a fixed order: of two faults, it names the one checked first.

use std::time::Duration;

use countersign_phone::{Phone, Platform, Verdict};

use crate::support::{Caller, TestApp};

/// A stage on which any two neighbouring checks can fail at once.
struct Stage {
    app: TestApp,
    phone: Phone,
    challenge: String,
}

impl Stage {
    async fn set() -> Self {
        let app = TestApp::start().await;
        let phone = app.enrol_phone("alice-0001").await;
        let challenge = app.challenge(&phone, "Log in?").await;
        Self { app, phone, challenge }
    }

    fn path(&self) -> String {
        format!("{}/{}/Notifications", self.app.challenges_path(&self.phone), self.challenge)
    }

    async fn notify(&self, caller: &Caller, path: &str, ttl: &str) -> (u16, i64) {
        caller.post(path, &[("Ttl", ttl)]).await.refusal()
    }

    async fn refused(&self, ttl: &str) -> (u16, i64) {
        self.notify(&self.app.api(), &self.path(), ttl).await
    }

    async fn exhaust(&self) {
        for _ in 0..3 {
            self.app.notify(&self.phone, &self.challenge, 300).await;
        }
    }

    async fn delete_factor(&self) {
        self.app.api().delete(&self.app.factor_path(&self.phone)).await.expect(204);
    }

    async fn has(&self, notifications: usize) {
        let all = self.app.notifications(&self.phone, &self.challenge).await;
        assert_eq!(all.len(), notifications, "and nothing was written");
    }
}

#[tokio::test]
async fn credentials_come_before_the_form_of_a_sid_and_that_before_what_is_there() {
    let stage = Stage::set().await;
    let api = stage.app.api();
    let nobody = api.with(&api.user, "wrong");
    let device = stage.app.device(&stage.phone);
    let malformed = stage.path().replace(&stage.challenge, "YC1");
    assert_eq!(stage.notify(&nobody, &malformed, "301").await, (401, 20003));
    assert_eq!(stage.notify(&device, &malformed, "301").await, (403, 20403));
    let service = &stage.app.service;
    let nowhere = malformed.replace(service, "VA00000000000000000000000000000000");
    assert_eq!(stage.notify(&api, &nowhere, "301").await, (400, 60306), "form before presence");
    let absent = stage.path().replace(&stage.challenge, &format!("YC{}", "0".repeat(32)));
    assert_eq!(stage.notify(&api, &absent, "301").await, (404, 20404), "presence before Ttl");
    stage.has(1).await;
}

#[tokio::test]
async fn ttl_comes_before_the_state_of_the_challenge() {
    let stage = Stage::set().await;
    stage.app.clock.advance(Duration::from_secs(300));
    assert_eq!(stage.refused("301").await, (400, 60300));
    assert_eq!(stage.refused("300").await, (403, 60323));
    let stage = Stage::set().await;
    stage.phone.answer(&stage.challenge, Verdict::Denied).await.unwrap();
    assert_eq!(stage.refused("-1").await, (400, 60300));
    assert_eq!(stage.refused("0").await, (403, 60322));
    stage.has(1).await;
}

#[tokio::test]
async fn an_answered_challenge_never_reads_expired() {
    let stage = Stage::set().await;
    stage.phone.answer(&stage.challenge, Verdict::Approved).await.unwrap();
    stage.app.clock.advance(Duration::from_secs(300));
    assert_eq!(stage.refused("0").await, (403, 60322));
}

#[tokio::test]
async fn the_state_of_the_challenge_comes_before_its_factor() {
    let stage = Stage::set().await;
    stage.phone.answer(&stage.challenge, Verdict::Approved).await.unwrap();
    stage.delete_factor().await;
    assert_eq!(stage.refused("0").await, (403, 60322));
    let stage = Stage::set().await;
    stage.delete_factor().await;
    assert_eq!(stage.refused("301").await, (400, 60300));
    assert_eq!(stage.refused("0").await, (404, 20404));
    stage.app.clock.advance(Duration::from_secs(300));
    assert_eq!(stage.refused("0").await, (403, 60323));
}

#[tokio::test]
async fn a_factor_that_is_gone_comes_before_its_platform_and_that_before_the_limit() {
    let stage = Stage::set().await;
    stage.exhaust().await;
    assert_eq!(stage.refused("0").await, (429, 60309));
    assert_eq!(stage.refused("301").await, (400, 60300));
    stage.phone.update_push_token(&Platform::None).await.unwrap();
    assert_eq!(stage.refused("0").await, (400, 60307), "platform before limit");
    stage.delete_factor().await;
    assert_eq!(stage.refused("0").await, (404, 20404), "presence before platform");
    stage.has(4).await;
}

#[tokio::test]
async fn the_state_of_the_challenge_comes_before_platform_and_limit() {
    let stage = Stage::set().await;
    stage.exhaust().await;
    stage.phone.update_push_token(&Platform::None).await.unwrap();
    stage.phone.answer(&stage.challenge, Verdict::Denied).await.unwrap();
    assert_eq!(stage.refused("0").await, (403, 60322));
    let stage = Stage::set().await;
    stage.exhaust().await;
    stage.phone.update_push_token(&Platform::None).await.unwrap();
    stage.app.clock.advance(Duration::from_secs(300));
    assert_eq!(stage.refused("0").await, (403, 60323));
}

#[tokio::test]
async fn a_refused_post_is_not_counted_to_the_limit() {
    let stage = Stage::set().await;
    for _ in 0..5 {
        assert_eq!(stage.refused("301").await, (400, 60300));
    }
    stage.exhaust().await;
    stage.has(4).await;
}
