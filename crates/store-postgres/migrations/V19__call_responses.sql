-- What the application responded to the last failed try of a call, as JSON, bounded.
ALTER TABLE webhook_calls ADD COLUMN last_response TEXT;
