-- The tokens by which all servers push with a key of Apple's, sealed. One that is replaced has the next version.
CREATE TABLE provider_tokens (
    key uuid NOT NULL PRIMARY KEY,
    version bigint NOT NULL,
    token bytea NOT NULL,
    signed_at bigint NOT NULL,
    forced_at bigint
);
CREATE INDEX provider_tokens_by_age ON provider_tokens (signed_at);
