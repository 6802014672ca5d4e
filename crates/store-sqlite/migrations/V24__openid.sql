-- The keys that sign tokens of the OpenID provider. All servers of a database share them.
CREATE TABLE signing_keys (
    algorithm  TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    key        BLOB    NOT NULL, -- sealed
    created_at INTEGER NOT NULL,
    PRIMARY KEY (algorithm, version)
) STRICT, WITHOUT ROWID;

-- Questions that clients ask apart from the person's browser, until their answers went back.
CREATE TABLE backchannel_requests (
    id              BLOB    NOT NULL PRIMARY KEY, -- half of SHA-256 over the handle
    account_sid     BLOB    NOT NULL,
    service_sid     BLOB    NOT NULL,
    integration_sid BLOB    NOT NULL,
    identity        TEXT    NOT NULL,
    group_sid       BLOB    NOT NULL,
    created_at      INTEGER NOT NULL,
    deadline        INTEGER NOT NULL, -- from then on the answer is neither fetched nor told
    redeemed_at     INTEGER,          -- when the approval was fetched
    call            BLOB,             -- sealed: what the client is called with
    wake_at         INTEGER,          -- when the client is called, or a lease ends; NULL: it is not called any more
    attempts        INTEGER NOT NULL,
    node            BLOB              -- which holds the lease
) STRICT, WITHOUT ROWID;
CREATE INDEX backchannel_requests_by_deadline ON backchannel_requests (deadline);
CREATE INDEX backchannel_requests_to_call ON backchannel_requests (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX backchannel_requests_of_group ON backchannel_requests (group_sid) WHERE wake_at IS NOT NULL;
