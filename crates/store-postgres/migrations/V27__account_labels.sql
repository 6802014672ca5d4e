-- What devices show in place of an identity. NULL: the identity.
ALTER TABLE entities ADD COLUMN label text;
-- The same of the entity whose device the token enrols.
ALTER TABLE access_tokens ADD COLUMN account_label text;
