-- Entities that are or were paused, and from when on their push challenges count. An entity that was never paused has no row.
CREATE TABLE protections (
    entity_sid   uuid   NOT NULL PRIMARY KEY,
    counts_from  bigint NOT NULL, -- challenges that were opened until then do not count
    reason       text,            -- of the latest pause; NULL: the application has ended it
    level        bigint NOT NULL, -- how many pauses in a row there were
    paused_until bigint,          -- NULL: until the application ends it
    cause        uuid             -- the challenge that began the pause
);
