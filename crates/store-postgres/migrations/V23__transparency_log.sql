-- The transparency log of the installation; no row: there is none. Triggers, which the server makes when the log begins, note a fact in
-- the transaction of every change. A background duty makes entries of facts, and tiles of entries.
CREATE TABLE tlog_state (
    id         bigint NOT NULL PRIMARY KEY CHECK (id = 1),
    origin     text    NOT NULL,
    key        bytea    NOT NULL, -- the seed of the signing key, sealed
    size       bigint NOT NULL, -- entries in the tree
    pruned     bigint NOT NULL, -- entries before this one may be gone
    published  bigint NOT NULL, -- the size of the checkpoint
    checkpoint text              -- the signed note that is served
);

-- Facts that are not entries yet, in their order. NULLs: not known, or read from the row of the challenge.
CREATE TABLE tlog_facts (
    number      bigint NOT NULL,
    noise       uuid    NOT NULL,
    kind        text    NOT NULL,
    subject     uuid    NOT NULL,
    account_sid uuid,
    service_sid uuid,
    entity_sid  uuid,
    at          bigint,
    detail      text, -- JSON
    PRIMARY KEY (number, noise)
);

-- What an entry commits to is in the opening; with the salt it proves what the commitment is of. Both go with the person.
CREATE TABLE tlog_entries (
    number      bigint NOT NULL PRIMARY KEY,
    at          bigint NOT NULL,
    kind        text    NOT NULL,
    subject     uuid    NOT NULL,
    account_sid uuid,
    entity_sid  uuid,
    entry       text    NOT NULL,
    salt        bytea,
    opening     text
);
CREATE INDEX tlog_entries_of_subject ON tlog_entries (subject, number);
CREATE INDEX tlog_entries_of_account ON tlog_entries (account_sid, number);
CREATE INDEX tlog_entries_of_entity ON tlog_entries (entity_sid) WHERE salt IS NOT NULL;

CREATE TABLE tlog_tiles (
    level  bigint NOT NULL,
    number bigint NOT NULL,
    hashes bytea    NOT NULL,
    PRIMARY KEY (level, number)
);

-- Challenges whose expiry would be a fact.
CREATE TABLE tlog_watches (
    expires_at    bigint NOT NULL,
    challenge_sid uuid    NOT NULL,
    PRIMARY KEY (expires_at, challenge_sid)
);
