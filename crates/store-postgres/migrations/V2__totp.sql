-- Factors that prove themselves by codes. They lie beside those with a key, since no column but the owner is common.
CREATE TABLE totp_factors (
    entity_sid    uuid    NOT NULL,
    sid           uuid    NOT NULL,
    service_sid   uuid    NOT NULL,
    identity      text    NOT NULL,
    account_sid   uuid    NOT NULL,
    friendly_name text    NOT NULL,
    status        text    NOT NULL CHECK (status IN ('unverified', 'verified')),
    secret        bytea   NOT NULL,
    alg           text    NOT NULL CHECK (alg IN ('sha1', 'sha256', 'sha512')),
    time_step     bigint  NOT NULL,
    skew          bigint  NOT NULL,
    code_length   bigint  NOT NULL,
    last_step     bigint,          -- of the code accepted last: no other one up to it is
    wrong_codes   bigint  NOT NULL, -- in a row
    created_at    bigint  NOT NULL,
    updated_at    bigint  NOT NULL,
    PRIMARY KEY (entity_sid, sid)
);
CREATE INDEX totp_factors_unverified ON totp_factors (created_at) WHERE status = 'unverified';
