-- Rights that count once, such as those to tokens, which were used. Remembered a while beyond their end.
CREATE TABLE rights_used (
    id         BLOB    NOT NULL PRIMARY KEY,
    until      INTEGER NOT NULL,
    is_misused INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX rights_used_by_end ON rights_used (until);
