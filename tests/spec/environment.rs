//! The environment of a spec: variables, other files, secrets, and the errors for missing ones.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use expect_test::{Expect, expect};
use moat::ui::Colour;
use moat::ui::render::diagnostic;
use moat_spec::environment::{FileError, ProgramError, Recorder};
use moat_spec::{Environment, Inputs, Source, Spec, agent, fetch};

/// An environment as data.
#[derive(Default)]
struct TestEnv {
    variables: BTreeMap<&'static str, &'static str>,
    files: BTreeMap<&'static str, &'static str>,
    /// The output of programs, by command line.
    programs: BTreeMap<&'static str, Result<&'static str, ProgramError>>,
}

impl Environment for TestEnv {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).map(|value| (*value).to_owned())
    }

    fn read(&self, path: &Path) -> Result<String, FileError> {
        let path = path.to_str().expect("text");
        self.files.get(path).map(|text| (*text).to_owned()).ok_or(FileError::Missing)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<String, ProgramError> {
        let words = format!("{program} {}", arguments.join(" "));
        let found = self.programs.get(words.as_str()).cloned().unwrap_or(Err(ProgramError::Missing));
        found.map(str::to_owned)
    }
}

fn test_env() -> TestEnv {
    TestEnv {
        variables: [("HOME", "/home/me"), ("TAG", "13"), ("EMPTY", ""), ("TOKEN", "hunter2"), ("PORT", "8080")].into(),
        files: [
            ("/p/.env", "TAG=12\nFROM_FILE='of the file'\n"),
            (
                "/p/base.yaml",
                "image: debian:12\nenv: {A: base, B: base}\ndependencies: [git]\nmounts: ['./data:/data']\n",
            ),
            ("/p/shared/more.yaml", "name: ignored\nextends: ../base.yaml\nenv: {B: more}\nmounts: ['./data:/data']\n"),
            ("/p/loop.yaml", "extends: loop.yaml\n"),
            ("/p/bad.yaml", "imagee: x\nenv: {A: }\n"),
            ("/p/two.yaml", "image: x\n---\nimage: y\n"),
            ("/p/app.env", "A=1\nSECRET=hunter2\n"),
            ("/p/bad.env", "A=1\nhunter2\n"),
            ("/p/token", "hunter2\r\n"),
            ("/home/me/token", "hunter3\n"),
            ("/p/empty", "\n"),
            ("/p/two-words", "two words\n"),
            ("/p/Dockerfile", "FROM a\n"),
        ]
        .into(),
        programs: [
            ("sh -c print-token", Ok("hunter2\n")),
            ("sh -c fails", Err(ProgramError::Failed("ended with code 3".to_owned()))),
            ("pass show team/token", Ok("hunter2\n")),
            (
                "aws ssm get-parameter --with-decryption --query Parameter.Value --output text --name /team/token",
                Ok("hunter2\n"),
            ),
            (
                "aws ssm get-parameter --with-decryption --query Parameter.Value --output text --region eu-west-1 \
                 --name /team/token",
                Ok("hunter3\n"),
            ),
        ]
        .into(),
    }
}

fn read(text: &str) -> agent::ParseOutput {
    agent::parse_all(Source::new("agent.yaml", "/p/agent.yaml", text), &test_env())
}

fn specs(text: &str) -> Vec<Spec> {
    read(text).specs.unwrap_or_else(|diagnostics| panic!("{diagnostics}"))
}

fn spec(text: &str) -> Spec {
    specs(text).pop().expect("an agent")
}

#[track_caller]
fn refused(text: &str, expected: &Expect) {
    let diagnostics = read(text).specs.expect_err("it is wrong");
    expected.assert_eq(&diagnostic::text(&diagnostics, Colour::Never));
}

fn concealed(spec: &Spec) -> BTreeMap<&str, &str> {
    spec.concealed.iter().map(|(name, value)| (name.as_str(), value.expose())).collect()
}

