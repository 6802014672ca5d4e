-- SIDs and nodes are 16 bytes (uuid is the type of that size, and compares them as bytes), instants are microseconds since
-- 1970, words are those of the domain.
--
-- Every table leads with what it is looked up by. There is no sequence, and no foreign key: rows outlive their owners until
-- the cleaner comes, and no insertion locks a row of somebody else, so that the tables can be split by entity.

CREATE TABLE installation (
    id        bigint  NOT NULL PRIMARY KEY CHECK (id = 1),
    key_check bytea,               -- a value that only the right master key can make
    pulse     bigint  NOT NULL    -- grows whenever somebody asks whether the database takes commands
);
INSERT INTO installation (id, pulse) VALUES (1, 0);

CREATE TABLE accounts (
    sid              uuid    NOT NULL PRIMARY KEY,
    friendly_name    text    NOT NULL,
    primary_sealed   bytea   NOT NULL,
    primary_hash     bytea   NOT NULL,
    secondary_sealed bytea,
    secondary_hash   bytea,
    created_at       bigint  NOT NULL,
    updated_at       bigint  NOT NULL,
    CHECK ((secondary_sealed IS NULL) = (secondary_hash IS NULL))
);

CREATE TABLE api_keys (
    sid           uuid    NOT NULL PRIMARY KEY,
    account_sid   uuid    NOT NULL,
    friendly_name text    NOT NULL,
    hash          bytea   NOT NULL,
    created_at    bigint  NOT NULL
);
CREATE INDEX api_keys_of_account ON api_keys (account_sid, sid);

CREATE TABLE credentials (
    sid           uuid    NOT NULL PRIMARY KEY,
    account_sid   uuid    NOT NULL,
    kind          text    NOT NULL CHECK (kind IN ('apn', 'fcm', 'gcm')),
    friendly_name text,
    sandbox       boolean NOT NULL,
    key_id        text,
    team_id       text,
    topic         text,
    secrets       bytea   NOT NULL,
    created_at    bigint  NOT NULL,
    updated_at    bigint  NOT NULL
);
CREATE INDEX credentials_of_account ON credentials (account_sid, sid);

CREATE TABLE services (
    sid         uuid    NOT NULL PRIMARY KEY,
    account_sid uuid    NOT NULL,
    settings    text    NOT NULL, -- JSON: nothing is ever looked up by a setting
    created_at  bigint  NOT NULL,
    updated_at  bigint  NOT NULL
);
CREATE INDEX services_of_account ON services (account_sid, sid);

CREATE TABLE webhooks (
    service_sid   uuid    NOT NULL,
    sid           uuid    NOT NULL,
    account_sid   uuid    NOT NULL,
    friendly_name text    NOT NULL,
    event_types   text    NOT NULL, -- words with a space between
    url           text    NOT NULL,
    enabled       boolean NOT NULL,
    version       text    NOT NULL CHECK (version IN ('v1', 'v2')),
    created_at    bigint  NOT NULL,
    updated_at    bigint  NOT NULL,
    PRIMARY KEY (service_sid, sid)
);

CREATE TABLE access_tokens (
    service_sid          uuid    NOT NULL,
    sid                  uuid    NOT NULL,
    account_sid          uuid    NOT NULL,
    identity             text    NOT NULL,
    factor_type          text    NOT NULL CHECK (factor_type IN ('push', 'totp')),
    factor_friendly_name text,
    ttl                  bigint  NOT NULL,
    created_at           bigint  NOT NULL,
    expires_at           bigint  NOT NULL,
    used_at              bigint,
    PRIMARY KEY (service_sid, sid)
);
CREATE INDEX access_tokens_by_expiry ON access_tokens (expires_at);

CREATE TABLE entities (
    service_sid  uuid    NOT NULL,
    identity     text    NOT NULL,
    sid          uuid    NOT NULL,
    account_sid  uuid    NOT NULL,
    created_at   bigint  NOT NULL,
    updated_at   bigint  NOT NULL,
    day_began_at bigint  NOT NULL, -- of the day in which its factors are counted
    day_factors  bigint  NOT NULL, -- how many were made in that day, deleted ones included
    PRIMARY KEY (service_sid, identity)
);
CREATE UNIQUE INDEX entities_of_service ON entities (service_sid, sid);

