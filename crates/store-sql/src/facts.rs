//! The tables whose changes are facts of the transparency log. Each database makes triggers from this list, so that no command, and no
//! server of another release, can change a row without its fact. Challenges and the first delivery of their pushes, which are frequent,
//! have triggers of their own in the databases.

use countersign_domain::fact::Noun;

/// A table whose changes are facts.
#[derive(Debug, Clone, Copy)]
pub struct Traced {
    /// The table.
    pub table: &'static str,
    /// The noun of its rows.
    pub noun: Noun,
    /// The column of the SID.
    pub subject: &'static str,
    /// The column of the account's SID, if there is one.
    pub account: Option<&'static str>,
    /// The column of the service's SID, if there is one.
    pub service: Option<&'static str>,
    /// The column of the person's SID, if there is one.
    pub person: Option<&'static str>,
    /// The column of the time of the insertion, if there is one.
    pub created: Option<&'static str>,
    /// The column of the time of an update, if there is one.
    pub updated: Option<&'static str>,
    /// The columns that the entry commits to: texts, numbers and flags.
    pub members: &'static [&'static str],
    /// Columns of bytes that the entry commits to.
    pub keys: &'static [&'static str],
    /// Further columns whose change is a fact: secrets, which no entry holds.
    pub secrets: &'static [&'static str],
    /// Likewise columns of sealed secrets. That one was sealed anew under another key, as a rotation does, is no fact: then its
    /// first byte changes, and the time of the update does not.
    pub sealed: &'static [&'static str],
}

impl Traced {
    /// A row of the table by its SID, with the times of the insertion and of the last update.
    const fn of(table: &'static str, noun: Noun, members: &'static [&'static str]) -> Self {
        Self {
            table,
            noun,
            subject: "sid",
            account: Some("account_sid"),
            service: None,
            person: None,
            created: Some("created_at"),
            updated: Some("updated_at"),
            members,
            keys: &[],
            secrets: &[],
            sealed: &[],
        }
    }

    const fn in_service(self) -> Self {
        Self { service: Some("service_sid"), ..self }
    }

    const fn of_person(self) -> Self {
        Self { person: Some("entity_sid"), ..self }
    }

    const fn with_secrets(self, secrets: &'static [&'static str]) -> Self {
        Self { secrets, ..self }
    }

    const fn with_sealed(self, sealed: &'static [&'static str]) -> Self {
        Self { sealed, ..self }
    }

    /// All columns whose change is a fact, but the sealed ones.
    pub fn watched(&self) -> impl Iterator<Item = &'static str> {
        [self.members, self.keys, self.secrets].into_iter().flatten().copied()
    }

    /// Whether its rows are unverified at first.
    pub fn is_verified_later(&self) -> bool {
        self.noun == Noun::Factor
    }
}

/// All tables whose changes are facts, but those of challenges.
pub const TRACED: [Traced; 12] = [
    Traced {
        account: Some("sid"),
        ..Traced::of("accounts", Noun::Account, &["friendly_name", "suspended_at"])
            .with_secrets(&["primary_hash", "secondary_hash"])
    },
    Traced {
        updated: None,
        ..Traced::of("api_keys", Noun::ApiKey, &["friendly_name"]).with_secrets(&["hash"])
    },
    Traced::of(
        "credentials",
        Noun::Credential,
        &["kind", "friendly_name", "sandbox", "key_id", "team_id", "topic"],
    )
    .with_sealed(&["secrets"]),
    Traced { service: Some("sid"), ..Traced::of("services", Noun::Service, &["settings"]) },
    Traced::of(
        "webhooks",
        Noun::Webhook,
        &["friendly_name", "event_types", "url", "enabled", "version"],
    )
    .in_service(),
    Traced::of("integrations", Noun::Integration, &["kind", "key", "settings"])
        .in_service()
        .with_sealed(&["secret"]),
    Traced {
        person: Some("sid"),
        ..Traced::of("entities", Noun::Entity, &["identity", "label"]).in_service()
    },
    Traced {
        keys: &["public_key"],
        ..Traced::of(
            "factors",
            Noun::Factor,
            &["identity", "status", "platform", "friendly_name", "app_id"],
        )
        .in_service()
        .of_person()
        .with_secrets(&["token"])
    },
    Traced::of("totp_factors", Noun::Factor, &["identity", "status", "friendly_name", "alg"])
        .in_service()
        .of_person()
        .with_sealed(&["secret"]),
    Traced {
        subject: "entity_sid",
        account: None,
        created: None,
        updated: None,
        ..Traced::of("protections", Noun::Pause, &["reason", "paused_until"]).of_person()
    },
    Traced::of("operators", Noun::Operator, &["name", "role"]).with_secrets(&["password"]),
    Traced {
        created: Some("at"),
        updated: None,
        ..Traced::of(
            "audit_entries",
            Noun::OperatorAction,
            &["actor", "event", "subject", "refusal", "address"],
        )
    },
];

/// The number of this list and of the triggers that are made from it. Part of their names: another number replaces them.
pub const TRIGGERS_VERSION: u32 = 2;
