-- The calls of webhooks that are still to be made, and for some days those that were given up. One sleeps until the
-- challenge it watches expires; is due; waits behind an earlier call of the same webhook and factor; is leased; or
-- failed. It wakes at the expiry, at the next try, at the end of the lease, or when it is to be forgotten.
CREATE TABLE webhook_calls (
    id            uuid    NOT NULL PRIMARY KEY,
    webhook_sid   uuid    NOT NULL,
    service_sid   uuid    NOT NULL,
    factor_sid    uuid    NOT NULL,
    challenge_sid uuid,             -- of one that sleeps
    event         text    NOT NULL,
    parameters    text    NOT NULL, -- JSON: pairs of name and value
    happened_at   bigint  NOT NULL,
    deadline      bigint  NOT NULL,
    attempts      bigint  NOT NULL,
    state         text    NOT NULL CHECK (state IN ('asleep', 'due', 'behind', 'leased', 'failed')),
    wake_at       bigint  NOT NULL,
    node          uuid,
    last_error    text,
    CHECK ((state = 'leased') = (node IS NOT NULL)),
    CHECK ((state = 'asleep') = (challenge_sid IS NOT NULL))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX webhook_calls_by_waking ON webhook_calls (state, wake_at);
CREATE INDEX webhook_calls_of_webhook ON webhook_calls (state, webhook_sid, wake_at);
CREATE INDEX webhook_calls_in_order ON webhook_calls (webhook_sid, factor_sid, state, happened_at);

-- So that the end of a push asks once, and cheaply, whether anybody wants to hear of such things.
CREATE INDEX webhooks_of_notifications ON webhooks (service_sid) WHERE strpos(event_types, 'notification.') > 0;