-- That an entity has no two living factors with one key is kept by the command that enrols: one that lapsed counts as
-- gone while its row is still there, which no index can know.
CREATE TABLE factors (
    entity_sid    uuid    NOT NULL,
    sid           uuid    NOT NULL,
    service_sid   uuid    NOT NULL,
    identity      text    NOT NULL,
    account_sid   uuid    NOT NULL,
    key_sid       uuid    NOT NULL UNIQUE,
    public_key    bytea   NOT NULL,
    status        text    NOT NULL CHECK (status IN ('unverified', 'verified')),
    platform      text    NOT NULL CHECK (platform IN ('apn', 'fcm', 'webpush', 'stream', 'none')),
    created_at    bigint  NOT NULL,
    updated_at    bigint  NOT NULL,
    addressed_at  bigint  NOT NULL, -- when the address was last registered
    friendly_name text    NOT NULL,
    app_id        text    NOT NULL,
    sdk_version   text    NOT NULL,
    token         text,
    metadata      text,
    PRIMARY KEY (entity_sid, sid)
);
CREATE INDEX factors_unverified ON factors (created_at) WHERE status = 'unverified';

-- What is needed to judge a challenge comes first in its row, its texts last.
CREATE TABLE challenges (
    sid            uuid    NOT NULL PRIMARY KEY,
    state          text    NOT NULL CHECK (state IN ('pending', 'approved', 'denied')),
    expires_at     bigint  NOT NULL,
    service_sid    uuid    NOT NULL,
    identity       text    NOT NULL,
    entity_sid     uuid    NOT NULL,
    factor_sid     uuid    NOT NULL,
    account_sid    uuid    NOT NULL,
    factor_type    text    NOT NULL CHECK (factor_type IN ('push', 'totp')),
    created_at     bigint  NOT NULL,
    updated_at     bigint  NOT NULL,
    answered_at    bigint,
    wrong_answers  bigint  NOT NULL,
    message        text    NOT NULL,
    fields         text    NOT NULL, -- JSON
    date           bigint,
    hidden_details text,             -- JSON
    metadata       text,             -- JSON
    CHECK ((state = 'pending') = (answered_at IS NULL))
) WITH (fillfactor = 90); -- an answer stays on the page of its question
-- The factor is in it so that limits and lists of one factor are counted without a look at the rows.
CREATE INDEX challenges_of_entity ON challenges (entity_sid, sid, factor_sid);

-- The history: large and cold. Ordinal 0 is the automatic one; the others are numbered from 1, so that the greatest
-- ordinal is how many there are.
CREATE TABLE notifications (
    challenge_sid uuid    NOT NULL,
    ordinal       bigint  NOT NULL,
    sid           uuid    NOT NULL,
    ttl           bigint  NOT NULL,
    created_at    bigint  NOT NULL,
    updated_at    bigint  NOT NULL,
    born_on       uuid    NOT NULL,
    ending        text    CHECK (ending IN ('sent', 'delivered', 'failed', 'expired', 'cancelled')),
    reason        text,
    code          bigint,
    attempts      text    NOT NULL, -- a JSON object per line
    PRIMARY KEY (challenge_sid, ordinal)
) WITH (fillfactor = 85); -- each row is written once more, when it ends

-- What is still to be done: small and hot; rows leave it. They wake at the next attempt (due), at the end of the lease
-- (leased), or never before the deadline (parked).
CREATE TABLE deliveries (
    challenge_sid    uuid    NOT NULL,
    notification_sid uuid    NOT NULL,
    ordinal          bigint  NOT NULL,
    factor_sid       uuid    NOT NULL,
    entity_sid       uuid    NOT NULL,
    deadline         bigint  NOT NULL,
    attempts         bigint  NOT NULL,
    state            text    NOT NULL CHECK (state IN ('due', 'leased', 'parked')),
    node             uuid,
    wake_at          bigint  NOT NULL,
    written          boolean NOT NULL,
    changed_at       bigint  NOT NULL,
    PRIMARY KEY (challenge_sid, notification_sid),
    CHECK ((state = 'leased') = (node IS NOT NULL)),
    CHECK (state = 'leased' OR NOT written)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX deliveries_by_waking ON deliveries (state, wake_at);
-- The next two cost nothing while a delivery is leased from birth to end.
CREATE INDEX deliveries_parked ON deliveries (factor_sid, challenge_sid, deadline) WHERE state = 'parked';
CREATE INDEX deliveries_overdue ON deliveries (deadline) WHERE state = 'due';

-- Deleted services and entities below which there may still be rows for the cleaner.
CREATE TABLE removals (
    kind       text    NOT NULL CHECK (kind IN ('service', 'entity')),
    sid        uuid    NOT NULL,
    removed_at bigint  NOT NULL,
    PRIMARY KEY (kind, sid)
);
