-- The hash of the code that a person types in place of the enrolment link. NULL: the token has none.
ALTER TABLE access_tokens ADD COLUMN code_hash BLOB;
CREATE INDEX access_tokens_by_code ON access_tokens (code_hash) WHERE code_hash IS NOT NULL;
