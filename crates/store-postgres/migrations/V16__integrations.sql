-- Systems that ask for approvals by a protocol of their own. A client names its integration by the key.
CREATE TABLE integrations (
    service_sid uuid   NOT NULL,
    sid         uuid   NOT NULL,
    account_sid uuid   NOT NULL,
    kind        text   NOT NULL,
    key         text   NOT NULL,
    secret      bytea  NOT NULL, -- sealed
    settings    text   NOT NULL, -- JSON: nothing is ever looked up by a setting
    created_at  bigint NOT NULL,
    updated_at  bigint NOT NULL,
    PRIMARY KEY (service_sid, sid)
);
CREATE UNIQUE INDEX integrations_by_key ON integrations (key);
CREATE INDEX integrations_by_kind ON integrations (kind, sid);
