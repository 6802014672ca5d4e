-- What the operator's page of a webhook lists, in the order that it lists them in: calls that failed and are tried again, and
-- calls that were given up. No call that is taken at once gets into these.
CREATE INDEX webhook_calls_failing ON webhook_calls (webhook_sid, wake_at, id) WHERE last_error IS NOT NULL AND state <> 'failed';
CREATE INDEX webhook_calls_given_up ON webhook_calls (webhook_sid, wake_at, id) WHERE state = 'failed';

-- Sessions of operators that were ended before their time. A session is in its cookie; here is only that it is over.
CREATE TABLE sessions_ended (
    account_sid uuid   NOT NULL,
    id          uuid   NOT NULL,
    expires_at  bigint NOT NULL, -- from then on it is over anyway
    PRIMARY KEY (account_sid, id)
);
CREATE INDEX sessions_ended_by_expiry ON sessions_ended (expires_at);
