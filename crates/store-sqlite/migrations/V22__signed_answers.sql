-- Answers as the devices signed them, and the keys that they were judged by. In a table of their own: in the row of its challenge an
-- answer would double the row, and pages of rows that grow are split. By rowid: answers are appended, and are too long for an index.
CREATE TABLE signed_answers (
    challenge_sid BLOB NOT NULL PRIMARY KEY,
    jws           TEXT NOT NULL,
    key           BLOB NOT NULL
) STRICT;
