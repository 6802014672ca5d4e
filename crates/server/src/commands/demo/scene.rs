//! What the chapters of the story are made of: each step does something over the wire, checks it, and notes when it
//! happened.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use countersign_phone::jwt::answer_jwt;
use countersign_phone::{ChallengeStatus, DeviceKey, Verdict};

use super::application::Call;
use super::handset::{Handset, Heard};
use super::reply::{ChallengeRead, Refusal};
use super::stage::Stage;
use super::timeline::{Timeline, millis, short};
use super::timeout::within;
use crate::commands::phone::screen::Card;

/// One chapter under way.
pub(super) struct Scene<'a> {
    pub(super) stage: &'a Stage,
    pub(super) time: Timeline,
}

/// A challenge that was just made.
pub(super) struct Asked {
    pub(super) sid: String,
    pub(super) asked_at: Instant,
}

impl<'a> Scene<'a> {
    pub(super) fn open(stage: &'a Stage, title: &str) -> Self {
        println!("\n{}\n", stage.paint.bold(title));
        Self { stage, time: Timeline::starting(Instant::now(), stage.paint) }
    }

    pub(super) fn say(&self, text: &str) {
        println!("\n  {text}\n");
    }

    /// The application asks the person something. Time starts here.
    pub(super) async fn ask(
        &mut self,
        message: &str,
        more: &[(&'static str, &str)],
    ) -> anyhow::Result<Asked> {
        let call = self.stage.challenge(message, more);
        let reply = self.stage.app.expect(&call, 201).await?;
        let made: ChallengeRead = reply.read()?;
        ensure!(made.status == "pending", "a new challenge reads {}", made.status);
        self.time.restart(reply.sent);
        self.time.note(reply.sent, format!("the application asks: {message}"));
        let (status, sid) = (reply.status, short(&made.sid));
        self.time.note(reply.came, format!("{status}: challenge {sid} is {}", made.status));
        Ok(Asked { sid: made.sid, asked_at: reply.sent })
    }

    /// The phone comes on.
    pub(super) async fn switch_on(&mut self) -> anyhow::Result<Handset> {
        self.time.note_now("the phone comes on");
        let handset = Handset::switch_on(&self.stage.phone).await?;
        self.time.note(handset.linked, "the phone is connected");
        Ok(handset)
    }

    /// Notes that a push came, and how soon after what.
    pub(super) fn came(&mut self, heard: &Heard, which: &str, (since, what): (Instant, &str)) {
        let (sid, took) = (short(&heard.prompt.notification_sid), millis(heard.at - since));
        self.time.note(
            heard.at,
            format!("delivered over the stream, {took} after {what}: {sid} ({which})"),
        );
    }

    /// Somebody approves with a key of their own, and is refused.
    pub(super) async fn forge(&mut self, challenge: &str) -> anyhow::Result<()> {
        let reading = async { Ok(self.stage.phone.challenge(challenge).await?) };
        let read = within("the phone to read the challenge", reading).await?;
        let fields = read.fields_to_sign.as_deref().context("nothing says what is to be signed")?;
        let forged = answer_jwt(&DeviceKey::generate()?, &read.body, fields, Verdict::Approved)?;
        let url = self.stage.challenge_url(challenge);
        let reply =
            self.stage.app.expect(&Call::post(url, &[("AuthPayload", &forged)]), 403).await?;
        let Refusal { code, message } = reply.read()?;
        let status = reply.status.as_u16();
        self.time.note(
            reply.came,
            format!("an approval signed with another key: {status}, {code} {message}"),
        );
        Ok(())
    }

    /// The phone shows the challenge, and the person answers.
    pub(super) async fn answer(
        &mut self,
        challenge: &str,
        verdict: Verdict,
        pushes: usize,
    ) -> anyhow::Result<()> {
        let (phone, paint) = (&self.stage.phone, self.stage.paint);
        let reading = async { Ok(phone.challenge(challenge).await?) };
        let shown = within("the phone to read the challenge", reading).await?;
        ensure!(shown.status == ChallengeStatus::Pending, "the challenge reads {}", shown.status);
        let after = if pushes == 1 { "one push".to_owned() } else { format!("{pushes} pushes") };
        self.time.note_now(format!("the phone shows it, once after {after}:"));
        self.time.print();
        println!("\n{}\n", Card::new(phone, &shown, paint));

        let answering = async { Ok(phone.send_answer(&shown, verdict).await?) };
        within("the answer to be taken", answering).await?;
        self.time.note_now(format!(
            "{verdict}, signed with the phone’s key; the server took the signature"
        ));
        let call = Call::get(self.stage.challenge_url(challenge));
        let read: ChallengeRead = self.stage.app.expect(&call, 200).await?.read()?;
        ensure!(
            read.sid == challenge && read.status == verdict.as_str(),
            "it reads {}",
            read.status
        );
        let status = paint.verdict(verdict.status());
        self.time.note_now(format!("the application reads the challenge: {status}"));
        self.time.print();
        Ok(())
    }
}
