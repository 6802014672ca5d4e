-- The order of calls about events of the same instant. It is for PostgreSQL; here rowid has that order.
ALTER TABLE webhook_calls ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
