//! What the chapters of the story are made of: each step does something over the wire, checks it, and notes when it
//! happened.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use countersign_phone::jwt::answer_jwt;
use countersign_phone::{ChallengeStatus, DeviceKey, Verdict};
use serde_json::json;

use super::application::Call;
use super::handset::{Handset, Heard};
use super::reply::{ChallengeRead, Made, Members, Notification, Notifications, Refusal, Reply};
use super::stage::Stage;
use super::timeline::{Timeline, millis, short};
use super::within;
use crate::commands::phone::screen::Card;

/// What a new notification's body consists of.
const NINE: [&str; 9] = [
    "sid",
    "account_sid",
    "service_sid",
    "entity_sid",
    "identity",
    "challenge_sid",
    "priority",
    "ttl",
    "date_created",
];

/// One chapter under way.
pub(super) struct Scene<'a> {
    stage: &'a Stage,
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

    /// Asks for one more push, and shows the call and its answer as they are. Returns the notification's SID and when
    /// it was asked for.
    pub(super) async fn notify_in_full(
        &mut self,
        challenge: &str,
        ttl: u16,
    ) -> anyhow::Result<(String, Instant)> {
        let call = self.stage.notify(challenge, ttl);
        println!("{}", self.stage.app.curl(&call, "    "));
        let (reply, sid) = self.make_notification(&call, challenge, ttl).await?;
        let body: Members = reply.read()?;
        self.say(&format!(
            "{} after {}, with {} properties:",
            reply.status,
            millis(reply.took()),
            body.len()
        ));
        println!("{}\n", body.lines("    "));
        self.time.note(reply.sent, "the call");
        self.time.note(reply.came, format!("{}: {}", reply.status, short(&sid)));
        Ok((sid, reply.sent))
    }

    /// Asks for one more push.
    pub(super) async fn notify(&mut self, challenge: &str, ttl: u16) -> anyhow::Result<String> {
        let call = self.stage.notify(challenge, ttl);
        let (reply, sid) = self.make_notification(&call, challenge, ttl).await?;
        self.time.note(reply.sent, format!("the application asks for a push with Ttl={ttl}"));
        self.time.note(reply.came, format!("{}: {}", reply.status, short(&sid)));
        Ok(sid)
    }

    async fn make_notification(
        &self,
        call: &Call,
        challenge: &str,
        ttl: u16,
    ) -> anyhow::Result<(Reply, String)> {
        let reply = self.stage.app.expect(call, 201).await?;
        let body: Members = reply.read()?;
        body.must_be(&NINE)?;
        let phone = &self.stage.phone;
        for (name, value) in [
            ("account_sid", json!(self.stage.app.account)),
            ("service_sid", json!(self.stage.service)),
            ("identity", json!(phone.identity())),
            ("challenge_sid", json!(challenge)),
            ("priority", json!("high")),
            ("ttl", json!(ttl)),
        ] {
            body.must_read(name, &value)?;
        }
        let Made { sid } = reply.read()?;
        Ok((reply, sid))
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
            format!("delivered over the stream, {took} after {what}: {sid}, {which}"),
        );
    }

    /// Waits until a notification stands there.
    pub(super) async fn stands(
        &mut self,
        challenge: &str,
        sid: &str,
        (status, reason): (&str, Option<&str>),
    ) -> anyhow::Result<()> {
        let call = self.stage.notification(challenge, sid);
        let wished = |reply: &Reply| {
            let it: Notification = reply.read()?;
            Ok(it.stands(status, reason).then_some(it))
        };
        let it = self.stage.app.until(&call, wished).await?;
        self.time.note_now(format!("{} reads {}", short(sid), it.standing()));
        self.time.print();
        Ok(())
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

    /// Prints what became of all notifications of a challenge. The asked one must stand there in the end.
    pub(super) async fn what_became(
        &self,
        challenge: &str,
        asked: &str,
        (status, reason): (&str, Option<&str>),
    ) -> anyhow::Result<Vec<Notification>> {
        let wished = |reply: &Reply| {
            let Notifications { notifications: all } = reply.read()?;
            let is_settled = all.iter().any(|it| it.sid == asked && it.stands(status, reason))
                && all
                    .iter()
                    .all(|it| !matches!(it.status.as_str(), "queued" | "sending" | "sent"));
            Ok(is_settled.then_some(all))
        };
        let all = self.stage.app.until(&self.stage.notifications(challenge), wished).await?;
        self.say("What became of the pushes, as the application reads it:");
        for it in &all {
            let (sid, origin) =
                (short(&it.sid), if it.automatic { "automatic" } else { "asked for" });
            let (ttl, standing, attempts) = (it.ttl, it.standing(), it.attempts());
            println!("    {sid}  {origin}  Ttl {ttl:<3}  {standing}; {attempts}");
        }
        Ok(all)
    }
}
