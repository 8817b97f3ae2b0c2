//! Properties of every command, checked on the command line definition, so that new commands are included.

use clap::Command;
use testkit::hermetic::Place;

/// Commands that do not operate on a sandbox.
const ABOUT_NO_SANDBOX: [&str; 8] = ["list", "init", "validate", "explain", "schema", "deps", "completions", "man"];

/// Commands that take the sandbox as an option or as a part of a path.
const OTHER_ARGUMENT_NAMES: [(&str, &str); 3] = [("why", "file"), ("audit", "agent"), ("cp", "from")];

/// Visits a command and its subcommands with their full names.
fn walk(command: &Command, name: &str, visit: &mut dyn FnMut(&str, &Command)) {
    for below in command.get_subcommands().filter(|it| it.get_name() != "help") {
        let name = format!("{name} {}", below.get_name()).trim().to_owned();
        visit(&name, below);
        walk(below, &name, visit);
    }
}

#[test]
fn every_command_has_json() {
    let mut without = Vec::new();
    walk(&::moat::cli::command(), "", &mut |name, command| {
        // A command that requires a subcommand has no output.
        if !command.is_subcommand_required_set()
            && command.get_arguments().all(|argument| argument.get_long() != Some("json"))
        {
            without.push(name.to_owned());
        }
    });
    assert_eq!(without, [""; 0]);
}

/// In `docs/reference/documents.md`, as a section or by reference.
#[test]
fn every_json_document_is_documented() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/documents.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let mut without = Vec::new();
    walk(&::moat::cli::command(), "", &mut |name, command| {
        // A command that requires a subcommand has no output.
        let is_there = page.contains(&format!("\n## {name}\n")) || page.contains(&format!("`{name}`"));
        if !is_there && !command.is_subcommand_required_set() {
            without.push(name.to_owned());
        }
    });
    assert_eq!(without, [""; 0]);
}

/// Every command accepts an agent's name, a run id and a spec, and its help says so. A command that requires a subcommand
/// takes no arguments of its own.
#[test]
fn every_sandbox_command_accepts_all_kinds_of_names() {
    let all = ::moat::cli::command();
    let all = all.get_subcommands().flat_map(|command| {
        if command.is_subcommand_required_set() { command.get_subcommands().collect() } else { vec![command] }
    });
    for command in all.filter(|it| it.get_name() != "help") {
        let name = command.get_name();
        if ABOUT_NO_SANDBOX.contains(&name) {
            continue;
        }
        let otherwise = OTHER_ARGUMENT_NAMES.iter().find(|(other, _)| *other == name).map(|(_, argument)| *argument);
        let is_it = |argument: &&clap::Arg| match otherwise {
            Some(id) => argument.get_id() == id,
            None => argument.get_value_names().is_some_and(|names| names.iter().any(|it| it == "AGENT")),
        };
        let argument = command.get_arguments().find(is_it).unwrap_or_else(|| panic!("`{name}` takes no name"));
        // The long help of `cp` describes both paths.
        let help = if name == "cp" { command.get_long_about() } else { argument.get_help() };
        let help = help.map(ToString::to_string).unwrap_or_default().to_lowercase();
        assert!(help.contains("agent") && help.contains("id"), "{name}: {help}");
    }
}

/// With `--json`, errors are JSON documents with a code.
#[test]
fn without_an_engine_json_output_has_an_error_code() {
    let commands: [&[&str]; 19] = [
        &["apply"],
        &["plan"],
        &["watch"],
        &["approve"],
        &["status"],
        &["why"],
        &["list"],
        &["exec", "--", "true"],
        &["logs"],
        &["cp", "a", ":/b"],
        &["ports"],
        &["events"],
        &["open"],
        &["stop"],
        &["cache"],
        &["graph"],
        &["net", "log"],
        &["net", "denied"],
        &["net", "suggest"],
    ];
    let place = Place::with("agent: builder\nimage: busybox\n");
    for command in commands {
        let (name, rest) = command.split_at(if command[0] == "net" { 2 } else { 1 });
        let words = [name, &["--json"], rest].concat();
        let ran = place.run(&words);
        assert_eq!(ran.code, Some(69), "{command:?}: {}", ran.err);
        let document: serde_json::Value =
            serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{command:?}: {error}: {}", ran.out));
        assert_eq!(document["error"]["code"], "engine-unreachable", "{command:?}: {document:#}");
    }
}
