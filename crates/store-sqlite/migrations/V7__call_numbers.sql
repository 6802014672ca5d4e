-- The order in which calls were stored, for calls about events of the same instant. PostgreSQL gives the numbers; here rowid has
-- that order.
ALTER TABLE webhook_calls ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
