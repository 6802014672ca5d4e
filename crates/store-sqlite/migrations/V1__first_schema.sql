-- SIDs are 16 bytes, instants are microseconds since 1970, words are those of the domain.
--
-- Every table leads with what it is looked up by. Small rows lie in their primary key (WITHOUT ROWID); rows of several
-- hundred bytes do not, since a B-tree whose inner pages hold whole rows grows tall.
--
-- A CHECK spells three or more words out with OR: for IN, SQLite builds a temporary B-tree at every insertion, which takes
-- as long as the insertion itself.

CREATE TABLE installation (
    id        INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    key_check BLOB,               -- a value that only the right master key can make
    pulse     INTEGER NOT NULL    -- grows whenever somebody asks whether the database takes commands
) STRICT;
INSERT INTO installation (id, pulse) VALUES (1, 0);

CREATE TABLE accounts (
    sid              BLOB    NOT NULL PRIMARY KEY,
    friendly_name    TEXT    NOT NULL,
    primary_sealed   BLOB    NOT NULL,
    primary_hash     BLOB    NOT NULL,
    secondary_sealed BLOB,
    secondary_hash   BLOB,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    CHECK ((secondary_sealed IS NULL) = (secondary_hash IS NULL))
) STRICT;

CREATE TABLE api_keys (
    sid           BLOB    NOT NULL PRIMARY KEY,
    account_sid   BLOB    NOT NULL,
    friendly_name TEXT    NOT NULL,
    hash          BLOB    NOT NULL,
    created_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX api_keys_of_account ON api_keys (account_sid, sid);

CREATE TABLE credentials (
    sid           BLOB    NOT NULL PRIMARY KEY,
    account_sid   BLOB    NOT NULL,
    kind          TEXT    NOT NULL CHECK (kind = 'apn' OR kind = 'fcm' OR kind = 'gcm'),
    friendly_name TEXT,
    sandbox       INTEGER NOT NULL CHECK (sandbox IN (0, 1)),
    key_id        TEXT,
    team_id       TEXT,
    topic         TEXT,
    secrets       BLOB    NOT NULL,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX credentials_of_account ON credentials (account_sid, sid);

CREATE TABLE services (
    sid         BLOB    NOT NULL PRIMARY KEY,
    account_sid BLOB    NOT NULL,
    settings    TEXT    NOT NULL, -- JSON: nothing is ever looked up by a setting
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX services_of_account ON services (account_sid, sid);

CREATE TABLE webhooks (
    service_sid   BLOB    NOT NULL,
    sid           BLOB    NOT NULL,
    account_sid   BLOB    NOT NULL,
    friendly_name TEXT    NOT NULL,
    event_types   TEXT    NOT NULL, -- words with a space between
    url           TEXT    NOT NULL,
    enabled       INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    version       TEXT    NOT NULL CHECK (version IN ('v1', 'v2')),
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    PRIMARY KEY (service_sid, sid)
) STRICT, WITHOUT ROWID;

CREATE TABLE access_tokens (
    service_sid          BLOB    NOT NULL,
    sid                  BLOB    NOT NULL,
    account_sid          BLOB    NOT NULL,
    identity             TEXT    NOT NULL,
    factor_type          TEXT    NOT NULL CHECK (factor_type IN ('push', 'totp')),
    factor_friendly_name TEXT,
    ttl                  INTEGER NOT NULL,
    created_at           INTEGER NOT NULL,
    expires_at           INTEGER NOT NULL,
    used_at              INTEGER,
    PRIMARY KEY (service_sid, sid)
) STRICT, WITHOUT ROWID;
CREATE INDEX access_tokens_by_expiry ON access_tokens (expires_at);

CREATE TABLE entities (
    service_sid  BLOB    NOT NULL,
    identity     TEXT    NOT NULL,
    sid          BLOB    NOT NULL,
    account_sid  BLOB    NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    day_began_at INTEGER NOT NULL, -- of the day in which its factors are counted
    day_factors  INTEGER NOT NULL, -- how many were made in that day, deleted ones included
    PRIMARY KEY (service_sid, identity)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX entities_of_service ON entities (service_sid, sid);

-- That an entity has no two living factors with one key is kept by the command that enrols: one that lapsed counts as
-- gone while its row is still there, which no index can know.
CREATE TABLE factors (
    entity_sid    BLOB    NOT NULL,
    sid           BLOB    NOT NULL,
    service_sid   BLOB    NOT NULL,
    identity      TEXT    NOT NULL,
    account_sid   BLOB    NOT NULL,
    key_sid       BLOB    NOT NULL UNIQUE,
    public_key    BLOB    NOT NULL,
    status        TEXT    NOT NULL CHECK (status IN ('unverified', 'verified')),
    platform      TEXT    NOT NULL CHECK (platform = 'apn' OR platform = 'fcm' OR platform = 'webpush' OR platform = 'stream' OR platform = 'none'),
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    addressed_at  INTEGER NOT NULL, -- when the address was last registered
    friendly_name TEXT    NOT NULL,
    app_id        TEXT    NOT NULL,
    sdk_version   TEXT    NOT NULL,
    token         TEXT,
    metadata      TEXT,
    UNIQUE (entity_sid, sid)
) STRICT;
CREATE INDEX factors_unverified ON factors (created_at) WHERE status = 'unverified';

-- What is needed to judge a challenge comes first in its row, its texts last.
CREATE TABLE challenges (
    sid            BLOB    NOT NULL UNIQUE,
    state          TEXT    NOT NULL CHECK (state = 'pending' OR state = 'approved' OR state = 'denied'),
    expires_at     INTEGER NOT NULL,
    service_sid    BLOB    NOT NULL,
    identity       TEXT    NOT NULL,
    entity_sid     BLOB    NOT NULL,
    factor_sid     BLOB    NOT NULL,
    account_sid    BLOB    NOT NULL,
    factor_type    TEXT    NOT NULL CHECK (factor_type IN ('push', 'totp')),
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    answered_at    INTEGER,
    wrong_answers  INTEGER NOT NULL,
    message        TEXT    NOT NULL,
    fields         TEXT    NOT NULL, -- JSON
    date           INTEGER,
    hidden_details TEXT,             -- JSON
    metadata       TEXT,             -- JSON
    CHECK ((state = 'pending') = (answered_at IS NULL))
) STRICT;
-- The factor is in it so that limits and lists of one factor are counted without a look at the rows.
CREATE INDEX challenges_of_entity ON challenges (entity_sid, sid, factor_sid);

-- The history: large and cold. Ordinal 0 is the automatic one; the others are numbered from 1, so that the greatest
-- ordinal is how many there are.
CREATE TABLE notifications (
    challenge_sid BLOB    NOT NULL,
    ordinal       INTEGER NOT NULL,
    sid           BLOB    NOT NULL,
    ttl           INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    born_on       BLOB    NOT NULL,
    ending        TEXT    CHECK (ending = 'sent' OR ending = 'delivered' OR ending = 'failed' OR ending = 'expired' OR ending = 'cancelled'),
    reason        TEXT,
    code          INTEGER,
    attempts      TEXT    NOT NULL, -- a JSON object per line
    PRIMARY KEY (challenge_sid, ordinal)
) STRICT, WITHOUT ROWID;

-- What is still to be done: small and hot; rows leave it. They wake at the next attempt (due), at the end of the lease
-- (leased), or never before the deadline (parked).
CREATE TABLE deliveries (
    challenge_sid    BLOB    NOT NULL,
    notification_sid BLOB    NOT NULL,
    ordinal          INTEGER NOT NULL,
    factor_sid       BLOB    NOT NULL,
    entity_sid       BLOB    NOT NULL,
    deadline         INTEGER NOT NULL,
    attempts         INTEGER NOT NULL,
    state            TEXT    NOT NULL CHECK (state = 'due' OR state = 'leased' OR state = 'parked'),
    node             BLOB,
    wake_at          INTEGER NOT NULL,
    written          INTEGER NOT NULL CHECK (written IN (0, 1)),
    changed_at       INTEGER NOT NULL,
    PRIMARY KEY (challenge_sid, notification_sid),
    CHECK ((state = 'leased') = (node IS NOT NULL)),
    CHECK (state = 'leased' OR NOT written)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_by_waking ON deliveries (state, wake_at);
-- The next two cost nothing while a delivery is leased from birth to end.
CREATE INDEX deliveries_parked ON deliveries (factor_sid, challenge_sid, deadline) WHERE state = 'parked';
CREATE INDEX deliveries_overdue ON deliveries (deadline) WHERE state = 'due';

-- Deleted services and entities below which there may still be rows for the cleaner.
CREATE TABLE removals (
    kind       TEXT    NOT NULL CHECK (kind IN ('service', 'entity')),
    sid        BLOB    NOT NULL,
    removed_at INTEGER NOT NULL,
    PRIMARY KEY (kind, sid)
) STRICT, WITHOUT ROWID;
