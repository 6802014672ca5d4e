//! The tables of the transparency log.

use super::table::{Table, bytes, id, number, text};

/// The state of the log.
pub(super) const STATE: Table = Table {
    name: "tlog_state",
    key: &[number("id")],
    rest: &[
        text("origin"),
        bytes("key"),
        number("size"),
        number("pruned"),
        number("published"),
        text("checkpoint"),
    ],
};

/// Facts that are not entries yet.
pub(super) const FACTS: Table = Table {
    name: "tlog_facts",
    key: &[number("number"), id("noise")],
    rest: &[
        text("kind"),
        id("subject"),
        id("account_sid"),
        id("service_sid"),
        id("entity_sid"),
        number("at"),
        text("detail"),
    ],
};

/// Entries.
pub(super) const ENTRIES: Table = Table {
    name: "tlog_entries",
    key: &[number("number")],
    rest: &[
        number("at"),
        text("kind"),
        id("subject"),
        id("account_sid"),
        id("entity_sid"),
        text("entry"),
        bytes("salt"),
        text("opening"),
    ],
};

/// Tiles of hashes.
pub(super) const TILES: Table = Table {
    name: "tlog_tiles",
    key: &[number("level"), number("number")],
    rest: &[bytes("hashes")],
};

/// Challenges whose expiry would be a fact.
pub(super) const WATCHES: Table =
    Table { name: "tlog_watches", key: &[number("expires_at"), id("challenge_sid")], rest: &[] };
