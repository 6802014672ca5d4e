-- An account that is suspended keeps everything and may do nothing.
ALTER TABLE accounts ADD COLUMN suspended_at INTEGER;
-- Wrong codes since the last one accepted, for whatever they were shown. Those of the verification alone are wrong_codes.
ALTER TABLE totp_factors ADD COLUMN wrong_in_a_row INTEGER NOT NULL DEFAULT 0;
-- What the operator's pages show of an account: its newest challenges, whatever others do.
CREATE INDEX challenges_of_account ON challenges (account_sid, sid);
