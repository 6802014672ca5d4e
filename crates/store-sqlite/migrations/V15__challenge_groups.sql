-- Challenges that ask one person on several devices, of which the first answer counts. A group has the SID of its first challenge.
CREATE TABLE challenge_groups (
    sid        BLOB NOT NULL PRIMARY KEY,
    entity_sid BLOB NOT NULL,
    last_sid   BLOB NOT NULL -- of its challenges, which lie between the two
) STRICT, WITHOUT ROWID;
CREATE INDEX challenge_groups_of_entity ON challenge_groups (entity_sid, sid);

ALTER TABLE challenges ADD COLUMN group_sid BLOB;
-- The answered challenge of the group, which ended this one. This one counts as expired then. Its state says denied, so that servers
-- that do not know the column refuse an answer.
ALTER TABLE challenges ADD COLUMN ended_by BLOB;
