-- The transparency log of the installation; no row: there is none. Triggers, which the server makes when the log begins, note a fact in
-- the transaction of every change. A background duty makes entries of facts, and tiles of entries.
CREATE TABLE tlog_state (
    id         INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    origin     TEXT    NOT NULL,
    key        BLOB    NOT NULL, -- the seed of the signing key, sealed
    size       INTEGER NOT NULL, -- entries in the tree
    pruned     INTEGER NOT NULL, -- entries before this one may be gone
    published  INTEGER NOT NULL, -- the size of the checkpoint
    checkpoint TEXT              -- the signed note that is served
) STRICT;

-- Facts that are not entries yet, in their order. NULLs: not known, or read from the row of the challenge.
CREATE TABLE tlog_facts (
    number      INTEGER NOT NULL,
    noise       BLOB    NOT NULL,
    kind        TEXT    NOT NULL,
    subject     BLOB    NOT NULL,
    account_sid BLOB,
    service_sid BLOB,
    entity_sid  BLOB,
    at          INTEGER,
    detail      TEXT, -- JSON
    PRIMARY KEY (number, noise)
) STRICT, WITHOUT ROWID;

-- What an entry commits to is in the opening; with the salt it proves what the commitment is of. Both go with the person.
CREATE TABLE tlog_entries (
    number      INTEGER NOT NULL PRIMARY KEY,
    at          INTEGER NOT NULL,
    kind        TEXT    NOT NULL,
    subject     BLOB    NOT NULL,
    account_sid BLOB,
    entity_sid  BLOB,
    entry       TEXT    NOT NULL,
    salt        BLOB,
    opening     TEXT
) STRICT;
CREATE INDEX tlog_entries_of_subject ON tlog_entries (subject, number);
CREATE INDEX tlog_entries_of_account ON tlog_entries (account_sid, number);
CREATE INDEX tlog_entries_of_entity ON tlog_entries (entity_sid) WHERE salt IS NOT NULL;

CREATE TABLE tlog_tiles (
    level  INTEGER NOT NULL,
    number INTEGER NOT NULL,
    hashes BLOB    NOT NULL,
    PRIMARY KEY (level, number)
) STRICT, WITHOUT ROWID;

-- Challenges whose expiry would be a fact.
CREATE TABLE tlog_watches (
    expires_at    INTEGER NOT NULL,
    challenge_sid BLOB    NOT NULL,
    PRIMARY KEY (expires_at, challenge_sid)
) STRICT, WITHOUT ROWID;
