//! The steps of the story that are about notifications: asking for one, and reading what became of it.

use std::time::Instant;

use serde_json::json;

use super::application::Call;
use super::reply::{Made, Members, Notification, Notifications, Reply};
use super::scene::Scene;
use super::timeline::{millis, short};

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

impl Scene<'_> {
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
