-- Entities that are or were paused, and from when on their push challenges count. An entity that was never paused has no row.
CREATE TABLE protections (
    entity_sid   BLOB    NOT NULL PRIMARY KEY,
    counts_from  INTEGER NOT NULL, -- challenges that were opened until then do not count
    reason       TEXT,             -- of the latest pause; NULL: the application has ended it
    level        INTEGER NOT NULL, -- how many pauses in a row there were
    paused_until INTEGER,          -- NULL: until the application ends it
    cause        BLOB              -- the challenge that began the pause
) STRICT, WITHOUT ROWID;
