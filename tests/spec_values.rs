//! What a spec that is right means: every key, exactly as it was written.

use std::collections::BTreeMap;

use moat::spec::{BuilderSettings, CacheRetention, Source, Spec, agent};

fn parse(text: &str) -> Spec {
    let source = Source::new("agent.yaml", "/agent.yaml", text);
    agent::parse(source).unwrap_or_else(|diagnostics| panic!("{diagnostics}"))
}

fn env(text: &str) -> BTreeMap<String, String> {
    parse(&format!("agent: a\nenv:\n{text}")).env
}

fn command(value: &str) -> Vec<String> {
    parse(&format!("agent: a\ncommand: {value}\n")).command.expect("there is one")
}

#[test]
fn a_name_is_enough() {
    let spec = parse("agent: builder\n");
    assert_eq!(spec.agent.as_str(), "builder");
    assert_eq!((spec.image, spec.command), (None, None));
    assert_eq!((spec.dependencies, spec.env), (Vec::new(), BTreeMap::new()));
    assert_eq!(spec.buildkit, BuilderSettings { image: None, cache: CacheRetention::Keep });
}

#[test]
fn every_key_is_read() {
    let text = "agent: builder\nimage: debian:13\ndependencies: [docker:dind, node@22]\ncommand: [a, b]\n\
                env: { A: x }\nbuildkit: { image: moby/buildkit:v1, cache: discard }\n";
    let spec = parse(text);
    assert_eq!(spec.image.as_ref().map(|image| image.as_str()), Some("debian:13"));
    assert_eq!(spec.command.as_deref(), Some(["a".to_owned(), "b".to_owned()].as_slice()));
    assert_eq!(spec.env, BTreeMap::from([("A".to_owned(), "x".to_owned())]));
    assert_eq!(spec.buildkit.image.as_ref().map(|image| image.as_str()), Some("moby/buildkit:v1"));
    assert_eq!(spec.buildkit.cache, CacheRetention::Discard);
    let dependencies: Vec<_> = spec.dependencies.iter().map(|d| (d.value.as_str(), &text[d.span.clone()])).collect();
    assert_eq!(dependencies, [("docker:dind", "docker:dind"), ("node@22", "node@22")]);
}

#[test]
fn values_of_env_are_taken_as_written() {
    let table = [
        ("8080", "8080"),
        ("1.10", "1.10"),
        ("0x1F", "0x1F"),
        ("007", "007"),
        ("1_000", "1_000"),
        ("1e3", "1e3"),
        ("-0", "-0"),
        ("99999999999999999999999999", "99999999999999999999999999"),
        (".inf", ".inf"),
        ("true", "true"),
        ("True", "True"),
        ("no", "no"),
        ("22:22", "22:22"),
        ("2026-01-01", "2026-01-01"),
        ("---", "---"),
        ("'~'", "~"),
        ("\"\"", ""),
        ("''", ""),
        ("'8080'", "8080"),
        ("\"a\\tb\\u2028\"", "a\tb\u{2028}"),
        ("a b  # comment", "a b"),
        ("http://x?y=1#z", "http://x?y=1#z"),
        ("größer 日本", "größer 日本"),
        ("|\n    one\n    two", "one\ntwo\n"),
        (">-\n    one\n    two", "one two"),
        ("plain\n    over lines", "plain over lines"),
    ];
    for (written, meant) in table {
        assert_eq!(env(&format!("  A: {written}\n"))["A"], meant, "{written}");
    }
}

#[test]
fn names_of_env_are_taken_as_written() {
    for name in ["A", "true", "Null", "y", "no", "\"A\"", "e1", "_1.2-3"] {
        let meant = name.trim_matches('"');
        assert_eq!(env(&format!("  {name}: x\n")).keys().collect::<Vec<_>>(), [meant]);
    }
}

#[test]
fn a_command_line_is_for_a_shell_and_a_list_is_not() {
    assert_eq!(command("echo $HOME; sleep 1"), ["sh", "-c", "echo $HOME; sleep 1"]);
    assert_eq!(command("'true'"), ["sh", "-c", "true"]);
    assert_eq!(command("|\n  a\n  b"), ["sh", "-c", "a\nb\n"]);
    assert_eq!(command("[sleep, 5]"), ["sleep", "5"]);
    assert_eq!(command("[printf, '', 1.10, true]"), ["printf", "", "1.10", "true"]);
}

#[test]
fn an_alias_brings_its_anchors_value() {
    let spec = parse("agent: a\nenv: { A: &v 1.10, B: *v }\ncommand: &c [ls, -l]\n");
    assert_eq!(spec.env["B"], "1.10");
    assert_eq!(
        parse("agent: a\nimage: &i debian:13\nbuildkit: { image: *i }\n").buildkit.image,
        spec_image("debian:13")
    );
}

fn spec_image(text: &str) -> Option<moat::resource::ImageRef> {
    moat::resource::ImageRef::parse(text).ok()
}

#[test]
fn the_form_of_the_file_does_not_matter() {
    let plain = parse("agent: a\nenv:\n  A: x\n");
    for text in [
        "\u{feff}agent: a\nenv:\n  A: x\n",
        "agent: a\r\nenv:\r\n  A: x\r\n",
        "---\nagent: a\nenv: {A: x}\n...\n",
        "%YAML 1.2\n---\nenv: { \"A\": 'x' }\nagent: \"a\"",
        "{ \"agent\": \"a\", \"env\": { \"A\": \"x\" } }",
        "# comment\n\nagent:   a   # comment\nenv:\n\n      A:\n        x",
    ] {
        let spec = parse(text);
        assert_eq!((&spec.agent, &spec.env), (&plain.agent, &plain.env), "{text:?}");
    }
}

#[test]
fn places_are_where_things_were_written() {
    let text = "# ü\nagent: a\ndependencies:\n  - docker:dind\nbuildkit:\n  cache: keep\n";
    let spec = parse(text);
    let at = |path: &str| (&text[spec.place_of_key(path)], &text[spec.place(path)]);
    assert_eq!(at("agent"), ("agent", "a"));
    assert_eq!(at("dependencies.0"), ("docker:dind", "docker:dind"));
    assert_eq!(at("buildkit.cache"), ("cache", "keep"));
    assert_eq!(at("buildkit"), ("buildkit", "cache: keep"));
    // What was not written has the place of what is around it.
    assert_eq!(at("buildkit.image"), ("buildkit", "cache: keep"));
    assert_eq!(at("image"), ("agent", "a"));
}
