//! `moat exec`: the exit code and the streams of the command, as for a local one.

use std::fmt::Write as _;
use std::process::Command;

use testkit::run::run;
use testkit::sandbox::{PLAIN, Sandbox};

#[test]
fn exit_codes_and_streams_are_passed() {
    let sandbox = Sandbox::applied(PLAIN);
    for code in [0, 1, 7, 125, 255] {
        assert_eq!(sandbox.sh(&format!("exit {code}")).code, code);
    }
    let ran = sandbox.sh("echo out; echo err >&2; echo out again");
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("out\nout again\n", "err\n"), "{ran}");
    // Without a shell: arguments stay separate.
    let ran = sandbox.moat(&["exec", "--", "printf", "%s|", "a b", "$HOME", "", "--json"]).ok();
    assert_eq!(ran.stdout, "a b|$HOME||--json|");
    assert_eq!(sandbox.moat(&["exec", "agent.yaml", "--", "echo", "named"]).ok().stdout, "named\n");
}

#[test]
fn standard_input_is_passed_unchanged() {
    let sandbox = Sandbox::applied(PLAIN);
    // All byte values, so that none is interpreted by a terminal or the stream format.
    let input: Vec<u8> = (0..1024 * 1024_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let digest = <sha2::Sha256 as sha2::Digest>::digest(&input);
    let hex = digest.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a text");
        hex
    });
    let ran = sandbox.moat(&["exec", "--", "sha256sum"]).input(input).ok();
    assert_eq!(ran.stdout, format!("{hex}  -\n"));
    // The end is passed on too, otherwise this would hang.
    assert_eq!(sandbox.moat(&["exec", "--", "wc", "-c"]).ok().stdout, "0\n");
}

#[test]
fn large_output_is_complete() {
    let sandbox = Sandbox::applied(PLAIN);
    let ran = sandbox.sh("seq 1 200000");
    assert!(ran.stdout.lines().map(str::parse::<u32>).eq((1..=200_000).map(Ok)), "{} bytes", ran.stdout.len());
}

#[test]
fn the_commands_terminal_has_the_same_size() {
    let sandbox = Sandbox::applied(PLAIN);
    let moat = testkit::moat_binary();
    let script = format!("stty rows 33 cols 91; '{moat}' exec -- sh -c 'test -t 0 && test -t 1 && stty size; exit 5'");
    let mut command = Command::new("script");
    command.args(["-qec", &script, "/dev/null"]).current_dir(sandbox.path());
    command.env("DOCKER_HOST", &testkit::engine::engine().host).env("HOME", sandbox.home());
    let ran = run(command, b"");
    assert_eq!(ran.code, 5, "{ran}");
    assert!(ran.stdout.contains("33 91"), "{ran}");
    // Without a local terminal there is none inside.
    assert_eq!(sandbox.sh("test -t 0 || test -t 1").code, 1);
}

#[test]
fn exec_without_a_running_container() {
    let sandbox = Sandbox::new(PLAIN);
    expect_test::expect![[r#"
        exit 1
        == stderr
        error: the main container of `builder` does not exist
          = help: `moat apply` creates or starts it; `moat status` shows the state
    "#]]
    .assert_eq(&sandbox.moat(&["exec", "--", "true"]).transcript());
}
