//! `docs/reference/audit-format.md`: moat writes its example, and a few lines without moat's code recompute it.

use std::fs;
use std::path::Path;
use std::process::Command;

use ring::signature::{ED25519, UnparsedPublicKey};
use sha2::{Digest, Sha256};

use super::log::{Place, change};

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/audit-format.md")).expect("the page")
}

/// The lines of the example: indented, with the start of an entry.
fn example(page: &str) -> Vec<String> {
    page.lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|it| it.starts_with("{\"v\":1,\"seq\":"))
        .map(str::to_owned)
        .collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("digits")).collect()
}

#[test]
fn the_example_matches_moats_output() {
    let place = Place::with_key('1');
    let audit = place.open().expect("a log");
    change(&audit, "moat-builder-1f2e3d4c");
    audit.close().expect("on disk");
    let log = String::from_utf8(place.log()).expect("text");
    let head = fs::read_to_string(place.file("head.json")).expect("a head");
    let page = page();
    assert_eq!(example(&page), [log.lines().collect::<Vec<_>>(), vec![head.trim_end()]].concat());
    assert!(page.contains(&audit.public_key().to_string()));
}

/// Only by the page, without moat's code.
#[test]
fn the_example_is_recomputed() {
    let page = page();
    let lines = example(&page);
    let (head, entries) = lines.split_last().expect("lines");
    let key = entries[0].split("\"key\":\"").nth(1).expect("a key")[..64].to_owned();
    let key = UnparsedPublicKey::new(&ED25519, unhex(&key));
    let mut previous = "0".repeat(64);
    for line in entries {
        let (hashed, rest) = line.rsplit_once(",\"hash\":\"").expect("a hash");
        let digest = Sha256::digest(hashed).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        assert_eq!(rest[..64], digest);
        assert!(hashed.ends_with(&format!("\"prev\":\"{previous}\"")));
        key.verify(digest.as_bytes(), &unhex(&rest[64 + 9..64 + 9 + 128])).expect("signed");
        previous = digest;
    }
    let (signed, rest) = head.split_once(",\"sig\":\"").expect("a signature");
    assert!(signed.contains(&previous));
    key.verify(signed.as_bytes(), &unhex(&rest[..128])).expect("signed");
}

/// The shell command of the page, on the page itself.
#[test]
fn sha256sum_alone_checks_it() {
    let page = page();
    let command = page.lines().find_map(|line| line.strip_prefix("    $ ")).expect("a command");
    let place = Place::new();
    let folder = place.path();
    let lines = example(&page);
    fs::write(folder.join("log.jsonl"), lines[..3].join("\n") + "\n").expect("written");
    let ran = Command::new("sh").args(["-c", command]).current_dir(folder).output().expect("a shell");
    let hash = lines[1].split(",\"hash\":\"").nth(1).expect("a hash")[..64].to_owned();
    assert_eq!(String::from_utf8(ran.stdout).expect("text"), format!("{hash}  -\n"));
}