fn fetched(text: &str) -> Result<BTreeMap<String, String>, String> {
    let found = fetch::secrets(&spec(text), &test_env());
    let values = found.map_err(|diagnostics| diagnostic::text(&diagnostics, Colour::Never))?;
    Ok(values.main.into_iter().map(|(name, value)| (name, value.expose().to_owned())).collect())
}

#[test]
fn variables_are_substituted_after_parsing() {
    let table = [
        ("image: debian:${TAG}", "debian:13"),
        ("image: '${NOWHERE:-debian:13}'", "debian:13"),
        ("image: '${EMPTY:-debian:13}'", "debian:13"),
        ("image: '${NOWHERE:-debian:${TAG}}'", "debian:13"),
        ("image: 'debian:${TAG:?which release?}'", "debian:13"),
    ];
    for (text, image) in table {
        assert_eq!(spec(&format!("agent: a\n{text}\n")).image.expect("one").as_str(), image, "{text}");
    }
    let command =
        |text: &str| spec(&format!("agent: a\ncommand: {text}\n")).command.expect("one").pop().expect("words");
    assert_eq!(command("'echo $HOME $$ $${TAG} ${TAG} 5$'"), "echo $HOME $ ${TAG} 13 5$");
    // A value never changes the structure: this one would be two keys.
    assert_eq!(command("'${FROM_FILE}: [x'"), "of the file: [x");
    assert_eq!(command("'${EMPTY}x'"), "x");
    assert_eq!(spec("agent: a\nports: ['${PORT}:80']\ninteractive: ${YES:-true}\n").ports.len(), 1);
}

#[test]
fn the_environment_overrides_the_env_file() {
    let spec = spec("agent: a\nenv: {TAG: '${TAG}', OTHER: '${FROM_FILE}', PLAIN: x}\n");
    assert_eq!(concealed(&spec), BTreeMap::from([("TAG", "13"), ("OTHER", "of the file")]));
    assert_eq!(spec.env, BTreeMap::from([("PLAIN".to_owned(), "x".to_owned())]));
}

