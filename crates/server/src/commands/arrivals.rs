//! What arrives at the stand-ins, a line each. No line holds a token, a key, or what a person is asked.

use std::fmt::Write as _;

use countersign_standins::{Ledger, Running, apns, fcm, webhook, webpush};
use serde_json::Value;

/// Prints a line for each push and each call of a webhook that arrives, for ever.
pub(super) async fn print(running: &Running) {
    tokio::join!(
        follow(running.apns.pushes(), of_apple),
        follow(running.fcm.messages(), of_google),
        follow(running.web_push.pushes(), of_browser),
        follow(running.webhook.events(), of_webhook),
    );
}

async fn follow<T: Clone>(ledger: &Ledger<T>, line: impl Fn(&T) -> String) {
    let mut seen = 0;
    loop {
        let (new, total) = ledger.after(seen).await;
        new.iter().for_each(|entry| println!("{}", line(entry)));
        seen = total;
    }
}

fn of_apple(push: &apns::Push) -> String {
    let mut line = begin("Apple", push.at, push.status);
    if let Some(reason) = push.reason {
        let _ = write!(line, "  {}", reason.as_str());
    }
    let topic = push.topic.as_deref().unwrap_or("none");
    let _ = write!(line, "  topic {}  device {}", plain(topic), short(&push.token));
    challenge(line, &push.payload)
}

fn of_google(message: &fcm::Message) -> String {
    let mut line = begin("Google", message.at, message.status);
    if let Some(error) = message.error {
        let _ = write!(line, "  {error:?}");
    }
    if message.validate_only {
        line.push_str("  looked at only");
    }
    let _ = write!(line, "  device {}", short(&message.token));
    challenge(line, &Value::Object(message.data.clone()))
}

fn of_browser(push: &webpush::Push) -> String {
    let mut line = begin("browser", push.at, push.status);
    if let Some(fault) = push.fault {
        let _ = write!(line, "  {fault}");
    }
    let _ = write!(line, "  subscription {}", short(&push.subscription));
    challenge(line, &push.payload)
}

fn of_webhook(event: &webhook::Event) -> String {
    let mut line = begin("webhook", event.at, event.status);
    for name in ["type", "factor_sid", "challenge_sid"] {
        let value = event.field(name);
        if !value.is_empty() {
            let _ = write!(line, "  {}", plain(value));
        }
    }
    line
}

/// The time of day, who was called, and the answer's status.
fn begin(whom: &str, at: i64, status: Option<u16>) -> String {
    let second = at.rem_euclid(86_400);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let status = status.map_or("no answer".to_owned(), |status| status.to_string());
    format!("{hour:02}:{minute:02}:{second:02}Z  {whom:<8} {status}")
}

fn challenge(mut line: String, payload: &Value) -> String {
    if let Some(sid) = payload["challenge_sid"].as_str() {
        let _ = write!(line, "  challenge {}", plain(sid));
    }
    line
}

/// As much of a device's address as tells two of them apart.
fn short(address: &str) -> String {
    let begin: String = plain(address).chars().take(8).collect();
    format!("{begin}…")
}

/// Text of a caller, on one line, and not longer than a SID.
fn plain(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).take(64).collect()
}
