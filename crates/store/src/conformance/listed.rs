//! Every rule is in the list of rules.

/// A rule that is not listed would not run.
#[test]
fn every_rule_is_listed() {
    let list = include_str!("mod.rs");
    for noun in [
        include_str!("accounts.rs"),
        include_str!("services.rs"),
        include_str!("entities.rs"),
        include_str!("factors.rs"),
        include_str!("totp_factors.rs"),
        include_str!("codes.rs"),
        include_str!("challenges.rs"),
        include_str!("challenge_groups.rs"),
        include_str!("answers.rs"),
        include_str!("notifications.rs"),
        include_str!("access_tokens.rs"),
        include_str!("webhook_calls.rs"),
        include_str!("events.rs"),
        include_str!("webhooks.rs"),
        include_str!("integrations.rs"),
        include_str!("credentials.rs"),
        include_str!("presence.rs"),
        include_str!("pauses.rs"),
        include_str!("protections.rs"),
        include_str!("provider_tokens.rs"),
        include_str!("sealing_keys.rs"),
        include_str!("signing_keys.rs"),
        include_str!("backchannel.rs"),
        include_str!("deliveries.rs"),
        include_str!("settling.rs"),
        include_str!("recent.rs"),
        include_str!("sessions.rs"),
        include_str!("summaries.rs"),
        include_str!("timeline.rs"),
        include_str!("one_time_rights.rs"),
        include_str!("operators.rs"),
        include_str!("audit_trail.rs"),
        include_str!("transparency.rs"),
        include_str!("upkeep.rs"),
        include_str!("usage.rs"),
    ] {
        let rules = noun.split("\npub async fn ").skip(1);
        for rule in rules.filter_map(|rest| rest.split('(').next()) {
            assert!(list.contains(&format!(" {rule}\n")), "{rule} is not listed");
        }
    }
}
