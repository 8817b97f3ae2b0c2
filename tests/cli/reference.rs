//! `docs/reference/commands.md`: the help of every command, as the binary prints it. `UPDATE_EXPECT=1` updates the page.

use expect_test::expect_file;
use testkit::hermetic::Place;

const HEAD: &str = "# Commands

This page lists every command and option, as `moat COMMAND --help` prints them. It is generated; a test compares it with the
program.

See also [exit codes](exit-codes.md) and [JSON documents](documents.md), the output of `--json`.

";

/// The commands in the order of `moat --help`, where a line may list several.
fn commands(help: &str) -> Vec<String> {
    let lines = help.lines().filter_map(|line| line.strip_prefix("  "));
    let names = lines.filter_map(|line| line.split("  ").next());
    names.flat_map(|names| names.split(", ")).map(str::to_owned).collect()
}

fn help(arguments: &[&str]) -> String {
    let ran = Place::new().run(arguments);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{arguments:?}");
    let lines: Vec<&str> = ran.out.lines().map(str::trim_end).collect();
    lines.join("\n").trim_end().to_owned() + "\n"
}

/// A command, and its subcommands if it does nothing without one.
fn with_subcommands(name: &str) -> Vec<String> {
    let all = ::moat::cli::command();
    let command = all.find_subcommand(name).unwrap_or_else(|| panic!("no command {name}"));
    let below = command.get_subcommands().filter(|_| command.is_subcommand_required_set());
    let below = below.map(|it| format!("{name} {}", it.get_name())).filter(|name| !name.ends_with(" help"));
    [name.to_owned()].into_iter().chain(below).collect()
}

/// The help of a command, split into its own part and the global options.
fn parts(help: &str) -> (&str, &str) {
    help.split_once("\nGlobal options:\n").unwrap_or_else(|| panic!("no global options: {help}"))
}

#[test]
fn the_page_matches_the_help() {
    let first = help(&["--help"]);
    assert!(first.lines().count() <= 44 && first.lines().all(|line| line.chars().count() <= 80), "{first}");
    let commands = commands(&first);
    assert!(commands.len() > 20, "{commands:?}");
    let (mut sections, mut global) = (String::new(), String::new());
    for command in commands.iter().flat_map(|name| with_subcommands(name)) {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let text = help(&words);
        let (own, options) = parts(&text);
        if global.is_empty() {
            options.clone_into(&mut global);
        }
        // clap prints the options of a command with a long help in a wider layout.
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words(&global), words(options), "{command}");
        sections += &format!("\n## moat {command}\n\n```text\n{own}```\n");
    }
    let page = format!(
        "{HEAD}## moat\n\n```text\n{first}```\n\n## Global options\n\nEvery command has these options.\n\n```text\n{global}```\n{sections}"
    );
    expect_file!["../../docs/reference/commands.md"].assert_eq(&page);
}

#[test]
fn every_command_has_a_man_page() {
    for command in commands(&help(&["--help"])) {
        let ran = Place::new().run(&["man", &command]);
        assert!(ran.code == Some(0) && ran.out.contains(&format!("moat\\-{command}")), "{command}: {}", ran.out);
    }
    let ran = Place::new().run(&["man"]);
    assert!(ran.out.contains(".TH moat 1"), "{}", ran.out);
    assert_eq!(Place::new().run(&["man", "aply"]).code, Some(64));
}
