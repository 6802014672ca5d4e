-- The keys that seal stored secrets, each once for every key that opens it. Empty before the first rotation of the master key.
CREATE TABLE sealing_keys (
    id         bigint NOT NULL, -- the first byte of what the key sealed
    holder     uuid   NOT NULL, -- half of the check value of the key that opens this one
    wrapped    bytea  NOT NULL, -- sealed
    created_at bigint NOT NULL,
    retired_at bigint,          -- from then on it only opens stored secrets
    PRIMARY KEY (id, holder)
);
