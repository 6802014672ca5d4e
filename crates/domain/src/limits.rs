//! How much a caller may have and do. In every limit 0 means no limit. Each field names the status and code of its refusal.

/// The largest limit of services, credentials or API keys, which are counted by reading them.
pub const MAX_COUNTED: u32 = 50_000;
/// The largest limit of push challenges in a row, or pending at a time: they are read to be counted.
pub const MAX_IN_A_ROW: u32 = 100;

/// The limits of one installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Notifications of one challenge, without the automatic one. 429/60309.
    pub notifications_per_challenge: u32,
    /// Challenges of one factor in a rolling hour. 429/60312.
    pub challenges_per_factor_per_hour: u32,
    /// Challenges of one factor in a rolling day. 429/60312.
    pub challenges_per_factor_per_day: u32,
    /// Challenges of all factors of one entity in a rolling hour. 429/60312.
    pub challenges_per_entity_per_hour: u32,
    /// Pending push challenges of one factor at a time, at most [`MAX_IN_A_ROW`]. 429/60312.
    pub pending_push_challenges_per_factor: u32,
    /// Push challenges of one entity in a row, without an approval between, at most [`MAX_IN_A_ROW`]. 429/60312.
    pub push_challenges_in_a_row: u32,
    /// After how many of them further ones do not disturb the person, at most [`MAX_IN_A_ROW`].
    pub quiet_after_push_challenges: u32,
    /// For how many minutes a challenge counts for both, 1 to 60.
    pub push_challenges_in_a_row_minutes: u32,
    /// How many minutes the first pause of an entity lasts that has reached it, 1 to 1,440. Each further one lasts twice as long.
    pub pause_minutes: u32,
    /// How many hours such a pause lasts at most, 1 to 720.
    pub longest_pause_hours: u32,
    /// How many hours an entity is paused that has reported a challenge, at most 8,760; 0: not at all. 403/60204.
    pub reported_pause_hours: u32,
    /// Push factors that one entity may have at a time. 400/60315.
    pub push_factors_per_entity: u32,
    /// Factors created for one entity in a day, which begins with the first of them. 429/60326.
    pub factors_per_entity_per_day: u32,
    /// Entities created in one account in a second, by enrolment as well. 429/60328.
    pub entities_per_account_per_second: u32,
    /// Requests of one account in a second, with those of its devices and of the console. 429/20429.
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
    /// Wrong credentials in a minute from one IPv4 address, or from the /64 of an IPv6 address. 429/20429.
    pub failed_credentials_per_address_per_minute: u32,
    /// Wrong signatures that exhaust a push challenge.
    pub wrong_answers_per_push_challenge: u32,
    /// TOTP factors that one entity may have at a time. 400/60315.
    pub totp_factors_per_entity: u32,
    /// Wrong codes in a row that exhaust the verification of a TOTP factor. 429/60310.
    pub wrong_codes_per_totp_factor: u32,
    /// Wrong codes that exhaust a TOTP challenge. 429/60308.
    pub wrong_codes_per_totp_challenge: u32,
    /// Wrong codes of a TOTP factor in a row, in challenges and verifications. Past it no code is accepted. 429/60308 or 60310.
    pub wrong_codes_in_a_row_per_totp_factor: u32,
    /// Challenges of a TOTP factor with codes of at most four digits in a rolling day. 429/60312.
    pub challenges_per_short_totp_factor_per_day: u32,
    /// Challenges of a TOTP factor with longer codes in a rolling hour. 429/60312.
    pub challenges_per_totp_factor_per_hour: u32,
    /// Challenges of a TOTP factor with longer codes in a rolling day. 429/60312.
    pub challenges_per_totp_factor_per_day: u32,
    /// Webhooks that one service may have at a time. A service that has more keeps them. 400/60306.
    pub webhooks_per_service: u32,
    /// Integrations that one service may have at a time. A service that has more keeps them. 400/60306.
    pub integrations_per_service: u32,
    /// Waiting calls of one webhook. Past it the oldest are given up.
    pub queued_calls_per_webhook: u32,
    /// Waiting calls of all webhooks of one account. Past it the oldest calls of the webhook with the most are given up.
    pub queued_calls_per_account: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            notifications_per_challenge: 3,
            challenges_per_factor_per_hour: 120,
            challenges_per_factor_per_day: 0,
            challenges_per_entity_per_hour: 0,
            pending_push_challenges_per_factor: 0,
            push_challenges_in_a_row: 5,
            quiet_after_push_challenges: 0,
            push_challenges_in_a_row_minutes: 10,
            pause_minutes: 15,
            longest_pause_hours: 24,
            reported_pause_hours: 24,
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
            integrations_per_service: 100,
            queued_calls_per_webhook: 100_000,
            queued_calls_per_account: 250_000,
        }
    }
}

/// Whether `have` reaches the limit, so that one more is too many.
pub const fn is_reached(limit: u32, have: u32) -> bool {
    limit != 0 && have >= limit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_limit_has_its_default_and_an_unknown_one_is_an_error() {
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
