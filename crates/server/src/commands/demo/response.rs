//! The server's responses, and the parts of them that the demonstration reads.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use reqwest::StatusCode;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::commands::phone::screen::plain;

/// A response, with its times.
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) text: String,
    pub(super) sent: Instant,
    pub(super) received_at: Instant,
}

/// A resource of which only the SID is read.
#[derive(Deserialize)]
pub(super) struct Created {
    pub(super) sid: String,
}

/// A challenge as the application reads it.
#[derive(Deserialize)]
pub(super) struct ChallengeBody {
    pub(super) sid: String,
    pub(super) status: String,
}

/// The number that the page shows.
#[derive(Deserialize)]
pub(super) struct PresenceBody {
    pub(super) answer: String,
}

/// The API's error body.
#[derive(Deserialize)]
pub(super) struct ErrorBody {
    pub(super) code: i64,
    pub(super) message: String,
}

/// A list of notifications.
#[derive(Deserialize)]
pub(super) struct Notifications {
    pub(super) notifications: Vec<Notification>,
}

/// A notification with its status and its attempts.
#[derive(Deserialize)]
pub(super) struct Notification {
    pub(super) sid: String,
    pub(super) ttl: u16,
    pub(super) automatic: bool,
    pub(super) status: String,
    pub(super) status_reason: Option<String>,
    pub(super) error_code: Option<i64>,
    attempts: Vec<Attempt>,
}

#[derive(Deserialize)]
struct Attempt {
    platform: String,
    outcome: String,
    provider_status: Option<u16>,
    provider_reason: Option<String>,
    duration_ms: u64,
}

impl Response {
    pub(super) fn took(&self) -> Duration {
        self.received_at - self.sent
    }

    pub(super) fn read<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        serde_json::from_str(&self.text)
            .with_context(|| format!("unexpected response: {}", plain(&self.text)))
    }
}

impl Notification {
    /// The status, its reason and its code.
    pub(super) fn status_text(&self) -> String {
        let code = self.error_code.map(|code| code.to_string());
        let more: Vec<_> = self.status_reason.iter().chain(&code).map(String::as_str).collect();
        match more.as_slice() {
            [] => self.status.clone(),
            more => format!("{} ({})", self.status, more.join(", ")),
        }
    }

    pub(super) fn has_status(&self, status: &str, reason: Option<&str>) -> bool {
        self.status == status && self.status_reason.as_deref() == reason
    }

    /// The attempts with the provider's responses.
    pub(super) fn attempts(&self) -> String {
        let attempts: Vec<_> = self.attempts.iter().map(Attempt::to_string).collect();
        if attempts.is_empty() { "no attempt".to_owned() } else { attempts.join("; ") }
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.platform, self.outcome)?;
        if let Some(status) = self.provider_status {
            write!(f, " {status}")?;
        }
        if let Some(reason) = &self.provider_reason {
            write!(f, " {}", plain(reason))?;
        }
        write!(f, " after {} ms", self.duration_ms)
    }
}

/// A JSON object that keeps the order of its members.
pub(super) struct OrderedObject(Vec<(String, Value)>);

impl OrderedObject {
    /// Checks that there are exactly these members, each once.
    pub(super) fn expect_members(&self, names: &[&str]) -> anyhow::Result<()> {
        let mut have: Vec<_> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        let mut wanted = names.to_vec();
        have.sort_unstable();
        wanted.sort_unstable();
        ensure!(have == wanted, "the body should have {wanted:?}, and has {have:?}");
        Ok(())
    }

    pub(super) fn expect_value(&self, name: &str, wanted: &Value) -> anyhow::Result<()> {
        let have = self.0.iter().find(|(have, _)| have == name).map(|(_, value)| value);
        ensure!(have == Some(wanted), "{name} should be {wanted}, and is {have:?}");
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// One member per line.
    pub(super) fn lines(&self, indent: &str) -> String {
        let members: Vec<_> =
            self.0.iter().map(|(name, value)| format!("{indent}  \"{name}\": {value}")).collect();
        format!("{indent}{{\n{}\n{indent}}}", members.join(",\n"))
    }
}

impl<'de> Deserialize<'de> for OrderedObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersInOrder;
        impl<'de> Visitor<'de> for MembersInOrder {
            type Value = OrderedObject;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OrderedObject, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(OrderedObject(members))
            }
        }
        deserializer.deserialize_map(MembersInOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order_and_are_counted() {
        let members: OrderedObject = serde_json::from_str(r#"{"b":1,"a":"x"}"#).unwrap();
        assert_eq!(members.lines(""), "{\n  \"b\": 1,\n  \"a\": \"x\"\n}");
        members.expect_members(&["a", "b"]).unwrap();
        assert!(members.expect_members(&["a"]).is_err());
        assert!(members.expect_members(&["a", "b", "c"]).is_err());
        let twice: OrderedObject = serde_json::from_str(r#"{"a":1,"a":1}"#).unwrap();
        assert!(twice.expect_members(&["a"]).is_err());
        assert!(members.expect_value("a", &"y".into()).is_err());
    }
}
