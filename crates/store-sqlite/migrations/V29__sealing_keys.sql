-- The keys that seal stored secrets, each once for every key that opens it. Empty before the first rotation of the master key.
CREATE TABLE sealing_keys (
    id         INTEGER NOT NULL, -- the first byte of what the key sealed
    holder     BLOB    NOT NULL, -- half of the check value of the key that opens this one
    wrapped    BLOB    NOT NULL, -- sealed
    created_at INTEGER NOT NULL,
    retired_at INTEGER,          -- from then on it only opens stored secrets
    PRIMARY KEY (id, holder)
) STRICT, WITHOUT ROWID;
