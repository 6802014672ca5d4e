-- Answers as the devices signed them, and the keys that they were judged by. In parts by time, like the challenges.
CREATE TABLE signed_answers (
    challenge_sid uuid  NOT NULL PRIMARY KEY,
    jws           text  NOT NULL,
    key           bytea NOT NULL
) PARTITION BY RANGE (challenge_sid);
CREATE TABLE signed_answers_rest PARTITION OF signed_answers DEFAULT;
