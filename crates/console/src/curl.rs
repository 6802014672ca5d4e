//! A challenge as a command of a shell. Secrets are variables that the reader sets.

use countersign_domain::challenge::Challenge;
use countersign_domain::factor::FactorType;

use crate::views::marked;

/// The commands.
pub(crate) struct Commands {
    /// Asks the same again.
    pub(crate) create: String,
    /// Reads the challenge.
    pub(crate) fetch: String,
}

impl Commands {
    /// The commands for a server with this public URL.
    pub(crate) fn of(challenge: &Challenge, public_url: &str) -> Self {
        let owner = &challenge.owner;
        let list = format!(
            "{public_url}/v2/Services/{}/Entities/{}/Challenges",
            owner.service,
            url::form_urlencoded::byte_serialize(owner.identity.as_str().as_bytes())
                .collect::<String>()
        );
        let user = format!("-u \"{}:$AUTH_TOKEN\"", owner.account);
        let mut create = vec![
            format!("curl -X POST {}", quoted(&list)),
            user.clone(),
            field("FactorSid", &challenge.factor.to_string()),
        ];
        if let Some(message) = &challenge.details.message {
            create.push(field("Details.Message", message.as_str()));
        }
        for asked in &challenge.details.fields {
            let json = serde_json::json!({ "label": asked.label, "value": asked.value });
            create.push(field("Details.Fields", &json.to_string()));
        }
        if challenge.hidden_details.is_some() {
            create.push("--data-urlencode \"HiddenDetails=$HIDDEN_DETAILS\"".to_owned());
        }
        if let Some(presence) = challenge.presence.as_deref() {
            create.push(field("Presence", presence.mode()));
        }
        if challenge.factor_type == FactorType::Totp {
            create.push("--data-urlencode \"AuthPayload=$CODE\"".to_owned());
        }
        let fetch = [format!("curl {}", quoted(&format!("{list}/{}", challenge.sid))), user];
        Self { create: create.join(" \\\n  "), fetch: fetch.join(" \\\n  ") }
    }
}

fn field(name: &str, value: &str) -> String {
    format!("--data-urlencode {}", quoted(&format!("{name}={value}")))
}

/// A text as one word of a shell. A text with characters that nobody sees has them spelled out.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| {
        c != '\n' && c != '\t' && marked(c.encode_utf8(&mut [0; 4])).len() == c.len_utf8()
    };
    if text.chars().all(is_plain) {
        return format!("'{}'", text.replace('\'', "'\\''"));
    }
    let mut word = String::from("$'");
    for c in text.chars() {
        match c {
            '\'' | '\\' => word.extend(['\\', c]),
            '\n' => word.push_str("\\n"),
            c if is_plain(c) => word.push(c),
            c => word.push_str(&format!("\\U{:08X}", u32::from(c))),
        }
    }
    word.push('\'');
    word
}

#[cfg(test)]
mod tests {
    use countersign_domain::challenge::{Details, Field};
    use countersign_domain::presence::{Presence, PresenceNumber, PresenceProof};
    use countersign_domain::text::{Message, StringMap};
    use countersign_testkit::Fixtures;

    use super::*;

    #[test]
    fn a_challenge_is_a_command_without_its_secrets() {
        let make = Fixtures::new(1);
        let service = make.service(&make.account());
        let factor = make.factor(&make.entity(&service, &make.identity()).owner);
        let field = Field { label: "Place".to_owned(), value: "“Café” 'Süd'".to_owned() };
        let challenge = make.challenge(&factor);
        let answer = PresenceNumber::new(42).unwrap();
        let challenge = Challenge {
            details: Details {
                message: Message::parse("It's $HOME; `id` \\\nok?").ok(),
                fields: vec![field],
                date: None,
            },
            hidden_details: StringMap::parse(r#"{"ip":"hidden-192.0.2.9"}"#).ok(),
            presence: Some(Box::new(Presence::new(PresenceProof::Number { answer }))),
            ..challenge
        };
        let Commands { create, fetch } = Commands::of(&challenge, "https://verify.example.com");
        assert!(create.starts_with("curl -X POST 'https://verify.example.com/v2/Services/VA"));
        for part in [
            "$'Details.Message=It\\'s $HOME; `id` \\\\\\nok?'",
            "'Details.Fields={\"label\":\"Place\",\"value\":\"“Café” '\\''Süd'\\''\"}'",
            "\"HiddenDetails=$HIDDEN_DETAILS\"",
            "'Presence=number'",
            ":$AUTH_TOKEN\"",
        ] {
            assert!(create.contains(part), "{part} is not in {create}");
        }
        for secret in ["hidden-192.0.2.9", "42'"] {
            assert!(!create.contains(secret), "{secret}");
        }
        assert!(fetch.contains(&format!("/Challenges/{}'", challenge.sid)), "{fetch}");
        assert_eq!(quoted("a\u{202e}b"), "$'a\\U0000202Eb'");
    }
}
