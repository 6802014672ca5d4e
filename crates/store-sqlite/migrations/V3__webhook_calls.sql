-- The calls of webhooks that are still to be made, and for some days those that were given up. One sleeps until the
-- challenge it watches expires; is due; waits behind an earlier call of the same webhook and factor; is leased; or
-- failed. It wakes at the expiry, at the next try, at the end of the lease, or when it is to be forgotten.
CREATE TABLE webhook_calls (
    id            BLOB    NOT NULL UNIQUE,
    webhook_sid   BLOB    NOT NULL,
    service_sid   BLOB    NOT NULL,
    factor_sid    BLOB    NOT NULL,
    challenge_sid BLOB,             -- of one that sleeps
    event         TEXT    NOT NULL,
    parameters    TEXT    NOT NULL, -- JSON: pairs of name and value
    happened_at   INTEGER NOT NULL,
    deadline      INTEGER NOT NULL,
    attempts      INTEGER NOT NULL,
    state         TEXT    NOT NULL CHECK (state = 'asleep' OR state = 'due' OR state = 'behind' OR state = 'leased' OR state = 'failed'),
    wake_at       INTEGER NOT NULL,
    node          BLOB,
    last_error    TEXT,
    CHECK ((state = 'leased') = (node IS NOT NULL)),
    CHECK ((state = 'asleep') = (challenge_sid IS NOT NULL))
) STRICT;
CREATE INDEX webhook_calls_by_waking ON webhook_calls (state, wake_at);
CREATE INDEX webhook_calls_of_webhook ON webhook_calls (state, webhook_sid, wake_at);
CREATE INDEX webhook_calls_in_order ON webhook_calls (webhook_sid, factor_sid, state, happened_at);

-- So that the end of a push asks once, and cheaply, whether anybody wants to hear of such things.
CREATE INDEX webhooks_of_notifications ON webhooks (service_sid) WHERE instr(event_types, 'notification.') > 0;
