//! A change that cannot be logged must not be made: each cause, and its message.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use moat::audit::batch::Described;
use moat::audit::transport::{export, verify_bundle};
use moat::audit::{Audit, AuditError};
use serde_json::Map;

use super::log::{Place, about, change, writer};

fn used() -> Place {
    let place = Place::with_key('1');
    change(&place.open().expect("a log"), "a");
    place
}

/// Damages an existing log; returns the error.
fn refused(damage: impl FnOnce(&Place)) -> String {
    let place = used();
    damage(&place);
    let Err(error) = place.open() else { panic!("it is opened") };
    error.to_string().replace(&*place.path().to_string_lossy(), "/state")
}

#[test]
fn each_refusal_is_distinguished() {
    let said = [
        refused(|it| fs::remove_file(it.file("log.jsonl")).expect("removed")),
        refused(|it| fs::remove_file(it.file("head.json")).expect("removed")),
        refused(|it| fs::remove_file(it.file("key")).expect("removed")),
        refused(|it| fs::write(it.file("key"), "no key").expect("written")),
        refused(|it| fs::set_permissions(it.file("key"), fs::Permissions::from_mode(0o644)).expect("set")),
        refused(|it| it.set_log(b"nonsense\n")),
        refused(|it| fs::write(it.file("head.json"), "{\"v\":2,\"more\":true}\n").expect("written")),
        refused(|it| {
            fs::remove_file(it.file("log.jsonl")).expect("removed");
            fs::create_dir(it.file("log.jsonl")).expect("made");
        }),
    ];
    let expected = [
        "the audit log is broken: entry 2: the log is truncated: its head lists more entries",
        "the audit log is broken: entry 1: the head of the log is missing",
        "the key of the audit log is missing: `/state/audit/key`",
        "the key of the audit log is invalid, or other users can read it: `/state/audit/key`",
        "the key of the audit log is invalid, or other users can read it: `/state/audit/key`",
        "the audit log is broken: entry 2: the log is truncated: its head lists more entries",
        "the audit log was written by a newer version of moat: `/state/audit/head.json`",
        "the audit log cannot be used: `/state/audit/log.jsonl`: Is a directory (os error 21)",
    ];
    assert_eq!(said, expected);
}

#[test]
fn a_full_disk_is_an_error_and_leaves_the_log_valid() {
    let place = used();
    let audit = place.open().expect("a log");
    let kept = place.log();
    fs::remove_file(place.file("log.jsonl")).expect("removed");
    // Accepts no data, like a full disk.
    symlink("/dev/full", place.file("log.jsonl")).expect("a link");
    assert!(audit.intent("container_started", &about(), Map::new()).is_err());
    let change = |event| Described { event, data: Map::new() };
    assert!(audit.announce(&about(), &["container_created", "container_started"].map(change)).is_err());
    fs::remove_file(place.file("log.jsonl")).expect("removed");
    place.set_log(&kept);
    audit.intent("container_started", &about(), Map::new()).expect("there is room again");
    assert_eq!(place.first_broken(), None);
}

#[test]
fn the_key_is_private() {
    let place = Place::new();
    place.open().expect("a log");
    let mode = |name: &str| place.file(name).metadata().expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("key"), mode("log.jsonl")), (0o700, 0o600, 0o600));
}

#[test]
fn a_broken_log_is_set_aside_and_replaced() {
    let place = used();
    place.set_log(b"nonsense\n");
    let audit = Audit::rotate(place.path(), writer()).expect("rotated");
    place.assert_valid(2);
    change(&audit, "b");
    place.assert_valid(4);
    // Nothing is lost, and the new log names its end.
    assert_eq!(fs::read(place.file("1970-01-01T00-00-00.000Z.log.jsonl")).expect("kept"), b"nonsense\n");
    let text = String::from_utf8(place.log()).expect("text");
    assert!(text.contains("\"event\":\"log_continues\"") && text.contains("\"seq\":2},\"prev\""), "{text}");
    // A lost key is replaced; the old log can still be verified with the public one.
    fs::remove_file(place.file("key")).expect("removed");
    assert!(place.open().is_err());
    Audit::rotate(place.path(), moat::audit::log::Writer { clock: moat::clock::Clock::System, ..writer() })
        .expect("rotated");
    place.assert_valid(2);
}

#[test]
fn a_bundle_verifies_elsewhere() {
    let place = used();
    let bundle = place.path().join("audit.tar");
    let key = export(place.path(), &bundle).expect("a bundle");
    assert_eq!(verify_bundle(&bundle, None).expect("valid").entries, 3);
    assert_eq!(verify_bundle(&bundle, Some(&key)).expect("valid").key, key);
    assert!(export(place.path(), &bundle).is_err(), "it overwrites nothing");
    let other = Place::with_key('2').open().expect("a log").public_key();
    assert!(matches!(verify_bundle(&bundle, Some(&other)), Err(AuditError::Broken(_))));
    let mut bytes = fs::read(&bundle).expect("a bundle");
    let at = bytes.windows(9).position(|it| it == b"\"a\"},\"pre").expect("the name");
    bytes[at + 1] = b'b';
    fs::write(&bundle, bytes).expect("written");
    let Err(AuditError::Broken(broken)) = verify_bundle(&bundle, Some(&key)) else { panic!("it is valid") };
    assert_eq!(broken.entry, 2);
}
