-- The logo that devices show, a PNG or a JPEG; its format and hash are in the settings. NULL: none.
ALTER TABLE services ADD COLUMN logo bytea;
