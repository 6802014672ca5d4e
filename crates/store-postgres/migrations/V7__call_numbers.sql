-- When a call was stored, in microseconds: the order of calls about events of the same instant. An older server leaves it to the
-- default.
ALTER TABLE webhook_calls ADD COLUMN number bigint NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
