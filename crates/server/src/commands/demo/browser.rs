//! The reader's own browser as a second device: a link to enrol it, and a challenge once it is enrolled.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use countersign_domain::invitation::Invitation;
use serde::Deserialize;

use super::application::Call;
use super::participants::{IDENTITY, Participants, access_token};
use super::response::{ChallengeBody, Created};
use crate::commands::phone::screen::plain;

/// The interval between looks for an enrolled browser.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

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
pub(super) fn show_console(participants: &Participants, link: &str, open: bool) {
    println!(
        "  {}\n\n  {link}\n",
        participants.paint.bold(
            "Look at what happened, in the console; the link signs in once, within ten minutes"
        )
    );
    if open && !open_browser(link) {
        println!("  Cannot open a browser: open the link yourself.\n");
    }
}

/// Shows the link, waits until a browser has enrolled with it, and sends it a challenge.
pub(super) async fn enrol_and_ask(participants: &Participants, open: bool) -> anyhow::Result<()> {
    let key = Call::get(format!(
        "{}/v2/Services/{}/WebPushKey",
        participants.app.base, participants.service
    ));
    let WebPushKey { public_key } = participants.app.expect(&key, 200).await?.read()?;
    let invitation = Invitation {
        service: &participants.service,
        identity: IDENTITY,
        token: &access_token(&participants.app, &participants.service).await?,
        push_key: &public_key,
    };
    let link = invitation.link(&participants.app.base);
    println!(
        "  {}\n\n  {link}\n",
        participants
            .paint
            .bold("Answer in your own browser; the link is good for five minutes, once")
    );
    if open && !open_browser(&link) {
        println!("  Cannot open a browser: open the link yourself.\n");
    }
    let browser = enrolled(participants).await?;
    println!("\n{} has enrolled, and is asked something.", plain(&browser.friendly_name));
    ask(participants, &browser).await
}

/// The first device that is not the phone of the demonstration.
async fn enrolled(participants: &Participants) -> anyhow::Result<Factor> {
    loop {
        let Factors { factors } =
            participants.app.expect(&participants.factors(), 200).await?.read()?;
        let is_new =
            |it: &Factor| it.sid != participants.phone.factor_sid() && it.status == "verified";
        if let Some(factor) = factors.into_iter().find(is_new) {
            return Ok(factor);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

async fn ask(participants: &Participants, browser: &Factor) -> anyhow::Result<()> {
    let fields = [
        ("Details.Fields", r#"{"label":"Place","value":"Lisbon, Portugal"}"#),
        ("Details.Fields", r#"{"label":"Device","value":"Firefox on Linux"}"#),
    ];
    let question = participants.challenge_on(&browser.sid, "Log in to Harbour Bank?", &fields);
    let Created { sid } = participants.app.expect(&question, 201).await?.read()?;
    println!(
        "  To ask it again:\n\n{}\n",
        participants.app.curl(&participants.challenge_on(&browser.sid, "Is it you?", &[]), "  ")
    );
    let url = format!("{}?WaitSeconds=5", participants.challenge_url(&sid));
    loop {
        let read = participants.app.expect(&Call::get(url.clone()), 200).await?;
        let ChallengeBody { status, .. } = read.read().context("a challenge")?;
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
