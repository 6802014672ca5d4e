-- Persons who use the console of an account.
CREATE TABLE operators (
    sid         uuid NOT NULL PRIMARY KEY,
    account_sid uuid NOT NULL,
    name        text NOT NULL UNIQUE,
    role        text NOT NULL CHECK (role = 'read' OR role = 'operate' OR role = 'admin'),
    password    text, -- its hash, in the PHC format
    created_at  bigint NOT NULL,
    updated_at  bigint NOT NULL
);
CREATE INDEX operators_of_account ON operators (account_sid, sid);

-- The newest link that signs an operator in, once.
CREATE TABLE operator_links (
    operator_sid uuid NOT NULL PRIMARY KEY,
    hash         bytea NOT NULL UNIQUE,
    expires_at   bigint NOT NULL
);

-- Sessions of the console. The cookie is a secret that the id is the hash of. These replace sessions_ended, which older servers use.
CREATE TABLE console_sessions (
    id          uuid NOT NULL PRIMARY KEY,
    account_sid uuid NOT NULL,
    opener      text NOT NULL CHECK (opener = 'account' OR opener = 'api_key' OR opener = 'operator'),
    opener_sid  uuid NOT NULL,
    secret_hash bytea, -- of the token or the API key
    stage       text NOT NULL CHECK (stage IN ('half', 'open')),
    prompt_sid  uuid,
    opened_at   bigint NOT NULL,
    seen_at     bigint NOT NULL,
    expires_at  bigint NOT NULL,
    address     text
);
CREATE INDEX console_sessions_of_account ON console_sessions (account_sid, opened_at);
CREATE INDEX console_sessions_of_opener ON console_sessions (opener_sid, opened_at);
CREATE INDEX console_sessions_by_expiry ON console_sessions (expires_at);

-- What was done at the console, by whom.
CREATE TABLE audit_entries (
    account_sid uuid NOT NULL,
    sid         uuid NOT NULL,
    at          bigint NOT NULL,
    actor       text NOT NULL,
    event       text NOT NULL,
    subject     text,
    refusal     text,
    address     text,
    PRIMARY KEY (account_sid, sid)
);
CREATE INDEX audit_entries_by_time ON audit_entries (at);
