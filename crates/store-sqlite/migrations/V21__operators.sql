-- Persons who use the console of an account.
CREATE TABLE operators (
    sid         BLOB    NOT NULL PRIMARY KEY,
    account_sid BLOB    NOT NULL,
    name        TEXT    NOT NULL UNIQUE,
    role        TEXT    NOT NULL CHECK (role = 'read' OR role = 'operate' OR role = 'admin'),
    password    TEXT, -- its hash, in the PHC format
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX operators_of_account ON operators (account_sid, sid);

-- The newest link that signs an operator in, once.
CREATE TABLE operator_links (
    operator_sid BLOB    NOT NULL PRIMARY KEY,
    hash         BLOB    NOT NULL UNIQUE,
    expires_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Sessions of the console. The cookie is a secret that the id is the hash of. These replace sessions_ended, which older servers use.
CREATE TABLE console_sessions (
    id          BLOB    NOT NULL PRIMARY KEY,
    account_sid BLOB    NOT NULL,
    opener      TEXT    NOT NULL CHECK (opener = 'account' OR opener = 'api_key' OR opener = 'operator'),
    opener_sid  BLOB    NOT NULL,
    secret_hash BLOB, -- of the token or the API key
    stage       TEXT    NOT NULL CHECK (stage IN ('half', 'open')),
    prompt_sid  BLOB,
    opened_at   INTEGER NOT NULL,
    seen_at     INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    address     TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX console_sessions_of_account ON console_sessions (account_sid, opened_at);
CREATE INDEX console_sessions_of_opener ON console_sessions (opener_sid, opened_at);
CREATE INDEX console_sessions_by_expiry ON console_sessions (expires_at);

-- What was done at the console, by whom.
CREATE TABLE audit_entries (
    account_sid BLOB    NOT NULL,
    sid         BLOB    NOT NULL,
    at          INTEGER NOT NULL,
    actor       TEXT    NOT NULL,
    event       TEXT    NOT NULL,
    subject     TEXT,
    refusal     TEXT,
    address     TEXT,
    PRIMARY KEY (account_sid, sid)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_entries_by_time ON audit_entries (at);
