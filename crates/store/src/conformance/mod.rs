//! The rules that every backend keeps. Each rule is a function with a sentence for a name, which runs on a fresh [`Fixture`].
//! A backend's tests are one line, `countersign_store::conformance!(fresh);`: `fresh` returns an empty store and a value that outlives it.

pub mod access_tokens;
pub mod accounts;
pub mod answers;
pub mod audit_trail;
pub mod backchannel;
pub mod challenge_groups;
pub mod challenges;
pub mod codes;
mod counting;
pub mod credentials;
pub mod deliveries;
pub mod entities;
pub mod events;
pub mod factors;
pub mod fixture;
pub mod integrations;
#[cfg(test)]
mod listed;
pub mod newer;
pub mod notifications;
pub mod one_time_rights;
pub mod operators;
pub mod pauses;
pub mod presence;
pub mod protections;
pub mod provider_tokens;
pub mod recent;
mod rule_tests;
pub mod sealing_keys;
pub mod services;
pub mod sessions;
pub mod settling;
pub mod signing_keys;
pub mod summaries;
pub mod timeline;
pub mod totp_factors;
pub mod transparency;
pub mod upkeep;
pub mod usage;
pub mod webhook_calls;
mod webhook_fixture;
pub mod webhooks;

pub use fixture::Fixture;

