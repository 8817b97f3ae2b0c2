//! The promises of `docs/internals/engine.md`, each as one body that runs against any engine.

mod answers;
mod insides;
mod lists;
mod networks;
mod notices;
mod states;
mod storage;
mod updates;
pub mod world;

pub use answers::*;
pub use insides::*;
pub use lists::*;
pub use networks::*;
pub use notices::*;
pub use states::*;
pub use storage::*;
pub use updates::*;

/// Hands the names of all promises to another macro.
#[macro_export]
macro_rules! each_promise {
    ($with:ident) => {
        $with! {
            e01_a_name_belongs_to_one_container
            e02_a_removed_containers_name_is_free
            e03_a_change_that_is_done_already_succeeds
            e04_a_missing_object_is_not_found
            e05_no_container_without_its_image
            e06_no_container_runs_without_its_network
            e07_an_unknown_volume_is_created_with_the_mounts_labels
            e08_lists_are_filtered_by_label
            e09_lists_are_sorted
            e10_a_list_describes_each_container
            e11_states_follow_the_calls
            e12_a_restart_keeps_everything
            e13_a_paused_container_refuses
            e14_the_exit_code_is_reported
            e15_a_stop_ends_in_a_kill
            e16_unless_stopped_starts_again
            e17_a_missing_program
            e18_removal_kills_and_keeps_volumes
            e19_a_network_in_use_stays
            e20_a_container_keeps_the_id_of_a_removed_network
            e21_ranges_are_as_requested_and_disjoint
            e22_two_networks_can_have_one_name
            e23_disconnected_and_connected
            e24_a_volume_with_other_labels_is_a_conflict
            e25_a_mounted_volume_stays
            e26_images_are_looked_up_and_pulled
            e27_uploads_are_present_at_the_start
            e28_commands_return_exit_code_and_output
            e29_no_command_without_a_running_container
            e30_the_end_of_a_log
            e31_a_rename_keeps_the_container
            e32_events_are_reported_in_order
            e33_earlier_events_are_reported_again
            e34_commands_are_listed_while_they_run
            e35_an_update_changes_what_it_names
            e36_a_port_belongs_to_one_container
            e37_an_image_is_built_from_a_dockerfile
            e38_a_registry_resolves_tags
            e39_the_check_of_an_image_counts_unless_it_is_off
            e40_labels_of_an_image_prove_no_ownership
        }
    };
}
