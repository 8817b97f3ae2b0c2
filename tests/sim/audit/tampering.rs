//! A thousand tamperings of every kind, each found at the entry where it begins.

use super::log::{Place, change};

/// Deterministic random numbers: splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("small")
    }
}

type Lines = Vec<Vec<u8>>;

/// A kind of tampering: changes the lines, and returns the index of the first changed one.
type Tamper = fn(&mut Lines, &Lines, &mut Random) -> usize;

const KINDS: [(&str, Tamper); 8] = [
    ("a bit flipped", |lines, _, random| {
        let at = random.below(lines.len());
        let byte = random.below(lines[at].len());
        lines[at][byte] ^= 1 << random.below(8);
        at
    }),
    ("a byte replaced", |lines, _, random| {
        let at = random.below(lines.len());
        let byte = random.below(lines[at].len());
        let other = u8::try_from(random.below(255)).expect("small");
        lines[at][byte] = if lines[at][byte] == other { 255 } else { other };
        at
    }),
    ("a line dropped", |lines, _, random| {
        let at = random.below(lines.len());
        lines.remove(at);
        at
    }),
    ("two lines swapped", |lines, _, random| {
        let (a, b) = (random.below(lines.len() - 1), random.below(lines.len() - 1));
        let (first, second) = (a.min(b), a.max(b) + 1);
        lines.swap(first, second);
        first
    }),
    ("a line inserted twice", |lines, _, random| {
        let (at, from) = (random.below(lines.len()), random.below(lines.len()));
        let line = lines[from].clone();
        let twice = line == lines[at];
        lines.insert(at, line);
        // After itself, the second one is the first wrong entry.
        at + usize::from(twice)
    }),
    ("cut between lines", |lines, _, random| {
        let at = random.below(lines.len());
        lines.truncate(at);
        at
    }),
    ("cut within a line", |lines, _, random| {
        let at = random.below(lines.len());
        let byte = 1 + random.below(lines[at].len() - 1);
        lines.truncate(at + 1);
        lines[at].truncate(byte);
        at
    }),
    ("signed by another key from here on", |lines, others, random| {
        let at = random.below(lines.len());
        lines.truncate(at);
        lines.extend_from_slice(&others[at..]);
        at
    }),
];

#[test]
fn a_thousand_tamperings_are_found_where_they_begin() {
    // The same entries, signed by two keys.
    let [place, other] = ['1', '2'].map(|digit| {
        let place = Place::with_key(digit);
        let audit = place.open().expect("a log");
        for n in 0..8 {
            change(&audit, &format!("moat-{n}"));
        }
        audit.close().expect("on disk");
        place
    });
    let lines =
        |place: &Place| -> Lines { place.log().split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect() };
    let (good, others) = (lines(&place), lines(&other));
    assert_eq!((good.len(), others.len()), (17, 17));
    place.assert_valid(17);
    let mut random = Random(1);
    for round in 0..1000 {
        let (kind, tamper) = KINDS[round % KINDS.len()];
        let mut bad = good.clone();
        let at = tamper(&mut bad, &others, &mut random);
        place.set_log(&bad.concat());
        let expected = u64::try_from(at).expect("small") + 1;
        assert_eq!(place.first_broken(), Some(expected), "{round}: {kind} at {expected}");
        // A log with a broken end cannot be continued.
        if kind.starts_with("cut") {
            assert!(place.open().is_err(), "{round}: {kind}");
        }
        place.set_log(&good.concat());
    }
    place.assert_valid(17);
}

/// Without the key, a writer of the file cannot continue the log either.
#[test]
fn entries_added_without_the_key_are_found() {
    let (place, forger) = (Place::with_key('1'), Place::with_key('2'));
    let audit = place.open().expect("a log");
    change(&audit, "a");
    drop(audit);
    let good = place.log();
    // The forger has everything but the key: the log, and the program.
    std::fs::create_dir_all(forger.file("")).expect("a folder");
    let audit = forger.open().expect("a log");
    change(&audit, "a");
    change(&audit, "forged");
    drop(audit);
    let longer = forger.log();
    let tail: Vec<&[u8]> = longer.split_inclusive(|byte| *byte == b'\n').skip(3).collect();
    place.set_log(&[good, tail.concat()].concat());
    assert_eq!(place.first_broken(), Some(4));
    assert!(place.open().is_err());
}

#[test]
fn a_changed_or_restored_head_is_found() {
    let place = Place::with_key('1');
    let audit = place.open().expect("a log");
    change(&audit, "a");
    audit.close().expect("on disk");
    let (head, log) = (std::fs::read_to_string(place.file("head.json")).expect("a head"), place.log());
    let write = |text: &str| std::fs::write(place.file("head.json"), text).expect("written");
    for changed in [head.replace("\"seq\":3", "\"seq\":2"), head.replace('{', "["), String::new(), "\u{0}".to_owned()] {
        assert_ne!(changed, head);
        write(&changed);
        assert_eq!(place.first_broken(), Some(0), "{changed}");
        assert!(place.open().is_err(), "{changed}");
    }
    std::fs::remove_file(place.file("head.json")).expect("removed");
    assert_eq!(place.first_broken(), Some(0));
    assert!(place.open().is_err());
    // An earlier head of the same log is only outdated, as after a crash. The log itself is complete.
    write(&head);
    change(&audit, "b");
    audit.close().expect("on disk");
    write(&head);
    place.assert_valid(5);
    // But if the entries after this head are removed, this equals an earlier crash.
    place.set_log(&log);
    place.assert_valid(3);
}

#[test]
fn another_key_verifies_nothing() {
    let (place, other) = (Place::with_key('1'), Place::with_key('2'));
    change(&place.open().expect("a log"), "a");
    let key = other.open().expect("a log").public_key();
    assert!(moat::audit::verify(place.path(), Some(&key)).is_err());
    // Nor is the log trusted with a replaced key.
    place.write_key('2');
    assert_eq!(place.first_broken(), Some(1));
}