/// Makes a `#[tokio::test]` of every rule.
#[macro_export]
macro_rules! conformance {
    ($fresh:ident) => {
        $crate::conformance_tests! { $fresh;
            accounts {
                an_account_reads_back_as_it_was_stored
                an_account_is_stored_once
                there_is_one_first_account
                an_account_is_replaced_only_if_nobody_was_faster
                accounts_are_listed_page_by_page
                an_api_key_needs_its_account
                a_deleted_api_key_is_gone
                api_keys_are_listed_page_by_page
            }
            services {
                a_service_reads_back_as_it_was_stored
                a_service_needs_its_account
                a_service_is_replaced_only_if_nobody_was_faster
                a_logo_is_replaced_kept_and_removed_with_its_service
                services_are_listed_page_by_page
                below_a_deleted_service_nothing_is_reachable
                deleting_a_service_leaves_the_others_alone
            }
            entities {
                an_entity_reads_back_as_it_was_stored
                an_entity_has_the_label_of_its_token_or_of_its_application
                an_identity_is_unique_in_its_service
                an_entity_needs_its_service
                entities_are_listed_page_by_page
                below_a_deleted_entity_nothing_is_reachable
                the_identity_of_a_deleted_entity_is_free_at_once
            }
            factors {
                a_factor_reads_back_as_it_was_enrolled
                a_factor_joins_the_entity_that_is_there
                a_factor_is_found_by_its_own_path_only
                a_factor_needs_its_service
                an_access_token_enrols_one_factor
                an_expired_token_or_one_of_another_service_enrols_no_factor
                a_failed_enrolment_does_not_use_up_its_token
                a_key_is_taken_only_by_a_living_factor_of_the_same_entity
                an_entity_has_only_so_many_factors
                only_so_many_factors_are_made_in_a_day
                factors_are_listed_page_by_page
                an_update_changes_only_what_it_names
                an_update_verifies_a_factor
                a_new_address_makes_parked_deliveries_due
                deleting_a_factor_cancels_its_parked_deliveries
                factors_without_a_stream_are_told_apart
            }
            totp_factors {
                a_totp_factor_reads_back_as_it_was_enrolled
                a_totp_factor_needs_its_service
                an_entity_has_only_so_many_totp_factors
                factors_of_both_types_are_counted_in_a_day
                a_list_holds_factors_of_both_types
                a_right_code_verifies_a_factor
                a_step_is_spent_once
                after_so_many_wrong_codes_in_a_row_codes_are_not_checked
                an_update_of_codes_changes_only_what_it_names
                a_deleted_totp_factor_is_gone
            }
            codes {
                a_right_code_approves_its_challenge
                metadata_is_recorded_with_a_code_that_is_accepted
                too_many_wrong_codes_close_a_challenge
                a_code_for_a_closed_challenge_is_refused
                a_code_answers_one_challenge
                a_code_may_come_with_its_challenge
                wrong_codes_of_a_factor_are_counted_in_a_row
                a_code_judged_by_other_settings_is_judged_again
                a_list_holds_challenges_of_both_types
            }
            challenges {
                a_challenge_reads_back_as_it_was_opened
                a_challenge_and_its_notification_need_a_verified_factor
                a_challenge_is_found_by_its_own_path_only
                a_challenge_outlives_its_factor
                a_factor_has_only_so_many_challenges
                an_entity_has_only_so_many_challenges
                challenges_are_listed_page_by_page
                challenges_are_filtered_by_factor_and_status
                an_update_replaces_a_challenges_metadata
                metadata_that_is_for_an_open_challenge_is_refused_by_another
                wrong_answers_are_counted
            }
            challenge_groups {
                a_group_reads_back_as_it_was_opened
                a_group_is_stored_whole_or_not_at_all
                the_first_answer_to_a_group_ends_its_other_challenges
                of_any_interleaving_of_answers_to_a_group_one_wins
                a_group_calls_webhooks_once
                a_group_counts_once_for_its_entity
                an_approval_of_any_challenge_of_a_group_ends_the_pause
                a_wrong_number_counts_for_all_devices_of_a_group
                groups_are_listed_page_by_page
                a_group_goes_with_its_entity_and_with_its_age
            }
            protections {
                an_entity_gets_only_so_many_push_challenges_in_a_row
                of_many_push_challenges_at_once_so_many_are_opened
                a_factor_has_only_so_many_pending_push_challenges
                of_many_push_challenges_at_once_so_many_are_pending
                a_push_challenge_after_so_many_without_an_approval_is_quiet
                an_older_push_challenge_does_not_count
                an_approval_clears_the_count_and_ends_the_pause
                each_further_pause_lasts_twice_as_long
                challenges_of_totp_factors_are_neither_counted_nor_paused
                a_protection_reads_back_as_it_was_stored_and_is_judged_by
                a_protection_needs_its_entity_and_goes_with_it
                a_report_denies_its_challenge_and_pauses_its_entity
                a_report_pauses_only_as_the_first_answer
                reports_at_once_are_all_recorded
            }
            pauses {
                entities_that_are_paused_now_are_listed_page_by_page
            }
            presence {
                a_presence_reads_back_as_it_was_opened
                only_the_right_number_approves
                the_last_wrong_number_denies
                no_number_is_needed_to_deny
                guesses_at_once_get_no_more_tries
                a_code_is_confirmed_after_the_approval
                a_code_gets_three_tries
                codes_at_once_get_no_more_tries
                an_attempt_learns_what_to_ask_for
            }
            answers {
                the_first_answer_is_recorded
                an_answers_context_is_recorded
                an_answer_is_kept_as_it_was_signed
                metadata_is_recorded_with_its_answer
                answers_at_once_keep_their_own_metadata
                a_later_answer_is_refused
                an_answer_to_an_expired_challenge_is_refused
                of_racing_answers_one_wins
                an_answer_needs_its_challenge_and_its_factor
                an_answer_cancels_open_deliveries
                an_answer_leaves_deliveries_written_to_the_stream_as_sent
                an_answer_leaves_a_ttl_of_zero_to_its_holder
                an_answered_or_expired_challenge_is_not_pushed_again
            }
            notifications {
                a_notification_reads_back_as_it_was_stored
                a_notification_is_stored_only_for_the_platform_it_was_planned_for
                a_notification_is_found_by_its_own_challenge_only
                notifications_are_listed_with_the_automatic_one_first
                of_fifty_notifications_at_once_three_are_stored
                every_stored_notification_counts
                a_fetch_makes_sent_notifications_delivered
                a_fetch_ends_deliveries_written_to_the_stream
                nothing_in_the_database_can_start_a_ttl_of_zero
            }
            access_tokens {
                an_access_token_reads_back_as_it_was_stored
                an_access_token_needs_its_service
                used_and_expired_access_tokens_can_still_be_read
                an_invitation_is_found_by_its_code
            }
            webhook_calls {
                an_enrolment_causes_one_call_which_is_leased_until_it_is_settled
                a_webhook_has_few_calls_in_flight
                webhooks_take_turns
                an_account_gets_its_share_of_the_permits
                a_busy_device_does_not_hide_the_others_of_its_webhook
                a_quick_webhook_may_have_more_calls_in_flight
                the_oldest_of_too_many_waiting_calls_are_given_up
                an_account_has_only_so_many_waiting_calls
                the_calls_of_a_disabled_webhook_end
                a_call_that_is_given_up_is_kept_for_a_week
                the_calls_of_another_run_are_voided
                calls_of_one_factor_keep_their_order_and_hold_up_no_other
                a_call_that_was_not_tried_in_time_is_given_up
                a_call_that_was_taken_is_kept_with_its_challenge
            }
            events {
                changes_of_a_factor_cause_calls
                changes_of_a_totp_factor_cause_calls
                deleting_an_entity_causes_calls_about_its_factors
                an_answer_causes_a_call_with_its_challenge
                an_unanswered_expiry_causes_a_call
                the_end_of_a_push_causes_calls_of_webhooks_that_name_it
            }
            webhooks {
                a_webhook_reads_back_as_it_was_stored
                a_webhook_needs_its_service
                a_service_has_only_so_many_webhooks
                a_webhook_is_replaced_only_if_nobody_was_faster
                webhooks_are_listed_page_by_page
            }
            integrations {
                an_integration_reads_back_as_it_was_stored
                the_key_of_an_integration_is_unique
                an_integration_needs_its_service
                a_service_has_only_so_many_integrations
                an_integration_is_replaced_only_if_nobody_was_faster
                integrations_are_listed_page_by_page
                integrations_of_a_kind_are_read_together
            }
            credentials {
                a_credential_reads_back_as_it_was_stored
                a_credential_needs_its_account
                a_credential_is_replaced_only_if_nobody_was_faster
                credentials_are_listed_page_by_page
            }
            provider_tokens {
                a_provider_token_reads_back_as_it_was_stored
                of_nodes_that_renew_a_provider_token_at_once_one_does
                a_provider_token_of_the_day_before_goes_when_another_is_stored
            }
            sealing_keys {
                of_rotations_that_begin_at_once_one_does
                only_a_holder_of_all_keys_becomes_the_only_one
            }
            signing_keys {
                signing_keys_read_back_as_they_were_stored
                of_nodes_that_make_a_signing_key_at_once_one_does
                only_the_newest_signing_keys_are_kept
            }
            one_time_rights {
                a_right_is_used_once
                a_right_that_is_used_again_is_misused
                a_used_right_is_remembered_beyond_its_end
            }
            backchannel {
                a_request_reads_back_as_it_was_stored
                a_request_of_a_refused_group_is_not_stored
                a_request_is_stored_once
                an_approval_is_fetched_once
                a_client_is_called_when_its_question_has_ended
                a_client_is_called_again_until_it_has_taken_the_call
                a_request_is_removed_an_hour_after_its_deadline
            }
            deliveries {
                a_lease_is_held_by_one_worker
                workers_who_lease_at_once_share
                those_due_the_longest_are_leased_first
                nothing_is_leased_past_its_deadline
                a_lease_that_ran_out_is_rescued
                a_delivery_rescued_past_its_deadline_is_not_leased
                rescue_expire_and_void_take_no_more_than_asked
                the_leases_of_other_nodes_can_be_voided
                a_delivery_past_its_deadline_expires
                the_next_due_is_the_earliest
                of_each_challenge_the_newest_parked_is_leased
                an_older_parked_one_is_leased_when_the_newest_is_overdue
                a_parked_delivery_is_leased_until_its_challenge_expires
                a_prospect_is_read_again
                prospects_are_in_the_order_of_the_leases
                a_prospect_names_the_services_credential
                a_lease_taken_again_is_another_one
                the_lease_of_a_ttl_of_zero_holds_until_it_ends
                the_deliveries_of_a_deleted_factor_have_no_target
            }
            settling {
                an_ending_is_kept_with_its_attempt
                a_delivery_can_end_without_an_attempt
                a_retry_is_due_at_its_time
                a_parked_delivery_waits_for_its_device
                a_written_delivery_reads_sent
                of_a_lost_lease_only_the_attempt_is_recorded
                the_lost_leases_of_a_slice_are_named
                a_delivered_notification_supersedes_older_parked_ones
                a_sent_notification_supersedes_nothing
                a_ttl_of_zero_ends_once
                a_ttl_of_zero_may_go_from_sent_to_delivered
                a_dead_address_is_forgotten
                an_address_registered_since_is_not_forgotten
            }
            recent {
                a_challenge_is_found_by_its_own_sid_or_a_notifications
                a_failed_call_is_listed_and_can_be_resent
                all_failed_calls_of_a_list_can_be_resent
                the_calls_of_a_webhook_are_counted_and_listed_page_by_page
                the_calls_about_a_challenge_are_found_among_all_of_its_device
            }
            sessions {
                a_session_reads_back_as_it_was_stored
                an_opener_keeps_only_so_many_sessions
                a_session_notes_when_it_was_seen
                a_half_open_session_is_completed_by_its_prompt
                a_session_is_ended
                an_expired_session_is_removed
            }
            operators {
                an_operator_reads_back_as_it_was_stored
                an_operator_needs_a_place_and_a_name
                operators_are_listed_page_by_page
                an_operator_is_changed
                an_operator_is_removed
                a_link_signs_in_once
            }
            audit_trail {
                an_entry_reads_back_as_it_was_stored
                entries_are_listed_page_by_page
                the_oldest_entries_beyond_the_bound_are_removed
                an_old_entry_is_removed
                an_action_and_its_entry_are_stored_together
                an_action_that_is_not_done_leaves_no_entry
            }
            timeline {
                the_challenges_of_an_account_are_found_in_both_orders
                a_search_ends_at_its_bound_and_returns_it
                a_filter_keeps_only_what_fits_all_of_it
                attempts_are_found_by_platform_outcome_and_code
                people_are_found_by_the_beginning_of_their_identity
                devices_are_found_by_the_beginning_of_their_name
            }
            upkeep {
                everything_below_a_deleted_entity_is_removed
                everything_below_a_deleted_service_is_removed
                a_factor_left_unverified_is_removed
                an_expired_access_token_is_removed
                a_challenge_is_removed_after_the_retention
                nothing_open_is_removed_whatever_the_retention_is
                a_taken_call_is_removed_with_its_challenge
                settling_a_removed_delivery_is_a_lost_lease
                a_working_store_passes_its_checks
                the_first_key_check_is_kept
                a_failing_command_fails_alone
            }
            summaries {
                every_challenge_and_push_is_counted_once
                of_two_that_count_the_same_one_is_told_so
                challenges_are_read_for_counting
                an_account_sees_its_own_sums_by_service_and_period
                old_summaries_are_removed
                an_ended_push_keeps_the_time_of_its_end
            }
            transparency {
                a_log_begins_once
                a_change_and_its_fact_commit_together
                the_first_delivery_of_a_challenge_is_a_fact
                changes_and_deletions_are_facts
                an_expiry_is_a_fact_unless_an_answer_came
                facts_become_entries_once
                a_checkpoint_is_replaced_by_a_larger_one
                what_is_about_a_deleted_person_is_erased
                an_account_reads_its_own_entries
                old_entries_are_pruned_by_the_bundle
                a_paused_log_notes_nothing
            }
            usage {
                usage_is_counted_by_account
                logos_and_labels_count_with_their_bytes
                a_count_reads_every_row_once
            }
        }
    };
}