#[test]
fn variables_that_cannot_be_substituted() {
    refused(
        "agent: a\nimage: ${NOWHERE}\ncommand: ['${EMPTY:?what to run}', '${A-b}', '${', '${1}']\n",
        &expect![[r#"
            error: the variable `NOWHERE` is not set
             --> agent.yaml:2:8
              |
            2 | image: ${NOWHERE}
              |        ^^^^^^^^^^
              |
              = help: set it, add it to `.env`, or write `${NOWHERE:-default}`

            error: the variable `EMPTY` is required: what to run
             --> agent.yaml:3:11
              |
            3 | command: ['${EMPTY:?what to run}', '${A-b}', '${', '${1}']
              |           ^^^^^^^^^^^^^^^^^^^^^^^
              |
              = help: set it, add it to `.env`, or write `${EMPTY:-default}`

            error: `${A-b}` is not a variable
             --> agent.yaml:3:36
              |
            3 | command: ['${EMPTY:?what to run}', '${A-b}', '${', '${1}']
              |                                    ^^^^^^^^
              |
              = help: write `${NAME}`, `${NAME:-default}` or `${NAME:?message}`, and `$$` for a dollar sign

            error: unclosed `${`
             --> agent.yaml:3:46
              |
            3 | command: ['${EMPTY:?what to run}', '${A-b}', '${', '${1}']
              |                                              ^^^^
              |
              = help: close it, or write `$$` for a dollar sign

            error: `${1}` is not a variable
             --> agent.yaml:3:52
              |
            3 | command: ['${EMPTY:?what to run}', '${A-b}', '${', '${1}']
              |                                                    ^^^^^^
              |
              = help: write `${NAME}`, `${NAME:-default}` or `${NAME:?message}`, and `$$` for a dollar sign
        "#]],
    );
}

#[test]
fn an_extended_file_provides_defaults() {
    let spec = spec("agent: a\nextends: [base.yaml, shared/more.yaml]\nenv: {C: own}\n");
    assert_eq!(spec.agent.as_str(), "a");
    assert_eq!(spec.image.expect("one").as_str(), "debian:12");
    let env: Vec<String> = spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(env, ["A=base", "B=more", "C=own"]);
    // A list is replaced as a whole, and its paths are relative to the file that contains it.
    let mounts: Vec<String> = spec.mounts.iter().map(|mount| format!("{:?}", mount.source)).collect();
    assert_eq!(mounts, [r#"Path("/p/shared/data")"#]);
}

#[test]
fn an_error_in_an_extended_file_points_there() {
    refused(
        "agent: a\ninclude: bad.yaml\nimag: x\n",
        &expect![[r#"
        error: unknown key `imag`
         --> agent.yaml:3:1
          |
        3 | imag: x
          | ^^^^
          |
          = help: did you mean `image`?

        error: unknown key `imagee`
         --> bad.yaml:1:1
          |
        1 | imagee: x
          | ^^^^^^
          |
          = help: did you mean `image`?

        error: `env.A` has no value
         --> bad.yaml:2:7
          |
        2 | env: {A: }
          |       ^
          |
          = help: write `""` for an empty value
    "#]],
    );
}

#[test]
fn files_that_cannot_be_extended() {
    refused(
        "agent: a\nextends: [nowhere.yaml, loop.yaml, two.yaml]\n",
        &expect![[r#"
            error: file `nowhere.yaml` does not exist
             --> agent.yaml:2:11
              |
            2 | extends: [nowhere.yaml, loop.yaml, two.yaml]
              |           ^^^^^^^^^^^^
              |
              = help: the path is relative to this file

            error: `two.yaml` contains several documents
             --> agent.yaml:2:36
              |
            2 | extends: [nowhere.yaml, loop.yaml, two.yaml]
              |                                    ^^^^^^^^
              |
              = help: move the shared part to a separate file

            error: `loop.yaml` extends itself
             --> loop.yaml:1:10
              |
            1 | extends: loop.yaml
              |          ^^^^^^^^^
              |
              = help: remove one of the `extends` entries
        "#]],
    );
    refused(
        "agent: a\nextends: {path: x}\n",
        &expect![[r#"
            error: `extends` must be a string or a list, not a mapping
             --> agent.yaml:2:10
              |
            2 | extends: {path: x}
              |          ^^^^^^^^^
              |
              = help: a space after the colon makes a mapping: write `path:x`
        "#]],
    );
}

#[test]
fn several_agents_of_one_file() {
    let names: Vec<String> =
        specs("agent: a\nimage: x\n---\nname: b\nimage: y\n").iter().map(|spec| spec.agent.to_string()).collect();
    assert_eq!(names, ["a", "b"]);
    refused(
        "agent: a\n---\nagent: a\n---\nimage: x\n",
        &expect![[r#"
        error: `agent` is missing
         --> agent.yaml:5:1
          |
        5 | image: x
          | ^
          |
          = help: add a line such as `agent: builder`
    "#]],
    );
    refused(
        "agent: a\n---\nagent: a\n",
        &expect![[r#"
            error: duplicate agent `a` in this file
             --> agent.yaml:3:8
              |
            3 | agent: a
              |        ^
              |
              = help: rename one of them
        "#]],
    );
}

#[test]
fn the_spec_overrides_files_of_variables() {
    let spec = spec("agent: a\nenv_file: app.env\nenv: {A: own}\n");
    assert_eq!(concealed(&spec), BTreeMap::from([("SECRET", "hunter2")]));
    assert_eq!(spec.env["A"], "own");
}

#[test]
fn errors_in_a_file_of_variables_hide_its_values() {
    refused(
        "agent: a\nenv_file: [bad.env, nowhere.env]\n",
        &expect![[r#"
            error: cannot read `nowhere.env`: no such file
             --> agent.yaml:2:21
              |
            2 | env_file: [bad.env, nowhere.env]
              |                     ^^^^^^^^^^^
              |
              = help: the path is relative to this file

            error: this line is not `NAME=VALUE`
             --> bad.env:2:1
              |
            2 | …
              | ^
              |
              = help: start comments with `#`, and quote values that span several lines
        "#]],
    );
}

#[test]
fn secrets_are_fetched_from_their_sources() {
    let values = fetched(
        "agent: a\nsecrets:\n  A: env://TOKEN\n  B: file://token\n  C: file://~/token\n  D: cmd://print-token\n  E: pass://team/token\n",
    );
    let values = values.expect("all of them");
    let values: Vec<String> = values.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(values, ["A=hunter2", "B=hunter2", "C=hunter3", "D=hunter2", "E=hunter2"]);
}

#[test]
fn parameters_of_aws_are_read_by_its_command_line() {
    let values = fetched("agent: a\nsecrets: {A: 'ssm:///team/token', B: 'ssm://eu-west-1/team/token'}\n");
    let expected = [("A", "hunter2"), ("B", "hunter3")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(values, Ok(expected.into()));
}

#[test]
fn values_of_grants_are_fetched_like_secrets_and_reported_by_the_grant() {
    let spec = |sources: [&str; 2]| {
        let [one, two] = sources;
        spec(&format!(
            "agent: a\nimage: x\nnetwork: {{policy: strict}}\ngrants:\n  - github: {{source: '{one}'}}\n  - npm: {{source: '{two}'}}\n"
        ))
    };
    let values = fetch::grants(&spec(["env://TOKEN", "cmd://print-token"]), &test_env()).expect("both");
    let values: Vec<String> = values.iter().map(|(name, value)| format!("{name}={}", value.expose())).collect();
    assert_eq!(values, ["github=hunter2", "npm=hunter2"]);
    let missing =
        fetch::grants(&spec(["env://NOWHERE", "file://two-words"]), &test_env()).expect_err("none can be used");
    let messages: Vec<String> = missing.items.iter().map(|item| item.message.clone()).collect();
    assert_eq!(
        messages,
        [
            "cannot get the value of the grant `github`: `NOWHERE` is not set",
            "the value of the grant `npm` has spaces, line breaks or other characters that a header cannot have",
        ]
    );
}

#[test]
fn all_missing_secrets_are_reported_together() {
    let text = "agent: a\nsecrets:\n  A: env://NOWHERE\n  B: file://nowhere\n  C: cmd://fails\n  D: op://vault/item/field\n  E: file://empty\n";
    expect![[r#"
        error: cannot get the secret `A`: `NOWHERE` is not set
         --> agent.yaml:3:6
          |
        3 |   A: env://NOWHERE
          |      ^^^^^^^^^^^^^
          |
          = help: set it in moat's environment

        error: cannot read the secret `B`: no such file
         --> agent.yaml:4:6
          |
        4 |   B: file://nowhere
          |      ^^^^^^^^^^^^^^
          |
          = help: relative paths start from this file

        error: cannot get the secret `C`: its command ended with code 3
         --> agent.yaml:5:6
          |
        5 |   C: cmd://fails
          |      ^^^^^^^^^^^
          |
          = help: run the command manually for details

        error: cannot get the secret `D`: `op` (1Password) is not installed
         --> agent.yaml:6:6
          |
        6 |   D: op://vault/item/field
          |      ^^^^^^^^^^^^^^^^^^^^^
          |
          = help: install it, or use another source: `env://NAME`, `file://PATH`, `cmd://COMMAND`

        error: the secret `E` is empty
         --> agent.yaml:7:6
          |
        7 |   E: file://empty
          |      ^^^^^^^^^^^^
          |
          = help: set a value at its source
    "#]]
    .assert_eq(&fetched(text).expect_err("none can be had"));
}

#[test]
fn invalid_sources_of_secrets() {
    refused(
        "agent: a\nenv: {B: x}\nsecrets: {A: hunter2, B: 'vault://x', C: 'env://'}\n",
        &expect![[r#"
            error: expected the source of a secret, not its value
             --> agent.yaml:3:14
              |
            3 | secrets: {A: hunter2, B: 'vault://x', C: 'env://'}
              |              ^^^^^^^
              |
              = help: write `env://NAME`, `file://PATH` or `cmd://COMMAND`

            error: unknown secret source `vault://`
             --> agent.yaml:3:26
              |
            3 | secrets: {A: hunter2, B: 'vault://x', C: 'env://'}
              |                          ^^^^^^^^^^^
              |
              = help: write `env://NAME`, `file://PATH` or `cmd://COMMAND`; use `cmd://` for any other tool

            error: nothing follows `env://`
             --> agent.yaml:3:42
              |
            3 | secrets: {A: hunter2, B: 'vault://x', C: 'env://'}
              |                                          ^^^^^^^^
              |
              = help: write `env://NAME`, `file://PATH` or `cmd://COMMAND`
        "#]],
    );
    refused(
        "agent: a\nenv: {B: x}\nsecrets: {B: 'env://B'}\n",
        &expect![[r#"
            error: `B` is also set in `env`
             --> agent.yaml:3:14
              |
            3 | secrets: {B: 'env://B'}
              |              ^^^^^^^^^
              |
              = help: keep one of them
        "#]],
    );
}

#[test]
fn concealed_values_are_never_shown() {
    let text = "agent: a\nimage: x\nenv_file: app.env\nenv: {V: '${TOKEN}'}\nsecrets: {S: 'env://TOKEN'}\n";
    let spec = spec(text);
    let shown = format!("{spec:?} {:?}", fetch::secrets(&spec, &test_env()));
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn build_secrets_are_fetched_from_both_places() {
    let build = |text: &str| {
        let found = fetch::secrets(&spec(text), &test_env()).expect("there is everything");
        let shown = |all: BTreeMap<String, moat_model::resource::SecretText>| {
            all.iter().map(|(name, value)| format!("{name}={}", value.expose())).collect::<Vec<_>>().join(" ")
        };
        (shown(found.main), shown(found.build))
    };
    let pair = |main: &str, build: &str| (main.to_owned(), build.to_owned());
    let named = "agent: a\nsecrets: {A: 'env://TOKEN', B: 'file://token'}\nbuild: {secrets: [A]}\n";
    assert_eq!(build(named), pair("A=hunter2 B=hunter2", "A=hunter2"));
    let own =
        "agent: a\nsecrets: {A: 'env://TOKEN'}\nbuild: {secrets: {A: 'file://~/token', c: 'cmd://print-token'}}\n";
    assert_eq!(build(own), pair("A=hunter2", "A=hunter3 c=hunter2"));
}

#[test]
fn the_inputs_of_an_invalid_spec_are_recorded() {
    let all = |text: &str| {
        let Inputs { read, missing, .. } = read(text).inputs;
        let shown = |paths: std::collections::BTreeSet<PathBuf>| {
            paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ")
        };
        (shown(read), shown(missing))
    };
    assert_eq!(all("agent: a\n"), (String::new(), String::new()));
    let (read, missing) = all("agnt: a\nextends: [base.yaml, gone.yaml]\nimage: ${NOWHERE}\n");
    assert_eq!((read.as_str(), missing.as_str()), ("/p/.env /p/base.yaml", "/p/gone.yaml"));
    let spec = spec("agent: a\nsecrets: {A: 'file://token', B: 'file://gone'}\n");
    let env = test_env();
    let recorder = Recorder::new(&env);
    fetch::secrets(&spec, &recorder).expect_err("one is gone");
    let inputs = recorder.into_inputs();
    assert!(inputs.read.contains(Path::new("/p/token")) && inputs.missing.contains(Path::new("/p/gone")), "{inputs:?}");
}

#[test]
fn substitution_is_limited_in_size() {
    let long: &'static str = Box::leak("x".repeat(100_000).into_boxed_str());
    let env = TestEnv { variables: [("LONG", long)].into(), ..TestEnv::default() };
    let text = format!("agent: a\ncommand: [{}]\n", "'${LONG}',".repeat(1000));
    let found = agent::parse_all(Source::new("agent.yaml", "/p/agent.yaml", text), &env).specs;
    let found = found.expect_err("it is too long").to_string();
    assert_eq!(found.lines().next(), Some("agent.yaml:2:111: the file is larger than 1024 KiB after substitution"));
}
