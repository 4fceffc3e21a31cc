//! What every store promises, a test for each promise, run for each store.

#![allow(clippy::unwrap_used)]

#[path = "stores/accepting.rs"]
mod accepting;
#[path = "stores/changing.rs"]
mod changing;
#[path = "stores/claiming.rs"]
mod claiming;
#[path = "stores/ending.rs"]
mod ending;
#[path = "stores/file.rs"]
mod file;
#[path = "stores/listing.rs"]
mod listing;
#[path = "stores/passing.rs"]
mod passing;
#[path = "stores/world.rs"]
mod world;

/// Makes a test of each promise, for each store.
macro_rules! promises {
    ($($module:ident: $($name:ident)*;)*) => {
        mod sqlite {
            use super::world::World;

            $(mod $module {
                $(#[tokio::test]
                async fn $name() {
                    super::super::$module::$name(super::World::sqlite()).await;
                })*
            })*
        }
    };
}

promises! {
    accepting:
        what_was_accepted_is_there_when_the_store_is_opened_again
        fifty_clients_with_one_key_get_one_task
        a_key_is_its_owners_own
        what_cannot_be_a_task_is_refused;
    claiming:
        what_is_more_important_is_taken_first_and_then_the_oldest
        a_task_is_taken_by_one_of_many
        a_paused_queue_gives_nothing_until_it_is_resumed
        queues_and_kinds_that_are_not_wanted_are_left
        a_rate_limit_holds_over_all_workers
        what_expired_is_not_started;
    ending:
        a_result_is_kept_once
        a_result_after_its_lease_is_not_taken
        what_fails_waits_longer_each_time_and_ends_with_its_last_error
        what_loses_its_worker_each_time_ends_failed_with_the_reason
        what_fails_for_good_is_not_tried_again
        what_a_worker_returns_does_not_count
        a_log_keeps_its_end_and_says_what_is_missing
        a_result_that_is_too_large_is_left_out_and_that_is_said
        progress_is_shown_while_it_runs;
    changing:
        what_waits_is_cancelled_at_once_and_what_runs_by_its_worker
        what_is_to_be_cancelled_and_loses_its_worker_is_cancelled
        what_failed_gets_as_many_attempts_again
        all_that_match_are_cancelled_and_retried
        a_purged_queue_is_empty_and_its_tasks_say_so
        nobody_changes_what_is_somebody_elses
        a_worker_hears_what_is_wanted_of_it
        a_schedule_makes_its_task_once_for_two_who_try;
    listing:
        pages_have_each_task_once_while_more_come
        filters_leave_out_what_does_not_match
        queues_say_what_is_in_them;
    passing:
        nine_thousand_tasks_due_at_one_moment_are_all_taken_once
        a_clock_that_jumps_by_a_day_loses_no_lease_and_shortens_no_wait
        what_ended_long_ago_is_forgotten
        an_ended_boot_ends_its_leases;
}
