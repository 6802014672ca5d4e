//! Prints the calls that arrive at the stand-ins, one per line. No line holds a token, a key, or the text of a
//! challenge.

use std::fmt::Write as _;

use countersign_standins::{Ledger, Running, apns, fcm, webhook, webpush};
use serde_json::Value;

/// Prints a line for each push and each webhook call that arrives; never ends.
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
        line.push_str("  validated only");
    }
    let _ = write!(line, "  device {}", short(&message.token));
    challenge(line, &Value::Object(message.data.clone()))
}

fn of_browser(push: &webpush::Push) -> String {
    let mut line = begin("browser", push.at, push.status);
    if let Some(reason) = push.refusal {
        let _ = write!(line, "  {reason}");
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

/// The time of day, the called service, and the response's status.
fn begin(whom: &str, at: i64, status: Option<u16>) -> String {
    let second = at.rem_euclid(86_400);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let status = status.map_or("no response".to_owned(), |status| status.to_string());
    format!("{hour:02}:{minute:02}:{second:02}Z  {whom:<8} {status}")
}

fn challenge(mut line: String, payload: &Value) -> String {
    if let Some(sid) = payload["challenge_sid"].as_str() {
        let _ = write!(line, "  challenge {}", plain(sid));
    }
    line
}

/// The first characters of a device's address, to tell devices apart.
fn short(address: &str) -> String {
    let begin: String = plain(address).chars().take(8).collect();
    format!("{begin}…")
}

/// A caller's text on one line, at most 64 characters.
fn plain(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).take(64).collect()
}
