//! The reader's own browser as a second device of the person: a link to enrol it by, and questions for it once it has.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use countersign_domain::invitation::Invitation;
use serde::Deserialize;

use super::application::Call;
use super::reply::{ChallengeRead, Made};
use super::stage::{IDENTITY, Stage, access_token};
use crate::commands::phone::screen::plain;

/// How often it is looked whether the browser has enrolled.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
struct WebPushKey {
    public_key: String,
}

#[derive(Deserialize)]
struct Factors {
    factors: Vec<Factor>,
}

#[derive(Deserialize)]
struct Factor {
    sid: String,
    friendly_name: String,
    status: String,
}

/// Shows the link that signs in to the console.
pub(super) fn show_console(stage: &Stage, link: &str, open: bool) {
    println!(
        "  {}\n\n  {link}\n",
        stage.paint.bold(
            "Look at what happened, in the console; the link signs in once, within ten minutes"
        )
    );
    if open && !open_browser(link) {
        println!("  No browser could be opened: open the link yourself.\n");
    }
}

/// Shows the link, waits until a browser has enrolled by it, and asks it something.
pub(super) async fn accompany(stage: &Stage, open: bool) -> anyhow::Result<()> {
    let key = Call::get(format!("{}/v2/Services/{}/WebPushKey", stage.app.base, stage.service));
    let WebPushKey { public_key } = stage.app.expect(&key, 200).await?.read()?;
    let invitation = Invitation {
        service: &stage.service,
        identity: IDENTITY,
        token: &access_token(&stage.app, &stage.service).await?,
        push_key: &public_key,
    };
    let link = invitation.link(&stage.app.base);
    println!(
        "  {}\n\n  {link}\n",
        stage.paint.bold("Answer in your own browser; the link is good for five minutes, once")
    );
    if open && !open_browser(&link) {
        println!("  No browser could be opened: open the link yourself.\n");
    }
    let browser = enrolled(stage).await?;
    println!("\n{} has enrolled, and is asked something.", plain(&browser.friendly_name));
    ask(stage, &browser).await
}

/// The first device that is not the phone of the story.
async fn enrolled(stage: &Stage) -> anyhow::Result<Factor> {
    loop {
        let Factors { factors } = stage.app.expect(&stage.factors(), 200).await?.read()?;
        let is_new = |it: &Factor| it.sid != stage.phone.factor_sid() && it.status == "verified";
        if let Some(factor) = factors.into_iter().find(is_new) {
            return Ok(factor);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn ask(stage: &Stage, browser: &Factor) -> anyhow::Result<()> {
    let fields = [
        ("Details.Fields", r#"{"label":"Place","value":"Lisbon, Portugal"}"#),
        ("Details.Fields", r#"{"label":"Device","value":"Firefox on Linux"}"#),
    ];
    let question = stage.challenge_on(&browser.sid, "Log in to Harbour Bank?", &fields);
    let Made { sid } = stage.app.expect(&question, 201).await?.read()?;
    println!(
        "  To ask it again:\n\n{}\n",
        stage.app.curl(&stage.challenge_on(&browser.sid, "Is it you?", &[]), "  ")
    );
    let url = format!("{}?WaitSeconds=5", stage.challenge_url(&sid));
    loop {
        let read = stage.app.expect(&Call::get(url.clone()), 200).await?;
        let ChallengeRead { status, .. } = read.read().context("a challenge")?;
        if status != "pending" {
            println!("{} says: {status}", plain(&browser.friendly_name));
            return Ok(());
        }
    }
}

/// Asks the system to open a link.
fn open_browser(link: &str) -> bool {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let mut command = Command::new(opener);
    command.arg(link).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().is_ok()
}
