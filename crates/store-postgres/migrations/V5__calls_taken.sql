-- The calls of webhooks about challenges that were taken, kept as long as the challenge, so that an operator sees the whole way.
-- In a table of their own: what looks for calls to be made never passes them. It lies in parts by time, like the challenges;
-- what was taken before the first of them is made lies in the rest. An older server that still runs does not know the table,
-- and deletes the calls that it makes.
CREATE TABLE calls_taken (
    challenge_sid uuid    NOT NULL,
    id            uuid    NOT NULL,
    webhook_sid   uuid    NOT NULL,
    event         text    NOT NULL,
    happened_at   bigint  NOT NULL,
    attempts      bigint  NOT NULL, -- the one that was taken among them
    taken_at      bigint  NOT NULL,
    status        bigint  NOT NULL,
    PRIMARY KEY (challenge_sid, id)
) PARTITION BY RANGE (challenge_sid);
CREATE TABLE calls_taken_rest PARTITION OF calls_taken DEFAULT;
