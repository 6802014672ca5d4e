-- The keys that sign tokens of the OpenID provider. All servers of a database share them.
CREATE TABLE signing_keys (
    algorithm  text   NOT NULL,
    version    bigint NOT NULL,
    key        bytea  NOT NULL, -- sealed
    created_at bigint NOT NULL,
    PRIMARY KEY (algorithm, version)
);

-- Questions that clients ask apart from the person's browser, until their answers went back.
CREATE TABLE backchannel_requests (
    id              uuid   NOT NULL PRIMARY KEY, -- half of SHA-256 over the handle
    account_sid     uuid   NOT NULL,
    service_sid     uuid   NOT NULL,
    integration_sid uuid   NOT NULL,
    identity        text   NOT NULL,
    group_sid       uuid   NOT NULL,
    created_at      bigint NOT NULL,
    deadline        bigint NOT NULL, -- from then on the answer is neither fetched nor told
    redeemed_at     bigint,          -- when the approval was fetched
    call            bytea,           -- sealed: what the client is called with
    wake_at         bigint,          -- when the client is called, or a lease ends; NULL: it is not called any more
    attempts        bigint NOT NULL,
    node            uuid             -- which holds the lease
);
CREATE INDEX backchannel_requests_by_deadline ON backchannel_requests (deadline);
CREATE INDEX backchannel_requests_to_call ON backchannel_requests (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX backchannel_requests_of_group ON backchannel_requests (group_sid) WHERE wake_at IS NOT NULL;
