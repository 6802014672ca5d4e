-- Factors that prove themselves by codes. They lie beside those with a key, since no column but the owner is common.
CREATE TABLE totp_factors (
    entity_sid    BLOB    NOT NULL,
    sid           BLOB    NOT NULL,
    service_sid   BLOB    NOT NULL,
    identity      TEXT    NOT NULL,
    account_sid   BLOB    NOT NULL,
    friendly_name TEXT    NOT NULL,
    status        TEXT    NOT NULL CHECK (status IN ('unverified', 'verified')),
    secret        BLOB    NOT NULL,
    alg           TEXT    NOT NULL CHECK (alg = 'sha1' OR alg = 'sha256' OR alg = 'sha512'),
    time_step     INTEGER NOT NULL,
    skew          INTEGER NOT NULL,
    code_length   INTEGER NOT NULL,
    last_step     INTEGER,          -- of the code accepted last: no other one up to it is
    wrong_codes   INTEGER NOT NULL, -- in a row
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    UNIQUE (entity_sid, sid)
) STRICT;
CREATE INDEX totp_factors_unverified ON totp_factors (created_at) WHERE status = 'unverified';
