//! The steps about notifications: creating one, and reading its status.

use std::time::Instant;

use serde_json::json;

use super::application::Call;
use super::chapter::Chapter;
use super::response::{Created, Notification, Notifications, OrderedObject, Response};
use super::timeline::{millis, short};

/// The properties of a new notification.
const PROPERTIES: [&str; 9] = [
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

impl Chapter<'_> {
    /// Creates a notification, and shows the call and its response. Returns the notification's SID and the start of
    /// the call.
    pub(super) async fn notify_in_full(
        &mut self,
        challenge: &str,
        ttl: u16,
    ) -> anyhow::Result<(String, Instant)> {
        let call = self.participants.notify(challenge, ttl);
        println!("{}", self.participants.app.curl(&call, "    "));
        let (response, sid) = self.make_notification(&call, challenge, ttl).await?;
        let body: OrderedObject = response.read()?;
        self.say(&format!(
            "{} after {}, with {} properties:",
            response.status,
            millis(response.took()),
            body.len()
        ));
        println!("{}\n", body.lines("    "));
        self.time.note(response.sent, "the call");
        self.time.note(response.received_at, format!("{}: {}", response.status, short(&sid)));
        Ok((sid, response.sent))
    }

    /// Creates a notification.
    pub(super) async fn notify(&mut self, challenge: &str, ttl: u16) -> anyhow::Result<String> {
        let call = self.participants.notify(challenge, ttl);
        let (response, sid) = self.make_notification(&call, challenge, ttl).await?;
        self.time.note(response.sent, format!("the application asks for a push with Ttl={ttl}"));
        self.time.note(response.received_at, format!("{}: {}", response.status, short(&sid)));
        Ok(sid)
    }

    async fn make_notification(
        &self,
        call: &Call,
        challenge: &str,
        ttl: u16,
    ) -> anyhow::Result<(Response, String)> {
        let response = self.participants.app.expect(call, 201).await?;
        let body: OrderedObject = response.read()?;
        body.expect_members(&PROPERTIES)?;
        let phone = &self.participants.phone;
        for (name, value) in [
            ("account_sid", json!(self.participants.app.account)),
            ("service_sid", json!(self.participants.service)),
            ("identity", json!(phone.identity())),
            ("challenge_sid", json!(challenge)),
            ("priority", json!("high")),
            ("ttl", json!(ttl)),
        ] {
            body.expect_value(name, &value)?;
        }
        let Created { sid } = response.read()?;
        Ok((response, sid))
    }

    /// Waits until a notification has this status.
    pub(super) async fn expect_status(
        &mut self,
        challenge: &str,
        sid: &str,
        (status, reason): (&str, Option<&str>),
    ) -> anyhow::Result<()> {
        let call = self.participants.notification(challenge, sid);
        let wanted = |response: &Response| {
            let it: Notification = response.read()?;
            Ok(it.has_status(status, reason).then_some(it))
        };
        let it = self.participants.app.until(&call, wanted).await?;
        self.time.note_now(format!("{} reads {}", short(sid), it.status_text()));
        self.time.print();
        Ok(())
    }

    /// Prints the status of all notifications of a challenge, when all are final and the asked one has this status.
    pub(super) async fn expect_final(
        &self,
        challenge: &str,
        asked: &str,
        (status, reason): (&str, Option<&str>),
    ) -> anyhow::Result<Vec<Notification>> {
        let wanted = |response: &Response| {
            let Notifications { notifications: all } = response.read()?;
            let is_settled = all.iter().any(|it| it.sid == asked && it.has_status(status, reason))
                && all
                    .iter()
                    .all(|it| !matches!(it.status.as_str(), "queued" | "sending" | "sent"));
            Ok(is_settled.then_some(all))
        };
        let all = self
            .participants
            .app
            .until(&self.participants.notifications(challenge), wanted)
            .await?;
        self.say("The status of the pushes, as the application reads it:");
        for it in &all {
            let (sid, origin) =
                (short(&it.sid), if it.automatic { "automatic" } else { "asked for" });
            let (ttl, status_text, attempts) = (it.ttl, it.status_text(), it.attempts());
            println!("    {sid}  {origin}  Ttl {ttl:<3}  {status_text}; {attempts}");
        }
        Ok(all)
    }
}
