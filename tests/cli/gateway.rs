//! `moat gateway`: the program in the container of a gateway, on a loopback address of its own.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use testkit::hermetic::Place;
use testkit::run::{Ran, run, until};

/// No other test listens there. The ports of a gateway are fixed.
const CONFIG: &str = r#"{"version": 1, "address": "127.83.7.1", "resolvers": ["127.0.0.1:9"], "state": "."}"#;

const POLICY: &str =
    r#"{"version":1,"mode":"strict","rules":[{"rule":"a.example","hosts":["a.example"]}],"host_ports":[]}"#;

/// A gateway that ends with its test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        drop((self.0.kill(), self.0.wait()));
    }
}

fn get(host: &str) -> String {
    let mut stream = TcpStream::connect("127.83.7.1:80").expect("a connection");
    stream.write_all(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn a_gateway_takes_a_policy_and_stops_on_sigterm() {
    let place = Place::new().file("gateway.json", CONFIG);
    let call = |arguments: &[&str], input: &str| -> Ran {
        let all = ["gateway"].iter().chain(arguments).copied();
        run(place.command(all), input.as_bytes())
    };
    let mut command = place.command(["gateway", "run", "--config", "gateway.json"]);
    let mut program = Program(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts"));
    assert!(until(|| call(&["status", "--state", "."], "").code == 0), "it never answers");

    let status = call(&["status", "--state", "."], "").stdout;
    assert!(status.starts_with(r#"{"digest":null,"mode":"strict","fault":"#), "{status}");
    assert!(get("ready.moat.internal").contains("no readable rules: everything is denied"));

    let set = call(&["set", "--state", "."], POLICY);
    assert_eq!((set.code, set.stderr.as_str()), (0, ""));
    let digest = set.stdout.split('"').nth(3).expect("a digest").to_owned();
    assert!(digest.len() == 64 && get("ready.moat.internal").contains(&digest), "{}", set.stdout);
    assert!(get("denied.moat.internal").starts_with("HTTP/1.1 403 "));

    let broken = call(&["set", "--state", "."], "{}");
    assert!(broken.code == 1 && broken.stderr.starts_with("error: gateway: the policy is not readable"), "{broken:?}");
    assert!(call(&["status", "--state", "."], "").stdout.contains(&digest), "the policy before stays in force");

    kill_process(Pid::from_child(&program.0), Signal::TERM).expect("it runs");
    assert_eq!(program.0.wait().expect("it ends").code(), Some(0));
    let without = call(&["status", "--state", "."], "");
    assert!(without.code == 1 && without.stderr.contains("cannot reach the gateway"), "{without:?}");
}

/// A policy with a grant, as moat writes it.
const GRANTED: &str = r#"{"version":2,"mode":"strict","rules":[],"host_ports":[],"grants":[{"name":"mine","placeholder":"placeholder-0",
    "hosts":[{"host":"x.example:443","header":"authorization","format":"Bearer {value}","requests":["allow GET /**"]}]}]}"#;

#[test]
fn a_value_is_only_in_the_memory_of_a_process_that_dumps_no_core() {
    const VALUE: &str = "a-value-that-nobody-may-see";
    let place = Place::new().file("gateway.json", CONFIG.replace("127.83.7.1", "127.83.7.2"));
    let call = |arguments: &[&str], input: &str| -> Ran {
        let all = ["gateway"].iter().chain(arguments).copied();
        run(place.command(all), input.as_bytes())
    };
    let mut command = place.command(["gateway", "run", "--config", "gateway.json"]);
    let program = Program(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts"));
    assert!(until(|| call(&["status", "--state", "."], "").code == 0), "it never answers");
    assert_eq!(call(&["set", "--state", "."], GRANTED).code, 0);
    let locked = call(&["status", "--state", "."], "").stdout;
    assert!(locked.contains(r#""grants":[{"name":"mine","locked":true,"uses":0}]"#), "{locked}");
    let unlocked =
        call(&["unlock", "--state", "."], &format!(r#"{{"mine": {{"value": "{VALUE}", "digest": "k hmac:1"}}}}"#));
    assert!(unlocked.stdout.contains(r#"{"name":"mine","locked":false,"digest":"k hmac:1","uses":0}"#), "{unlocked:?}");
    let broken = call(&["unlock", "--state", "."], &format!(r#""{VALUE}""#));
    assert!(broken.code == 1 && broken.stderr.contains("the values are not readable"), "{broken:?}");

    let process = std::path::PathBuf::from(format!("/proc/{}", program.0.id()));
    let read = |name: &str| std::fs::read(process.join(name)).expect("a file of the process");
    let has = |text: &[u8]| text.windows(VALUE.len()).any(|part| part == VALUE.as_bytes());
    assert!(!has(&read("environ")) && !has(&read("cmdline")));
    let limits = String::from_utf8(read("limits")).expect("text");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);
    for ran in [&unlocked, &broken] {
        assert!(!has(ran.stdout.as_bytes()) && !has(ran.stderr.as_bytes()));
    }
    for name in ["policy.json", "decisions.jsonl", "gateway.json"] {
        assert!(!has(&std::fs::read(place.path().join(name)).expect("a file of the state")), "{name}");
    }
    let revoked = call(&["revoke", "--state", ".", "mine"], "");
    assert!(revoked.stdout.contains(r#""name":"mine","locked":true,"revoked":true"#), "{revoked:?}");
    assert!(!has(&std::fs::read(place.path().join("revoked.json")).expect("a file of the state")));
}

#[test]
fn an_unusable_configuration_is_reported() {
    let place = Place::new().file("gateway.json", CONFIG.replace("address", "adress"));
    let ran = place.run(&["gateway", "run", "--config", "gateway.json"]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.err.contains("error: gateway: the configuration is not readable: unknown field `adress`"),
        "{}",
        ran.err
    );
}

/// It is not for users.
#[test]
fn no_help_mentions_it() {
    assert!(!Place::new().run(&["--help"]).out.contains("gateway"));
}
