-- Counts of challenges and pushes by account, period, service and platform, for the operator's pages. They are made from the history
-- by a background duty, a stage after the other.
CREATE TABLE summaries (
    account_sid BLOB    NOT NULL,
    grain       INTEGER NOT NULL, -- the seconds of the period: an hour or a day
    begins_at   INTEGER NOT NULL,
    service_sid BLOB    NOT NULL,
    platform    TEXT    NOT NULL,
    measure     TEXT    NOT NULL,
    bucket      INTEGER NOT NULL, -- of a duration; or the error code of a failure
    count       INTEGER NOT NULL,
    PRIMARY KEY (account_sid, grain, begins_at, service_sid, platform, measure, bucket)
) STRICT, WITHOUT ROWID;
CREATE INDEX summaries_by_time ON summaries (grain, begins_at);

-- How far each stage of the counting has come.
CREATE TABLE summary_cursors (
    kind     TEXT    NOT NULL, -- the type of the challenges
    stage    INTEGER NOT NULL,
    position BLOB    NOT NULL, -- the last challenge that was counted
    PRIMARY KEY (kind, stage)
) STRICT, WITHOUT ROWID;
