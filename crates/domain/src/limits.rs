//! How much of everything a caller may have (wire reference §8 #15). In every limit 0 means none.

/// The largest quota of services, credentials or API keys: they are read to be counted.
pub const MAX_COUNTED: u32 = 50_000;

/// The limits of one installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Explicit notifications of one challenge; the automatic one is not counted. 429/60309.
    pub notifications_per_challenge: u32,
    /// Challenges of one factor in a rolling hour. 429/60312.
    pub challenges_per_factor_per_hour: u32,
    /// Challenges of one factor in a rolling day. 429/60312.
    pub challenges_per_factor_per_day: u32,
    /// Challenges of all factors of one entity in a rolling hour. 429/60312.
    pub challenges_per_entity_per_hour: u32,
    /// Push factors that one entity may have at a time. 400/60315.
    pub push_factors_per_entity: u32,
    /// Factors made for one entity in a day that begins with the first of them. 429/60326.
    pub factors_per_entity_per_day: u32,
    /// Entities made in one account in a second, those made by enrolment included. 429/60328.
    pub entities_per_account_per_second: u32,
    /// Requests of one account in a second, those of its devices and of the console included. 429/20429.
    pub requests_per_account_per_second: u32,
    /// Services that one account may have at a time, at most [`MAX_COUNTED`]. 400/60200.
    pub services_per_account: u32,
    /// Push credentials that one account may have at a time, at most [`MAX_COUNTED`]. 400/60300.
    pub credentials_per_account: u32,
    /// API keys that one account may have at a time, at most [`MAX_COUNTED`].
    pub api_keys_per_account: u32,
    /// Entities that one account may have at a time, as [`crate::usage`] counts. 400/60306.
    pub entities_per_account: u32,
    /// Bytes that one account may have stored at a time, as [`crate::usage`] counts. 400/60306.
    pub stored_bytes_per_account: u64,
    /// Credentials that may fail in a minute, of one IPv4 address or the /64 of an IPv6 address. 429/20429.
    pub failed_credentials_per_address_per_minute: u32,
    /// Wrong signatures that exhaust a push challenge.
    pub wrong_answers_per_push_challenge: u32,
    /// TOTP factors that one entity may have at a time. 400/60315.
    pub totp_factors_per_entity: u32,
    /// Wrong codes in a row that exhaust the verification of a TOTP factor. 429/60310.
    pub wrong_codes_per_totp_factor: u32,
    /// Wrong codes that exhaust a TOTP challenge. 429/60308.
    pub wrong_codes_per_totp_challenge: u32,
    /// Wrong codes of a TOTP factor in a row, for whatever they are shown: past it none is accepted. 429/60308 or 60310.
    pub wrong_codes_in_a_row_per_totp_factor: u32,
    /// Challenges of a TOTP factor with codes of at most four digits in a rolling day. 429/60312.
    pub challenges_per_short_totp_factor_per_day: u32,
    /// Challenges of a TOTP factor with longer codes in a rolling hour. 429/60312.
    pub challenges_per_totp_factor_per_hour: u32,
    /// Challenges of a TOTP factor with longer codes in a rolling day. 429/60312.
    pub challenges_per_totp_factor_per_day: u32,
    /// Webhooks that one service may have at a time. Those of a service that has more stay. 400/60306.
    pub webhooks_per_service: u32,
    /// Calls of one webhook that may wait. Past it the oldest are given up.
    pub queued_calls_per_webhook: u32,
    /// Calls of all webhooks of one account that may wait. Past it the oldest of the webhook with the most are given up.
    pub queued_calls_per_account: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            notifications_per_challenge: 3,
            challenges_per_factor_per_hour: 120,
            challenges_per_factor_per_day: 0,
            challenges_per_entity_per_hour: 0,
            push_factors_per_entity: 20,
            factors_per_entity_per_day: 100,
            entities_per_account_per_second: 40,
            requests_per_account_per_second: 10_000,
            services_per_account: 1_000,
            credentials_per_account: 1_000,
            api_keys_per_account: 1_000,
            entities_per_account: 10_000_000,
            stored_bytes_per_account: 256 << 30,
            failed_credentials_per_address_per_minute: 100,
            wrong_answers_per_push_challenge: 0,
            totp_factors_per_entity: 100,
            wrong_codes_per_totp_factor: 5,
            wrong_codes_per_totp_challenge: 5,
            wrong_codes_in_a_row_per_totp_factor: 100,
            challenges_per_short_totp_factor_per_day: 10,
            challenges_per_totp_factor_per_hour: 50,
            challenges_per_totp_factor_per_day: 100,
            webhooks_per_service: 20,
            queued_calls_per_webhook: 100_000,
            queued_calls_per_account: 250_000,
        }
    }
}

/// Whether one more is too many when `have` are there already.
pub const fn is_reached(limit: u32, have: u32) -> bool {
    limit != 0 && have >= limit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_not_set_has_its_default_and_an_unknown_one_is_an_error() {
        let limits: Limits = serde_json::from_str(r#"{"notifications_per_challenge":0}"#).unwrap();
        assert_eq!(limits, Limits { notifications_per_challenge: 0, ..Limits::default() });
        assert!(serde_json::from_str::<Limits>(r#"{"notification_per_challenge":0}"#).is_err());
    }

    #[test]
    fn zero_is_no_limit() {
        assert!(!is_reached(0, u32::MAX));
        assert!(!is_reached(3, 2));
        assert!(is_reached(3, 3) && is_reached(3, 4));
    }
}
