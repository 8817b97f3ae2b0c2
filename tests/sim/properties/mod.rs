//! The guarantees under faults, on the simulator: any initial state, any faults, then a quiet period.
//!
//! `MOAT_SIM_CASES` sets the number of cases of each property, `MOAT_SIM_SEED` the first one. The same
//! numbers give the same cases. A failing case is shrunk and written to `tests/regressions/`,
//! and runs before all others from then on.

mod mutants;
mod several;
mod stories;

use std::future::Future;

use testkit::simulator::search::{CASES, search};
use testkit::simulator::strategy;

/// A separate runtime for each case, with a virtual clock.
fn on_paused_clock<T>(story: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without I/O").block_on(story)
}

#[test]
fn converges_from_anywhere() {
    search(CASES, "converges", strategy::good_case, |case| on_paused_clock(stories::converges_from_anywhere(case)));
}

#[test]
fn destroy_leaves_nothing() {
    search(CASES, "destroy", strategy::good_case, |case| on_paused_clock(stories::destroy_leaves_nothing(case)));
}

#[test]
fn failure_is_undone() {
    search(CASES, "undone", strategy::bad_case, |case| on_paused_clock(stories::failure_is_undone(case)));
}

#[test]
fn two_at_once_are_tolerated() {
    search(CASES, "two", strategy::good_case, |case| on_paused_clock(stories::two_at_once_are_tolerated(case)));
}

#[test]
fn several_do_not_meet() {
    search(CASES, "several", strategy::good_case, |case| on_paused_clock(several::several_do_not_meet(case)));
}

#[test]
fn few_calls_at_a_time() {
    search(CASES, "wide", strategy::wide_case, |case| on_paused_clock(several::few_calls_at_a_time(case)));
}

#[test]
fn namesakes_are_left_alone() {
    search(CASES, "namesake", strategy::namesake_case, |case| on_paused_clock(stories::namesakes_are_left_alone(case)));
}

#[test]
fn interrupts_leave_no_harm() {
    search(CASES, "interrupt", strategy::interrupted_case, |case| {
        on_paused_clock(stories::interrupts_leave_no_harm(case))
    });
}

#[test]
fn wrong_plans_are_refused() {
    search(CASES, "wrong", strategy::good_case, |case| on_paused_clock(stories::wrong_plans_are_refused(case)));
}

#[test]
fn same_case_same_trace() {
    search(CASES, "trace", strategy::good_case, stories::same_case_same_trace);
}
