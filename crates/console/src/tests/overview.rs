//! The overview: what needs attention, to whom it is shown, and rates.

use std::time::Duration;

use countersign_domain::attention::Disk;
use countersign_domain::credential::CredentialType;
use countersign_domain::delivery::InitialState;
use countersign_domain::ending::{Ending, ErrorCode, StatusReason};
use countersign_domain::outage::{Destination, Outage};
use countersign_domain::sid::CredentialSid;
use countersign_domain::webhook_call::AfterCall;
use countersign_verify::credentials::CredentialUpdate;

use super::scene::Scene;

fn refused(scene: &Scene, credential: CredentialSid) -> Outage {
    Outage {
        version: scene.stage.now(),
        destination: Destination::Credential(credential),
        since: scene.stage.now() - Duration::from_secs(300),
        is_rejected: true,
        code: Some(ErrorCode(52_149)),
        reason: Some("InvalidProviderToken".to_owned()),
    }
}

#[tokio::test]
async fn all_is_well_until_something_is_wrong_and_that_comes_first() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    scene.take_calls().await;
    let mut browser = scene.operator().await;
    browser.get("/console").await.shows("All is well. Checked at ");

    let credential = furnished.credential.sid;
    *scene.around.outages.lock().unwrap() = vec![refused(&scene, credential)];
    *scene.around.disk.lock().unwrap() = Some(Disk { free: 400_000_000, total: 9_000_000_000 });
    let after = AfterCall::Retry { at: scene.stage.later(60) };
    scene.queue_calls(&furnished.service, 1, after).await;
    let page = browser.get("/console").await;
    page.hides("All is well");
    page.shows("The push credential “good” is refused");
    page.shows("The last reason was: InvalidProviderToken.");
    page.shows(&format!("/console/credentials#credential-{credential}"));
    page.shows("The disk is nearly full");
    page.shows("400 MB of 9 GB are free");
    let webhook = format!("/console/webhooks/{}/{}", furnished.service.sid, furnished.webhook.sid);
    page.shows(&webhook);
    page.shows("1 call waits, 1 of them after a failure. The last failure was: status 500.");
    let place = |text| page.text.find(text).unwrap();
    assert!(place("is refused") < place("The last 24 hours"), "it comes first");

    *scene.around.outages.lock().unwrap() = Vec::new();
    *scene.around.disk.lock().unwrap() = None;
    scene.stage.pass(61);
    scene.take_calls().await;
    browser.get("/console").await.shows("All is well");
}

#[tokio::test]
async fn no_account_learns_of_another_or_of_the_installation() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    let (other, _) = scene.verify().create_account("another").await.unwrap();
    let update = CredentialUpdate {
        friendly_name: Some("theirs".to_owned()),
        ..CredentialUpdate::default()
    };
    let theirs = scene.verify().create_credential(other.sid, CredentialType::Fcm, update).await;
    let outages = [theirs.unwrap().sid, furnished.credential.sid].map(|sid| refused(&scene, sid));
    *scene.around.outages.lock().unwrap() = outages.to_vec();
    *scene.around.disk.lock().unwrap() = Some(Disk { free: 1, total: 9_000_000_000 });
    let page = scene.operator().await.get("/console").await;
    page.shows("The push credential “good” is refused");
    page.hides("theirs");
    page.hides("disk");
}

#[tokio::test]
async fn rates_are_those_of_the_account_by_platform_and_lead_to_the_timeline() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    let stage = &scene.stage;
    let busy = stage.factor().await;
    for _ in 0..6 {
        let challenge = stage.challenge(&furnished.factor).await;
        let refused = Ending::failed(StatusReason::Refused, ErrorCode(52_101));
        stage.notify(&challenge, 0, InitialState::Ended(refused)).await;
        stage.pass(4);
        stage.answer(&challenge).await;
        for _ in 0..3 {
            stage.challenge(&busy).await;
        }
    }
    stage.pass(300);
    stage.count_challenges(5).await;
    let mut browser = scene.operator().await;
    let page = browser.get("/console").await;
    page.shows("7 challenges: 6 approved, 1 open");
    page.shows("6 pushes: 6 failed");
    page.shows("<dt>Half answered within</dt><dd>5.0 s</dd>");
    page.shows("&amp;to=");
    page.shows("&#38;platform=stream");
    page.shows("More pushes fail over device streams");
    page.shows("6 of 6 did not arrive (100%), most often with error 52101; none was sent in the day before.");
    page.shows("&#38;code=52101");
    let month =
        browser.get(&format!("/console?range=month&service={}", furnished.service.sid)).await;
    month.shows("The last 30 days");
    month.shows("7 challenges: 6 approved, 1 open");
    month.shows(&format!("&#38;service={}", furnished.service.sid));
    let stranger = browser.get(&format!("/console?service={}", busy.owner.service)).await;
    stranger.shows("There was none.");
    stranger.hides("challenges: ");
    assert_eq!(browser.get("/console?service=nonsense").await.status, http::StatusCode::NOT_FOUND);
}
