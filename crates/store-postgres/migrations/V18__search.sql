-- What the search of the operator's pages looks people and devices up by. No challenge, notification or delivery writes these.
CREATE INDEX entities_by_identity ON entities (account_sid, identity COLLATE "C", service_sid);
CREATE INDEX entities_of_account ON entities (account_sid, sid);
CREATE INDEX factors_by_name ON factors (account_sid, lower(friendly_name COLLATE "C"));
CREATE INDEX factors_of_account ON factors (account_sid, sid);
CREATE INDEX totp_factors_by_name ON totp_factors (account_sid, lower(friendly_name COLLATE "C"));
CREATE INDEX totp_factors_of_account ON totp_factors (account_sid, sid);
