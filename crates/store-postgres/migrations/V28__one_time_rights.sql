-- Rights that count once, such as those to tokens, which were used. Remembered a while beyond their end.
CREATE TABLE rights_used (
    id         uuid    NOT NULL PRIMARY KEY,
    until      bigint  NOT NULL,
    is_misused boolean NOT NULL DEFAULT false
);
CREATE INDEX rights_used_by_end ON rights_used (until);
