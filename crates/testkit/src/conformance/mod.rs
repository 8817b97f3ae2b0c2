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
            e01_a_name_is_borne_by_one_container
            e02_a_removed_containers_name_is_free
            e03_what_is_so_already_is_a_success
            e04_what_is_not_there_is_not_found
            e05_no_container_without_its_image
            e06_no_container_runs_without_its_network
            e07_an_unknown_volume_is_made_with_the_mounts_labels
            e08_lists_go_by_label
            e09_lists_are_sorted
            e10_a_list_says_what_a_container_is_made_of
            e11_states_follow_the_calls
            e12_a_restart_keeps_everything
            e13_a_paused_container_refuses
            e14_the_exit_code_is_told
            e15_a_stop_ends_in_a_kill
            e16_unless_stopped_starts_again
            e17_a_program_that_is_not_there
            e18_removal_kills_and_keeps_volumes
            e19_a_network_in_use_stays
            e20_a_dead_network_is_never_forgiven
            e21_ranges_are_as_asked_and_apart
            e22_a_second_network_of_one_name
            e23_disconnected_and_connected
            e24_a_volume_with_other_labels_is_a_conflict
            e25_a_mounted_volume_stays
            e26_images_are_looked_up_and_pulled
            e27_uploads_are_there_at_the_start
            e28_commands_give_code_and_output
            e29_no_command_without_a_running_container
            e30_the_end_of_a_log
            e31_a_rename_keeps_the_container
            e32_what_happens_is_told_in_its_order
            e33_what_happened_since_is_told_again
            e34_commands_are_listed_while_they_run
            e35_an_update_changes_what_it_names
            e36_a_port_leads_to_one_container
            e37_an_image_is_made_of_a_dockerfile
            e38_a_registry_tells_what_a_tag_means
            e39_the_check_of_an_image_counts_unless_it_is_off
            e40_labels_of_an_image_are_nobodys
        }
    };
}
