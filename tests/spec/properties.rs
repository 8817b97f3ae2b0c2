//! Reading any text terminates, with a spec or with diagnostics that point into it.

use moat::ui::Colour;
use moat::ui::render::diagnostic;
use moat_spec::{Diagnostics, Source, agent};
use proptest::prelude::*;

/// Pieces of specs, valid and invalid, and the special characters of YAML.
const PIECES: &[&str] = &[
    "agent: builder\n",
    "image: debian:13\n",
    "dependencies:\n",
    "  - docker:dind\n",
    "command: [a, 1.10]\n",
    "env:\n",
    "  A: 1\n",
    "  B: ü\n",
    "buildkit:\n",
    "  cache: keep\n",
    "  image: *x\n",
    "agent",
    "env",
    "&x ",
    "*x",
    "<<: ",
    ": ",
    ":",
    "- ",
    "? ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "\n",
    "\r\n",
    "\r",
    " ",
    "  ",
    "\t",
    "\"",
    "'",
    "\\",
    "\\x",
    "|\n",
    ">-\n",
    "---\n",
    "...\n",
    "%YAML 1.1\n",
    "!t ",
    "!!str ",
    "#",
    " # ü\n",
    "~",
    "null",
    "1",
    "日本",
    "\u{feff}",
    "\u{85}",
    "\u{2028}",
    "\0",
    "\u{7f}",
    "é",
    "=",
    "@",
    "`",
];

const VALID: &str = "agent: builder # größer\nimage: debian:13\ndependencies:\n  - docker:dind\n  - 'node@22'\n\
    command: |\n  echo ü\n  sleep 1\nenv: { PORT: 8080, NAME: \"日本\\u00e9\" }\nbuildkit:\n  image: moby/buildkit:v1\n  cache: discard\n";

fn parse(text: &str) -> Result<moat_spec::Spec, Diagnostics> {
    agent::parse(Source::new("agent.yaml", "/agent.yaml", text))
}

/// The properties of any text.
fn check(text: &str) -> Result<(), TestCaseError> {
    match parse(text) {
        Ok(spec) => {
            // Two parsers have read the file, one for locations and one for values, and must agree.
            let dependencies =
                spec.dependencies.iter().enumerate().map(|(i, d)| (format!("dependencies.{i}"), &d.value));
            let env = spec.env.iter().map(|(name, value)| (format!("env.{name}"), value));
            for (path, value) in dependencies.chain(env) {
                let written = &spec.source.text[spec.place(&path)];
                let is_plain = !written.starts_with(['\'', '"', '|', '>', '&', '*']) && !written.contains(['\n', '\r']);
                prop_assert!(!is_plain || written == value, "{}: {:?} is not {:?}", path, written, value);
            }
        }
        Err(diagnostics) => {
            prop_assert!(!diagnostics.items.is_empty());
            let text = &diagnostics.source.text;
            for item in &diagnostics.items {
                prop_assert!(text.get(item.span.clone()).is_some(), "{:?}", item.span);
                prop_assert!(item.hint.is_some(), "no hint: {}", item.message);
                // What passes the checks fits the types; otherwise the message would be serde's.
                for words in ["invalid ", "missing field", "unknown field", "duplicate field"] {
                    prop_assert!(!item.message.starts_with(&format!("not valid YAML: {words}")), "{}", item.message);
                }
            }
            prop_assert!(diagnostics.items.is_sorted_by_key(|item| item.span.start));
            let shown = diagnostic::text(&diagnostics, Colour::Never);
            prop_assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{:?}", shown);
            prop_assert_eq!(diagnostic::findings(&diagnostics).len(), diagnostics.items.len());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        check(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn any_pieces(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..40)) {
        check(&pieces.concat())?;
    }

    #[test]
    fn a_spec_with_one_edit(
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), 0..6_usize, proptest::sample::select(PIECES)), 1..4),
    ) {
        let mut chars: Vec<char> = VALID.chars().collect();
        for (at, gone, piece) in cuts {
            let at = at.index(chars.len());
            let end = (at + gone).min(chars.len());
            chars.splice(at..end, piece.chars());
        }
        check(&chars.into_iter().collect::<String>())?;
    }

    /// The location of an error does not depend on the characters before it.
    #[test]
    fn locations_do_not_depend_on_the_text_before(before in "[^$\\p{C}\\p{Z}'\u{feff}\u{2028}\u{2029}]{0,40}") {
        let text = format!("agent: a\nenv: {{ A: '{before}', 1B: x }} # {before}\nfrob: x\n");
        let diagnostics = parse(&text).expect_err("two keys are wrong");
        let places: Vec<_> = diagnostics.items.iter().map(|item| &text[item.span.clone()]).collect();
        prop_assert_eq!(places, ["1B", "frob"]);
        let findings = diagnostic::findings(&diagnostics);
        prop_assert_eq!((findings[0].line, findings[0].col), (2, 15 + before.chars().count()));
    }
}

#[test]
fn the_spec_before_the_edit_is_valid() {
    assert!(parse(VALID).is_ok());
}
