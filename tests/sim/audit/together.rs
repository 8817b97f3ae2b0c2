//! Concurrent writers share one chain.

use std::process::{Command, Stdio};
use std::thread;

use moat::audit::{Audit, Phase, read};

use super::log::{Place, change, writer};

#[test]
fn processes_and_threads_share_one_chain() {
    const EACH: u64 = 50;
    let place = Place::new();
    let processes: Vec<_> = (0..3)
        .map(|_| {
            let mut command = Command::new(std::env::current_exe().expect("this test"));
            command.args(["--exact", "audit::crashes::the_other_process"]).env("AUDIT_TEST_PLACE", place.path());
            command.env("AUDIT_TEST_TIMES", EACH.to_string()).stdout(Stdio::null());
            command.spawn().expect("a process")
        })
        .collect();
    // Any one of them starts the log.
    let audit = place.open().expect("a log");
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..EACH).for_each(|_| change(&audit, "from a thread")));
        }
    });
    for mut process in processes {
        assert!(process.wait().expect("ended").success());
    }
    let entries = 1 + 5 * 2 * EACH;
    place.assert_valid(entries);
    // Each outcome belongs to an earlier intent, and each intent has one.
    let all = read::entries(place.path()).expect("entries");
    let outcomes: Vec<u64> = all.iter().filter_map(|entry| entry.body.of).collect();
    let mut of = outcomes.clone();
    of.sort_unstable();
    let intents: Vec<u64> =
        all.iter().filter(|entry| entry.body.phase == Phase::Intent).map(|entry| entry.seq).collect();
    assert_eq!(of, intents);
}

/// A process remembers the position in one log only.
#[test]
fn a_log_replaced_or_extended_meanwhile_is_noticed() {
    let place = Place::new();
    let audit = place.open().expect("a log");
    change(&audit, "a");
    let other = place.open().expect("a log");
    change(&other, "b");
    change(&audit, "c");
    place.assert_valid(7);
    drop(Audit::rotate(place.path(), writer()).expect("a new log"));
    change(&audit, "d");
    change(&other, "e");
    // Its first entry, the end of the old one, and two changes.
    place.assert_valid(6);
}
