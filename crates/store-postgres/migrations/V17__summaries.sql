-- Counts of challenges and pushes by account, period, service and platform, for the operator's pages. They are made from the history
-- by a background duty, a stage after the other.
CREATE TABLE summaries (
    account_sid uuid   NOT NULL,
    grain       bigint NOT NULL, -- the seconds of the period: an hour or a day
    begins_at   bigint NOT NULL,
    service_sid uuid   NOT NULL,
    platform    text   COLLATE "C" NOT NULL,
    measure     text   COLLATE "C" NOT NULL,
    bucket      bigint NOT NULL, -- of a duration; or the error code of a failure
    count       bigint NOT NULL,
    PRIMARY KEY (account_sid, grain, begins_at, service_sid, platform, measure, bucket)
) WITH (fillfactor = 70);
CREATE INDEX summaries_by_time ON summaries (grain, begins_at);

-- How far each stage of the counting has come.
CREATE TABLE summary_cursors (
    kind     text   COLLATE "C" NOT NULL, -- the type of the challenges
    stage    bigint NOT NULL,
    position uuid   NOT NULL, -- the last challenge that was counted
    PRIMARY KEY (kind, stage)
);
