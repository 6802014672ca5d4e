-- The calls of webhooks about challenges that were taken, kept as long as the challenge, so that an operator sees the whole way.
-- In a table of their own: what looks for calls to be made never passes them.
CREATE TABLE calls_taken (
    challenge_sid BLOB    NOT NULL,
    id            BLOB    NOT NULL,
    webhook_sid   BLOB    NOT NULL,
    event         TEXT    NOT NULL,
    happened_at   INTEGER NOT NULL,
    attempts      INTEGER NOT NULL, -- the one that was taken among them
    taken_at      INTEGER NOT NULL,
    status        INTEGER NOT NULL,
    PRIMARY KEY (challenge_sid, id)
) STRICT, WITHOUT ROWID;
