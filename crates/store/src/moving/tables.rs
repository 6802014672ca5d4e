//! The list of all tables.

use super::table::{Column, Kind, Table};

const fn id(name: &'static str) -> Column {
    (name, Kind::Id)
}

const fn bytes(name: &'static str) -> Column {
    (name, Kind::Bytes)
}

const fn number(name: &'static str) -> Column {
    (name, Kind::Number)
}

const fn flag(name: &'static str) -> Column {
    (name, Kind::Flag)
}

const fn text(name: &'static str) -> Column {
    (name, Kind::Text)
}

/// All tables except `installation`, whose check value has methods of its own, and the list of migrations.
pub static TABLES: [Table; 27] = [
    Table {
        name: "accounts",
        key: &[id("sid")],
        rest: &[
            text("friendly_name"),
            bytes("primary_sealed"),
            bytes("primary_hash"),
            bytes("secondary_sealed"),
            bytes("secondary_hash"),
            number("created_at"),
            number("updated_at"),
            number("suspended_at"),
        ],
    },
    Table {
        name: "api_keys",
        key: &[id("sid")],
        rest: &[id("account_sid"), text("friendly_name"), bytes("hash"), number("created_at")],
    },
    Table {
        name: "credentials",
        key: &[id("sid")],
        rest: &[
            id("account_sid"),
            text("kind"),
            text("friendly_name"),
            flag("sandbox"),
            text("key_id"),
            text("team_id"),
            text("topic"),
            bytes("secrets"),
            number("created_at"),
            number("updated_at"),
        ],
    },
    Table {
        name: "services",
        key: &[id("sid")],
        rest: &[
            id("account_sid"),
            text("settings"),
            number("created_at"),
            number("updated_at"),
            bytes("logo"),
        ],
    },
    Table {
        name: "webhooks",
        key: &[id("service_sid"), id("sid")],
        rest: &[
            id("account_sid"),
            text("friendly_name"),
            text("event_types"),
            text("url"),
            flag("enabled"),
            text("version"),
            number("created_at"),
            number("updated_at"),
        ],
    },
    Table {
        name: "integrations",
        key: &[id("service_sid"), id("sid")],
        rest: &[
            id("account_sid"),
            text("kind"),
            text("key"),
            bytes("secret"),
            text("settings"),
            number("created_at"),
            number("updated_at"),
        ],
    },
    Table {
        name: "access_tokens",
        key: &[id("service_sid"), id("sid")],
        rest: &[
            id("account_sid"),
            text("identity"),
            text("factor_type"),
            text("factor_friendly_name"),
            text("account_label"),
            number("ttl"),
            number("created_at"),
            number("expires_at"),
            number("used_at"),
        ],
    },
    Table {
        name: "entities",
        key: &[id("service_sid"), id("sid")],
        rest: &[
            text("identity"),
            id("account_sid"),
            number("created_at"),
            number("updated_at"),
            number("day_began_at"),
            number("day_factors"),
            text("label"),
        ],
    },
    Table {
        name: "factors",
        key: &[id("entity_sid"), id("sid")],
        rest: &[
            id("service_sid"),
            text("identity"),
            id("account_sid"),
            id("key_sid"),
            bytes("public_key"),
            text("status"),
            text("platform"),
            number("created_at"),
            number("updated_at"),
            number("addressed_at"),
            text("friendly_name"),
            text("app_id"),
            text("sdk_version"),
            text("token"),
            text("metadata"),
            text("presence"),
        ],
    },
    Table {
        name: "totp_factors",
        key: &[id("entity_sid"), id("sid")],
        rest: &[
            id("service_sid"),
            text("identity"),
            id("account_sid"),
            text("friendly_name"),
            text("status"),
            bytes("secret"),
            text("alg"),
            number("time_step"),
            number("skew"),
            number("code_length"),
            number("last_step"),
            number("wrong_codes"),
            number("created_at"),
            number("updated_at"),
            number("wrong_in_a_row"),
        ],
    },
    Table {
        name: "challenges",
        key: &[id("sid")],
        rest: &[
            text("state"),
            number("expires_at"),
            id("service_sid"),
            text("identity"),
            id("entity_sid"),
            id("factor_sid"),
            id("account_sid"),
            text("factor_type"),
            number("created_at"),
            number("updated_at"),
            number("answered_at"),
            number("wrong_answers"),
            text("message"),
            text("fields"),
            number("date"),
            text("hidden_details"),
            text("metadata"),
            flag("quiet"),
            text("presence"),
            text("answer_reason"),
            text("answer_address"),
            text("answer_country"),
            id("group_sid"),
            id("ended_by"),
        ],
    },
    Table {
        name: "signed_answers",
        key: &[id("challenge_sid")],
        rest: &[text("jws"), bytes("key")],
    },
    Table {
        name: "challenge_groups",
        key: &[id("sid")],
        rest: &[id("entity_sid"), id("last_sid")],
    },
    Table {
        name: "notifications",
        key: &[id("challenge_sid"), number("ordinal")],
        rest: &[
            id("sid"),
            number("ttl"),
            number("created_at"),
            number("updated_at"),
            id("born_on"),
            text("ending"),
            text("reason"),
            number("code"),
            text("attempts"),
        ],
    },
    Table {
        name: "deliveries",
        key: &[id("challenge_sid"), id("notification_sid")],
        rest: &[
            number("ordinal"),
            id("factor_sid"),
            id("entity_sid"),
            number("deadline"),
            number("attempts"),
            text("state"),
            id("node"),
            number("wake_at"),
            flag("written"),
            number("changed_at"),
        ],
    },
    Table { name: "removals", key: &[text("kind"), id("sid")], rest: &[number("removed_at")] },
    Table {
        name: "webhook_calls",
        key: &[id("id")],
        rest: &[
            id("webhook_sid"),
            id("service_sid"),
            id("factor_sid"),
            id("challenge_sid"),
            text("event"),
            text("parameters"),
            number("happened_at"),
            number("deadline"),
            number("attempts"),
            text("state"),
            number("wake_at"),
            id("node"),
            text("last_error"),
            number("number"),
            text("last_response"),
        ],
    },
    Table {
        name: "calls_taken",
        key: &[id("challenge_sid"), id("id")],
        rest: &[
            id("webhook_sid"),
            text("event"),
            number("happened_at"),
            number("attempts"),
            number("taken_at"),
            number("status"),
        ],
    },
    Table {
        name: "sessions_ended",
        key: &[id("account_sid"), id("id")],
        rest: &[number("expires_at")],
    },
    Table {
        name: "protections",
        key: &[id("entity_sid")],
        rest: &[
            number("counts_from"),
            text("reason"),
            number("level"),
            number("paused_until"),
            id("cause"),
        ],
    },
    Table {
        name: "summaries",
        key: &[
            id("account_sid"),
            number("grain"),
            number("begins_at"),
            id("service_sid"),
            text("platform"),
            text("measure"),
            number("bucket"),
        ],
        rest: &[number("count")],
    },
    Table {
        name: "summary_cursors",
        key: &[text("kind"), number("stage")],
        rest: &[id("position")],
    },
    Table {
        name: "provider_tokens",
        key: &[id("key")],
        rest: &[number("version"), bytes("token"), number("signed_at"), number("forced_at")],
    },
    Table {
        name: "operators",
        key: &[id("sid")],
        rest: &[
            id("account_sid"),
            text("name"),
            text("role"),
            text("password"),
            number("created_at"),
            number("updated_at"),
        ],
    },
    Table {
        name: "operator_links",
        key: &[id("operator_sid")],
        rest: &[bytes("hash"), number("expires_at")],
    },
    Table {
        name: "console_sessions",
        key: &[id("id")],
        rest: &[
            id("account_sid"),
            text("opener"),
            id("opener_sid"),
            bytes("secret_hash"),
            text("stage"),
            id("prompt_sid"),
            number("opened_at"),
            number("seen_at"),
            number("expires_at"),
            text("address"),
        ],
    },
    Table {
        name: "audit_entries",
        key: &[id("account_sid"), id("sid")],
        rest: &[
            number("at"),
            text("actor"),
            text("event"),
            text("subject"),
            text("refusal"),
            text("address"),
        ],
    },
];
