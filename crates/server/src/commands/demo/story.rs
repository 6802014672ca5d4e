//! The story, in three chapters: the phone is connected; it is not, and comes back; it is not, and the push would not
//! wait. Every word about what happened is measured, and every promise in it is checked.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use countersign_phone::Verdict;

use super::handset::Handset;
use super::reply::Notifications;
use super::scene::Scene;
use super::stage::Stage;
use super::timeline::short;

/// How long the phone listens for a push that must not come.
const LISTENING: Duration = Duration::from_millis(500);

/// Tells all of it.
pub(super) async fn tell(stage: &Stage) -> anyhow::Result<()> {
    Box::pin(connected(stage)).await.context("chapter 1 went wrong")?;
    Box::pin(comes_back(stage)).await.context("chapter 2 went wrong")?;
    Box::pin(now_or_never(stage)).await.context("chapter 3 went wrong")?;
    println!(
        "\n{}",
        stage.paint.good("Every status, body, signature and delivery above was checked.")
    );
    Ok(())
}

async fn connected(stage: &Stage) -> anyhow::Result<()> {
    let mut scene = Scene::open(stage, "1  The phone is connected");
    let mut handset = Handset::switch_on(&stage.phone).await?;
    let fields = [
        ("Details.Fields", r#"{"label":"Place","value":"Lisbon"}"#),
        ("Details.Fields", r#"{"label":"Browser","value":"Firefox on Linux"}"#),
    ];
    let challenge = scene.ask("Log in from Lisbon?", &fields).await?;
    let by_itself =
        handset.push("the automatic push", |it| it.challenge_sid == challenge.sid).await?;
    scene.came(&by_itself, "automatic", (challenge.asked_at, "the request"));
    scene.time.print();

    scene.say("The application asks for one more push. The call of the API reference:");
    let (asked, sent) = scene.notify_in_full(&challenge.sid, 150).await?;
    let push = handset.push("the asked push", |it| it.notification_sid == asked).await?;
    scene.came(&push, "asked for", (sent, "the call"));
    scene.time.print();
    // An answer that comes before the ack is written down would cancel the push.
    scene.stands(&challenge.sid, &asked, ("delivered", None)).await?;
    scene.forge(&challenge.sid).await?;
    let pushes = handset.pushes_of(&challenge.sid);
    scene.answer(&challenge.sid, Verdict::Approved, pushes).await?;

    let became = scene.what_became(&challenge.sid, &asked, ("delivered", None)).await?;
    let automatic: Vec<_> = became.iter().filter(|it| it.automatic).map(|it| &it.sid).collect();
    ensure!(
        automatic == [&by_itself.prompt.notification_sid],
        "the push that came first should be the automatic one, and that is {automatic:?}"
    );
    handset.switch_off().await
}

async fn comes_back(stage: &Stage) -> anyhow::Result<()> {
    let mut scene = Scene::open(stage, "2  The phone is off, and comes back in time");
    let challenge = scene.ask("Pay 40 EUR to Ferry Lines?", &[]).await?;
    let asked = scene.notify(&challenge.sid, 150).await?;
    scene.stands(&challenge.sid, &asked, ("queued", Some("device_offline"))).await?;

    let mut handset = scene.switch_on().await?;
    let push = handset.push("the parked push", |it| it.notification_sid == asked).await?;
    scene.came(&push, "asked for, parked till now", (handset.linked, "connecting"));
    scene.stands(&challenge.sid, &asked, ("delivered", None)).await?;
    let pushes = handset.pushes_of(&challenge.sid);
    scene.answer(&challenge.sid, Verdict::Approved, pushes).await?;
    scene.what_became(&challenge.sid, &asked, ("delivered", None)).await?;
    handset.switch_off().await
}

async fn now_or_never(stage: &Stage) -> anyhow::Result<()> {
    let mut scene = Scene::open(stage, "3  The phone is off, and Ttl=0 says: now or never");
    let challenge = scene.ask("Open the garage?", &[]).await?;
    let first = stage.app.expect(&stage.notifications(&challenge.sid), 200).await?;
    let first: Notifications = first.read()?;
    let first = first.notifications.first().context("the challenge sent no push")?;
    let (by_itself, waits) = (first.sid.clone(), first.ttl);
    scene.stands(&challenge.sid, &by_itself, ("queued", Some("device_offline"))).await?;
    let dropped = scene.notify(&challenge.sid, 0).await?;
    scene.stands(&challenge.sid, &dropped, ("failed", Some("device_offline"))).await?;

    let mut handset = scene.switch_on().await?;
    let push = handset.push("the parked push", |it| it.notification_sid == by_itself).await?;
    scene.came(&push, &format!("automatic, Ttl={waits}"), (handset.linked, "connecting"));
    let came = handset.has_heard(&dropped, LISTENING).await?;
    ensure!(!came, "{dropped} came, though its Ttl was 0 and the phone was off");
    let listened = LISTENING.as_millis();
    scene.time.note_now(format!("in {listened} ms of listening, {} has not come", short(&dropped)));
    scene.time.print();
    let pushes = handset.pushes_of(&challenge.sid);
    scene.answer(&challenge.sid, Verdict::Denied, pushes).await?;
    scene.what_became(&challenge.sid, &dropped, ("failed", Some("device_offline"))).await?;
    handset.switch_off().await
}
