//! A crash at any point leaves a log that verifies and can be continued.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use moat::audit::batch::Described;
use moat::audit::{Entry, Phase, Verdict, read};
use serde_json::Map;

use super::log::{Place, about, change};

fn copy(from: &Place, names: &[&str]) -> Place {
    let to = Place::new();
    fs::create_dir_all(to.file("")).expect("a folder");
    for name in names {
        fs::copy(from.file(name), to.file(name)).expect("copied");
    }
    to
}

/// An append is one write, and then one rename: every prefix of the one, with and without the other.
#[test]
fn every_point_of_an_append() {
    let place = Place::with_key('1');
    let audit = place.open().expect("a log");
    change(&audit, "a");
    audit.close().expect("on disk");
    let (before, old_head) = (place.log(), fs::read(place.file("head.json")).expect("a head"));
    audit.intent("docker_network_created", &about(), Map::new()).expect("on record");
    let (after, new_head) = (place.log(), fs::read(place.file("head.json")).expect("a head"));
    for length in before.len()..=after.len() {
        let crashed = copy(&place, &["key"]);
        crashed.set_log(&after[..length]);
        let head = if length == after.len() { &new_head } else { &old_head };
        fs::write(crashed.file("head.json"), head).expect("written");
        // The incomplete next head after a crash.
        fs::write(crashed.file("head.new"), &new_head[..length % new_head.len()]).expect("written");
        let whole = after[..length].split(|byte| *byte == b'\n').count() as u64 - 1;
        change(&crashed.open().expect("it goes on"), "c");
        crashed.assert_valid(whole + 2);
    }
}

/// A plan is one write of many lines: after every prefix of it, the complete lines are open intents.
#[test]
fn every_point_of_a_plan() {
    let place = Place::with_key('1');
    let audit = place.open().expect("a log");
    change(&audit, "a");
    audit.close().expect("on disk");
    let (before, old_head) = (place.log(), fs::read(place.file("head.json")).expect("a head"));
    assert_eq!(audit.announce(&about(), &plan()).expect("on record"), 4);
    let after = place.log();
    for length in before.len()..=after.len() {
        let crashed = copy(&place, &["key"]);
        crashed.set_log(&after[..length]);
        fs::write(crashed.file("head.json"), &old_head).expect("written");
        let whole = after[before.len()..length].split(|byte| *byte == b'\n').count() - 1;
        let audit = crashed.open().expect("it goes on");
        assert_eq!(audit.settle(&about(), |_| true).expect("settled"), whole, "{length}");
        crashed.assert_valid(3 + 2 * whole as u64);
    }
}

#[test]
fn only_operations_that_did_not_start_are_skipped() {
    let place = Place::with_key('1');
    let audit = place.open().expect("a log");
    let first = audit.announce(&about(), &plan()).expect("on record");
    let other = moat::audit::log::About { run: Some("other".to_owned()), ..about() };
    audit.announce(&other, &plan()).expect("on record");
    audit.begun(first);
    audit.skip(&about()).expect("skipped");
    audit.skip(&about()).expect("once");
    let results = || {
        let entries = read::entries(place.path()).expect("entries");
        entries.iter().filter_map(|it| Some((it.body.of?, it.body.result?))).collect::<Vec<_>>()
    };
    assert_eq!(results(), [(3, Verdict::Skipped), (4, Verdict::Skipped)]);
    audit.outcome(first, "docker_network_created", Verdict::Done, &about(), Map::new()).expect("on record");
    // The end of a command logs its remaining intents as skipped.
    audit.close().expect("closed");
    let skipped = |seq| (seq, Verdict::Skipped);
    assert_eq!(results()[2..], [(2, Verdict::Done), skipped(5), skipped(6), skipped(7)]);
    place.assert_valid(13);
}

/// Three changes.
fn plan() -> Vec<Described> {
    let change = |event| Described { event, data: Map::new() };
    ["docker_network_created", "container_created", "container_started"].map(change).into()
}

/// The first use: key, first entry, head, in this order.
#[test]
fn every_point_of_a_first_use() {
    let place = Place::with_key('1');
    drop(place.open().expect("a log"));
    let first = place.log();
    for length in 0..=first.len() {
        let crashed = copy(&place, &["key"]);
        crashed.set_log(&first[..length]);
        change(&crashed.open().expect("it begins"), "a");
        crashed.assert_valid(3);
    }
    // An incomplete key never gets its name.
    let crashed = Place::new();
    fs::create_dir_all(crashed.file("")).expect("a folder");
    fs::write(crashed.file("key.new"), "11").expect("written");
    change(&crashed.open().expect("it begins"), "a");
    crashed.assert_valid(3);
}

#[test]
fn intents_left_open_by_a_crash_are_closed_as_unknown() {
    let place = Place::with_key('1');
    let audit = place.open().expect("a log");
    let intent = audit.intent("docker_network_created", &about(), Map::new()).expect("on record");
    change(&audit, "a");
    drop(audit);
    // The intent is before the last head, and after it.
    for _ in 0..2 {
        let audit = place.open().expect("a log");
        let another = moat::audit::log::About { run: Some("other".to_owned()), ..about() };
        assert_eq!(audit.settle(&another, |_| true).expect("settled"), 0, "of another run");
        assert_eq!(audit.settle(&about(), |_| false).expect("settled"), 0, "it goes on");
    }
    let audit = place.open().expect("a log");
    assert_eq!(audit.settle(&about(), |entry: &Entry| entry.seq == intent).expect("settled"), 1);
    assert_eq!(audit.settle(&about(), |_| true).expect("settled"), 0, "once");
    let last = read::entries(place.path()).expect("entries").pop().expect("an entry");
    assert_eq!(
        (last.body.phase, last.body.of, last.body.result),
        (Phase::Outcome, Some(intent), Some(Verdict::Unknown))
    );
    place.assert_valid(5);
}

/// Starts another process of this test that appends forever.
pub fn endless_writer(place: &Place) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command.args(["--exact", "audit::crashes::the_other_process", "--nocapture"]);
    command.env("AUDIT_TEST_PLACE", place.path()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("a process")
}

/// Not a test: the processes of the others run this.
#[test]
fn the_other_process() {
    let Some(place) = std::env::var_os("AUDIT_TEST_PLACE") else { return };
    let audit = moat::audit::Audit::open(place.as_ref(), super::log::writer()).expect("a log");
    let times = std::env::var("AUDIT_TEST_TIMES").map_or(usize::MAX, |times| times.parse().expect("a number"));
    for _ in 0..times {
        change(&audit, "from another process");
    }
}

#[test]
fn killed_processes_leave_a_valid_log() {
    let place = Place::new();
    drop(place.open().expect("a log"));
    for round in 1..=10 {
        let (length, deadline) = (place.log().len(), Instant::now() + Duration::from_secs(20));
        let mut writers = [endless_writer(&place), endless_writer(&place)];
        // At any point of their work.
        while place.log().len() < length + round * 977 {
            assert!(Instant::now() < deadline, "nothing is written");
        }
        for writer in &mut writers {
            writer.kill().expect("killed");
            writer.wait().expect("ended");
        }
        assert_eq!(place.first_broken(), None, "round {round}");
    }
    change(&place.open().expect("it goes on"), "the last");
    assert_eq!(place.first_broken(), None);
}
