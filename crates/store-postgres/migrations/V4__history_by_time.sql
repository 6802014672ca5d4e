-- The history lies in parts by time: each holds what was made in some days, as the SIDs tell, which are ordered by time
-- within their type. What is too old goes by dropping parts instead of deleting rows.
--
-- The parts of days to come are made by the cleaner, ahead of time; what none of them takes lands in `…_rest`, so that no
-- insertion ever fails for want of one.

ALTER TABLE challenges RENAME TO challenges_before;
ALTER INDEX challenges_pkey RENAME TO challenges_before_pkey;
ALTER INDEX challenges_of_entity RENAME TO challenges_before_of_entity;
CREATE TABLE challenges (LIKE challenges_before INCLUDING CONSTRAINTS, PRIMARY KEY (sid)) PARTITION BY RANGE (sid);
CREATE INDEX challenges_of_entity ON challenges (entity_sid, sid, factor_sid);
CREATE TABLE challenges_rest PARTITION OF challenges DEFAULT WITH (fillfactor = 90);

ALTER TABLE notifications RENAME TO notifications_before;
ALTER INDEX notifications_pkey RENAME TO notifications_before_pkey;
CREATE TABLE notifications (LIKE notifications_before INCLUDING CONSTRAINTS, PRIMARY KEY (challenge_sid, ordinal))
    PARTITION BY RANGE (challenge_sid);
CREATE TABLE notifications_rest PARTITION OF notifications DEFAULT WITH (fillfactor = 85);

-- A part for each of the last days that there are challenges of. Behind the byte of its type, a SID has 48 bits of
-- milliseconds.
DO $$
DECLARE
    found record;
    bounds text;
BEGIN
    FOR found IN
        SELECT * FROM (
            SELECT DISTINCT substr(sid::text, 1, 2) AS lead,
                   ('x' || substr(replace(sid::text, '-', ''), 3, 12))::bit(48)::bigint / 86400000 AS day
            FROM challenges_before
        ) AS days
        WHERE lead IN ('02', '03') AND day <= extract(epoch FROM now()) / 86400 ORDER BY day DESC LIMIT 100
    LOOP
        SELECT format('FOR VALUES FROM (%L) TO (%L)', min(edge), max(edge)) INTO bounds
        FROM (SELECT rpad(found.lead || lpad(to_hex(days * 86400000), 12, '0'), 32, '0') AS edge
              FROM unnest(ARRAY[found.day, found.day + 1]) AS days) AS edges;
        EXECUTE format('CREATE TABLE challenges_%s_%s PARTITION OF challenges %s WITH (fillfactor = 90)', found.lead,
                       to_char(to_timestamp(found.day * 86400) AT TIME ZONE 'UTC', 'YYYYMMDD'), bounds);
        IF found.lead = '03' THEN
            EXECUTE format('CREATE TABLE notifications_%s_%s PARTITION OF notifications %s WITH (fillfactor = 85)',
                           found.lead, to_char(to_timestamp(found.day * 86400) AT TIME ZONE 'UTC', 'YYYYMMDD'), bounds);
        END IF;
    END LOOP;
END $$;

INSERT INTO challenges SELECT * FROM challenges_before;
INSERT INTO notifications SELECT * FROM notifications_before;
DROP TABLE challenges_before, notifications_before;
