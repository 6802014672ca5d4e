//! The demonstration in four chapters: the phone is connected; it is offline and comes back; it is offline and the
//! push does not wait; the page shows a number, without which nobody approves. Every duration is measured, and every promise is checked.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use countersign_phone::{Presence, Verdict};

use super::chapter::Chapter;
use super::connected_phone::ConnectedPhone;
use super::participants::Participants;
use super::response::{Notifications, PresenceBody};
use super::timeline::short;

/// How long the phone listens for a push that must not arrive.
const LISTENING: Duration = Duration::from_millis(500);

/// Runs all chapters.
pub(super) async fn run(participants: &Participants) -> anyhow::Result<()> {
    Box::pin(connected(participants)).await.context("chapter 1 failed")?;
    Box::pin(comes_back(participants)).await.context("chapter 2 failed")?;
    Box::pin(now_or_never(participants)).await.context("chapter 3 failed")?;
    Box::pin(number(participants)).await.context("chapter 4 failed")?;
    println!(
        "\n{}",
        participants.paint.good("Every status, body, signature and delivery above was checked.")
    );
    Ok(())
}

async fn connected(participants: &Participants) -> anyhow::Result<()> {
    let mut chapter = Chapter::open(participants, "1  The phone is connected");
    let mut phone = ConnectedPhone::switch_on(&participants.phone).await?;
    let fields = [
        ("Details.Fields", r#"{"label":"Place","value":"Lisbon"}"#),
        ("Details.Fields", r#"{"label":"Browser","value":"Firefox on Linux"}"#),
    ];
    let challenge = chapter.ask("Log in from Lisbon?", &fields).await?;
    let by_itself =
        phone.push("the automatic push", |it| it.challenge_sid == challenge.sid).await?;
    chapter.note_arrival(&by_itself, "automatic", (challenge.asked_at, "the request"));
    chapter.time.print();

    chapter.say("The application asks for one more push. The call of the API reference:");
    let (asked, sent) = chapter.notify_in_full(&challenge.sid, 150).await?;
    let push = phone.push("the asked push", |it| it.notification_sid == asked).await?;
    chapter.note_arrival(&push, "asked for", (sent, "the call"));
    chapter.time.print();
    // An answer before the acknowledgement is committed would cancel the push.
    chapter.expect_status(&challenge.sid, &asked, ("delivered", None)).await?;
    chapter.reject_forged_approval(&challenge.sid).await?;
    let pushes = phone.pushes_of(&challenge.sid);
    chapter.answer(&challenge.sid, Verdict::Approved, pushes).await?;

    let became = chapter.expect_final(&challenge.sid, &asked, ("delivered", None)).await?;
    let automatic: Vec<_> = became.iter().filter(|it| it.automatic).map(|it| &it.sid).collect();
    ensure!(
        automatic == [&by_itself.prompt.notification_sid],
        "the push that came first should be the automatic one, and that is {automatic:?}"
    );
    phone.switch_off().await
}

async fn comes_back(participants: &Participants) -> anyhow::Result<()> {
    let mut chapter = Chapter::open(participants, "2  The phone is off, and comes back in time");
    let challenge = chapter.ask("Pay 40 EUR to Ferry Lines?", &[]).await?;
    let asked = chapter.notify(&challenge.sid, 150).await?;
    chapter.expect_status(&challenge.sid, &asked, ("queued", Some("device_offline"))).await?;

    let mut phone = chapter.switch_on().await?;
    let push = phone.push("the parked push", |it| it.notification_sid == asked).await?;
    chapter.note_arrival(&push, "asked for, parked till now", (phone.linked, "connecting"));
    chapter.expect_status(&challenge.sid, &asked, ("delivered", None)).await?;
    let pushes = phone.pushes_of(&challenge.sid);
    chapter.answer(&challenge.sid, Verdict::Approved, pushes).await?;
    chapter.expect_final(&challenge.sid, &asked, ("delivered", None)).await?;
    phone.switch_off().await
}

async fn now_or_never(participants: &Participants) -> anyhow::Result<()> {
    let mut chapter =
        Chapter::open(participants, "3  The phone is off, and Ttl=0 says: now or never");
    let challenge = chapter.ask("Open the garage?", &[]).await?;
    let first = participants.app.expect(&participants.notifications(&challenge.sid), 200).await?;
    let first: Notifications = first.read()?;
    let first = first.notifications.first().context("the challenge sent no push")?;
    let (by_itself, waits) = (first.sid.clone(), first.ttl);
    chapter.expect_status(&challenge.sid, &by_itself, ("queued", Some("device_offline"))).await?;
    let dropped = chapter.notify(&challenge.sid, 0).await?;
    chapter.expect_status(&challenge.sid, &dropped, ("failed", Some("device_offline"))).await?;

    let mut phone = chapter.switch_on().await?;
    let push = phone.push("the parked push", |it| it.notification_sid == by_itself).await?;
    chapter.note_arrival(&push, &format!("automatic, Ttl={waits}"), (phone.linked, "connecting"));
    let came = phone.has_received(&dropped, LISTENING).await?;
    ensure!(!came, "{dropped} came, though its Ttl was 0 and the phone was off");
    let listened = LISTENING.as_millis();
    chapter
        .time
        .note_now(format!("in {listened} ms of listening, {} has not come", short(&dropped)));
    chapter.time.print();
    let pushes = phone.pushes_of(&challenge.sid);
    chapter.answer(&challenge.sid, Verdict::Denied, pushes).await?;
    chapter.expect_final(&challenge.sid, &dropped, ("failed", Some("device_offline"))).await?;
    phone.switch_off().await
}

async fn number(participants: &Participants) -> anyhow::Result<()> {
    let mut chapter =
        Chapter::open(participants, "4  The page shows a number, which the phone asks for");
    let mut phone = ConnectedPhone::switch_on(&participants.phone).await?;
    let challenge = chapter.ask("Log in from Porto?", &[("Presence", "number")]).await?;
    let call = participants.presence(&challenge.sid);
    let shown: PresenceBody = participants.app.expect(&call, 200).await?.read()?;
    chapter
        .time
        .note_now(format!("the page shows {}, which only the application can read", shown.answer));
    let push = phone.push("the automatic push", |it| it.challenge_sid == challenge.sid).await?;
    ensure!(push.prompt.presence == Some(Presence::Number), "the push does not ask for a number");
    chapter.note_arrival(&push, "asks for a number", (challenge.asked_at, "the request"));
    let other = if shown.answer == "46" { "64" } else { "46" };
    chapter.reject_number(&challenge.sid, other).await?;
    let pushes = phone.pushes_of(&challenge.sid);
    chapter.answer_with(&challenge.sid, &shown.answer, pushes).await?;
    phone.switch_off().await
}
