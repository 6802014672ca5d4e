-- Systems that ask for approvals by a protocol of their own. A client names its integration by the key.
CREATE TABLE integrations (
    service_sid BLOB    NOT NULL,
    sid         BLOB    NOT NULL,
    account_sid BLOB    NOT NULL,
    kind        TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    secret      BLOB    NOT NULL, -- sealed
    settings    TEXT    NOT NULL, -- JSON: nothing is ever looked up by a setting
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    PRIMARY KEY (service_sid, sid)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX integrations_by_key ON integrations (key);
CREATE INDEX integrations_by_kind ON integrations (kind, sid);
