-- The tokens by which all servers push with a key of Apple's, sealed. One that is replaced has the next version.
CREATE TABLE provider_tokens (
    key BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    token BLOB NOT NULL,
    signed_at INTEGER NOT NULL,
    forced_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX provider_tokens_by_age ON provider_tokens (signed_at);
