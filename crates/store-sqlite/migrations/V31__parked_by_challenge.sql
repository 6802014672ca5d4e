-- The parked deliveries of a factor are found by its challenges: an index by factor was written at another place for each push.
CREATE INDEX factors_by_sid ON factors (sid, entity_sid);
DROP INDEX deliveries_parked;
-- Older servers name the index.
UPDATE installation SET serves_from = 31;
