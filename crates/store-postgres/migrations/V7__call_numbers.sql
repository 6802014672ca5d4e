-- The order in which calls were stored, for calls about events of the same instant. An older server leaves it to the default.
ALTER TABLE webhook_calls ADD COLUMN number bigserial;
