//! `GET …/Challenges/{Sid}?WaitSeconds=…` responds as soon as the challenge changes, and at the latest after that time.

use std::sync::Arc;
use std::time::Duration;

use countersign_domain::text::Identity;
use countersign_phone::{Phone, Verdict};
use countersign_verify::Caller as Known;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{Caller, Reply, TestApp};

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

    fn path(&self, seconds: &str) -> String {
        let challenges = self.app.challenges_path(&self.phone);
        format!("{challenges}/{}?WaitSeconds={seconds}", self.challenge)
    }

    /// A caller that waits; returns once the server serves it.
    async fn wait(&self, caller: Caller, seconds: u32) -> JoinHandle<Reply> {
        let path = self.path(&seconds.to_string());
        self.app.begin(async move { caller.get(&path).await }).await
    }
}

#[tokio::test]
async fn it_answers_as_soon_as_the_person_does() {
    let stage = Stage::set().await;
    let application = stage.wait(stage.app.api(), 50).await;
    let device = stage.wait(stage.app.device(&stage.phone), 50).await;
    let asked = stage.phone.challenge(&stage.challenge).await.unwrap();
    assert!(!application.is_finished() && !device.is_finished(), "a read answers no challenge");
    stage.phone.send_answer(&asked, Verdict::Denied).await.unwrap();
    assert_eq!(application.await.unwrap().expect(200)["status"], "denied");
    let seen = device.await.unwrap();
    assert!(!seen.headers.contains_key("twilio-verify-signature-fields"), "it is not pending");
    assert_eq!(seen.expect(200)["status"], "denied");
    let late = stage.app.api().get(&stage.path("50")).await;
    assert_eq!(late.expect(200)["status"], "denied", "there is nothing to wait for");
}

#[tokio::test]
async fn it_answers_when_the_challenge_expires() {
    let stage = Stage::set().await;
    stage.app.clock.advance(Duration::from_secs(299));
    let waiting = stage.wait(stage.app.api(), 50).await;
    assert!(!waiting.is_finished());
    stage.app.clock.advance(Duration::from_secs(1));
    assert_eq!(waiting.await.unwrap().expect(200)["status"], "expired");
}

#[tokio::test]
async fn it_answers_pending_when_its_time_is_over() {
    let stage = Stage::set().await;
    let waiting = stage.wait(stage.app.api(), 10).await;
    stage.app.clock.advance(Duration::from_millis(9_999));
    stage.app.api().get("/v2/Services").await.expect(200);
    assert!(!waiting.is_finished());
    stage.app.clock.advance(Duration::from_millis(1));
    let reply = waiting.await.unwrap();
    assert!(reply.headers.contains_key("twilio-verify-signature-fields"));
    assert_eq!(reply.expect(200)["status"], "pending");
    let at_once = stage.app.api().get(&stage.path("0")).await;
    assert_eq!(at_once.expect(200)["status"], "pending");
}

#[tokio::test]
async fn it_answers_when_the_server_stops() {
    let mut stage = Stage::set().await;
    let waiting = stage.wait(stage.app.api(), 50).await;
    let server = stage.app.server.take().expect("it runs");
    let ((), reply) = tokio::join!(server.stop(), waiting);
    assert_eq!(reply.unwrap().expect(200)["status"], "pending");
}

#[tokio::test]
async fn it_answers_404_at_once_when_all_is_deleted_meanwhile() {
    for is_service in [false, true] {
        let stage = Stage::set().await;
        let application = stage.wait(stage.app.api(), 50).await;
        let device = stage.wait(stage.app.device(&stage.phone), 50).await;
        let path = if is_service {
            format!("/v2/Services/{}", stage.app.service)
        } else {
            stage.app.entity("alice-0001")
        };
        stage.app.api().delete(&path).await.expect(204);
        for waiting in [application, device] {
            assert_eq!(waiting.await.unwrap().refusal(), (404, 20404), "{path}");
        }
    }
}

#[tokio::test]
async fn it_ends_at_once_when_the_account_is_suspended_meanwhile() {
    let stage = Stage::set().await;
    let application = stage.wait(stage.app.api(), 50).await;
    let device = stage.wait(stage.app.device(&stage.phone), 50).await;
    let account = stage.app.account.parse().unwrap();
    stage.app.server().verify.suspend_account(account).await.unwrap();
    for waiting in [application, device] {
        assert_eq!(waiting.await.unwrap().refusal(), (401, 20005));
    }
}

#[tokio::test]
async fn a_device_whose_factor_is_deleted_waits_no_longer() {
    let stage = Stage::set().await;
    let application = stage.wait(stage.app.api(), 50).await;
    let device = stage.wait(stage.app.device(&stage.phone), 50).await;
    let factor = format!("{}/Factors/{}", stage.app.entity("alice-0001"), stage.phone.factor_sid());
    stage.app.api().delete(&factor).await.expect(204);
    assert_eq!(device.await.unwrap().refusal(), (404, 20404));
    assert!(!application.is_finished(), "the challenge is still there");
    stage.app.clock.advance(Duration::from_secs(50));
    assert_eq!(application.await.unwrap().expect(200)["status"], "pending");
}

#[tokio::test]
async fn fifty_seconds_is_the_most_that_can_be_asked_for() {
    let stage = Stage::set().await;
    for wrong in ["51", "-1", "1.5", "", "forever", "99999999999999999999", "5&WaitSeconds=5"] {
        let reply = stage.app.api().get(&stage.path(wrong)).await;
        assert_eq!(reply.refusal(), (400, 60306), "{wrong}");
        assert_eq!(reply.body["message"], "Invalid parameter: WaitSeconds");
    }
}

#[tokio::test]
async fn the_thousand_and_first_waiter_of_an_account_is_answered_at_once() {
    let stage = Stage::set().await;
    let verify = &stage.app.server().verify;
    let caller = Known::Application(stage.app.account.parse().unwrap());
    let identity = Identity::parse("alice-0001").unwrap();
    let (service, challenge) =
        (stage.app.service.parse().unwrap(), stage.challenge.parse().unwrap());
    let stop = CancellationToken::new();
    let most = Duration::from_secs(50);
    let wait = || {
        let (verify, caller) = (Arc::clone(verify), caller.clone());
        let (identity, stop) = (identity.clone(), stop.clone());
        tokio::spawn(async move {
            verify.wait_for_challenge(&caller, service, &identity, challenge, most, &stop).await
        })
    };
    let mut waiters: Vec<_> = (0..1_000).map(|_| wait()).collect();
    // Each takes its place when it is first polled.
    tokio::task::yield_now().await;
    let one_more = stage.app.api().get(&stage.path("50")).await;
    assert_eq!(one_more.expect(200)["status"], "pending", "at once: nobody moved the clock");
    let last = waiters.pop().unwrap();
    last.abort();
    assert!(last.await.is_err());
    let waiting = stage.wait(stage.app.api(), 50).await;
    assert!(!waiting.is_finished(), "a place was free again");
    stage.phone.answer(&stage.challenge, Verdict::Approved).await.unwrap();
    assert_eq!(waiting.await.unwrap().expect(200)["status"], "approved");
    for waiter in waiters {
        waiter.await.unwrap().unwrap();
    }
}
