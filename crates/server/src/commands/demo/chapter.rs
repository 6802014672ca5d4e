//! The steps that the chapters consist of. Each does something over the wire, checks it, and records when it
//! happened.

use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use countersign_phone::jwt::answer_jwt;
use countersign_phone::{ApiError, ChallengeStatus, DeviceKey, PhoneError, Verdict};

use super::application::Call;
use super::connected_phone::{ConnectedPhone, ReceivedPush};
use super::participants::Participants;
use super::response::{ChallengeBody, ErrorBody};
use super::timeline::{Timeline, millis, short};
use super::timeout::within;
use crate::commands::phone::screen::Card;

/// A chapter in progress.
pub(super) struct Chapter<'a> {
    pub(super) participants: &'a Participants,
    pub(super) time: Timeline,
}

/// A challenge that was just created.
pub(super) struct CreatedChallenge {
    pub(super) sid: String,
    pub(super) asked_at: Instant,
}

impl<'a> Chapter<'a> {
    pub(super) fn open(participants: &'a Participants, title: &str) -> Self {
        println!("\n{}\n", participants.paint.bold(title));
        Self { participants, time: Timeline::starting(Instant::now(), participants.paint) }
    }

    pub(super) fn say(&self, text: &str) {
        println!("\n  {text}\n");
    }

    /// Creates a challenge. The timeline starts here.
    pub(super) async fn ask(
        &mut self,
        message: &str,
        more: &[(&'static str, &str)],
    ) -> anyhow::Result<CreatedChallenge> {
        let call = self.participants.challenge(message, more);
        let response = self.participants.app.expect(&call, 201).await?;
        let made: ChallengeBody = response.read()?;
        ensure!(made.status == "pending", "a new challenge reads {}", made.status);
        self.time.restart(response.sent);
        self.time.note(response.sent, format!("the application asks: {message}"));
        let (status, sid) = (response.status, short(&made.sid));
        self.time
            .note(response.received_at, format!("{status}: challenge {sid} is {}", made.status));
        Ok(CreatedChallenge { sid: made.sid, asked_at: response.sent })
    }

    /// Connects the phone.
    pub(super) async fn switch_on(&mut self) -> anyhow::Result<ConnectedPhone> {
        self.time.note_now("the phone is switched on");
        let phone = ConnectedPhone::switch_on(&self.participants.phone).await?;
        self.time.note(phone.linked, "the phone is connected");
        Ok(phone)
    }

    /// Records that a push arrived, and how soon after which event.
    pub(super) fn note_arrival(
        &mut self,
        received: &ReceivedPush,
        which: &str,
        (since, what): (Instant, &str),
    ) {
        let (sid, took) = (short(&received.prompt.notification_sid), millis(received.at - since));
        self.time.note(
            received.at,
            format!("delivered over the stream, {took} after {what}: {sid} ({which})"),
        );
    }

    /// Sends an approval signed with another key, which must be refused.
    pub(super) async fn reject_forged_approval(&mut self, challenge: &str) -> anyhow::Result<()> {
        let reading = async { Ok(self.participants.phone.challenge(challenge).await?) };
        let read = within("the phone to read the challenge", reading).await?;
        let fields =
            read.fields_to_sign.as_deref().context("the challenge names no fields to sign")?;
        let forged = answer_jwt(&DeviceKey::generate()?, &read.body, fields, Verdict::Approved)?;
        let url = self.participants.challenge_url(challenge);
        let response = self
            .participants
            .app
            .expect(&Call::post(url, &[("AuthPayload", &forged)]), 403)
            .await?;
        let ErrorBody { code, message } = response.read()?;
        let status = response.status.as_u16();
        self.time.note(
            response.received_at,
            format!("an approval signed with another key: {status}, {code} {message}"),
        );
        Ok(())
    }

    /// Approves with a number that the page does not show, which must be refused.
    pub(super) async fn reject_number(
        &mut self,
        challenge: &str,
        number: &str,
    ) -> anyhow::Result<()> {
        let phone = &self.participants.phone;
        let answering = async { Ok(phone.approve_with(challenge, number).await) };
        match within("the wrong number to be refused", answering).await? {
            Err(PhoneError::Api(ApiError { status, code, message, .. })) if code == 60_324 => {
                let refusal = format!("{status}, {code} {message}");
                self.time.note_now(format!("an approval with {number}: {refusal}"));
                Ok(())
            }
            other => bail!("the wrong number was not refused: {other:?}"),
        }
    }

    /// Shows the challenge on the phone, and answers it.
    pub(super) async fn answer(
        &mut self,
        challenge: &str,
        verdict: Verdict,
        pushes: usize,
    ) -> anyhow::Result<()> {
        self.show_and_answer(challenge, verdict, None, pushes).await
    }

    /// Shows the challenge on the phone, and approves it with the number that the page shows.
    pub(super) async fn answer_with(
        &mut self,
        challenge: &str,
        number: &str,
        pushes: usize,
    ) -> anyhow::Result<()> {
        self.show_and_answer(challenge, Verdict::Approved, Some(number), pushes).await
    }

    async fn show_and_answer(
        &mut self,
        challenge: &str,
        verdict: Verdict,
        number: Option<&str>,
        pushes: usize,
    ) -> anyhow::Result<()> {
        let (phone, paint) = (&self.participants.phone, self.participants.paint);
        let reading = async { Ok(phone.challenge(challenge).await?) };
        let shown = within("the phone to read the challenge", reading).await?;
        ensure!(shown.status == ChallengeStatus::Pending, "the challenge reads {}", shown.status);
        let after = if pushes == 1 { "one push".to_owned() } else { format!("{pushes} pushes") };
        self.time.note_now(format!("the phone shows it, once after {after}:"));
        self.time.print();
        println!("\n{}\n", Card::new(phone, &shown, paint));

        let answering = async {
            match number {
                None => phone.send_answer(&shown, verdict).await?,
                Some(number) => phone.send_number(&shown, number).await?,
            }
            Ok(())
        };
        within("the answer to be taken", answering).await?;
        let with = number.map(|number| format!(" with {number}")).unwrap_or_default();
        self.time.note_now(format!(
            "{verdict}{with}, signed with the phone’s key; the server accepted the signature"
        ));
        let call = Call::get(self.participants.challenge_url(challenge));
        let read: ChallengeBody = self.participants.app.expect(&call, 200).await?.read()?;
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
