//! `docs/commands.md`: the help of every command, as the binary gives it. `UPDATE_EXPECT=1` writes the page anew.

use expect_test::expect_file;

use crate::moat::Place;

/// The commands in the order of the first page of the help.
fn commands(help: &str) -> Vec<String> {
    let lines = help.lines().filter_map(|line| line.strip_prefix("  "));
    let names = lines.filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
    names.filter_map(|line| line.split("  ").next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

fn help(arguments: &[&str]) -> String {
    let ran = Place::new().run(arguments);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{arguments:?}");
    let lines: Vec<&str> = ran.out.lines().map(str::trim_end).collect();
    lines.join("\n").trim_end().to_owned() + "\n"
}

#[test]
fn the_page_is_the_help() {
    let first = help(&["--help"]);
    let mut page = String::from(
        "# Commands\n\nThe help of every command, as `moat COMMAND --help` gives it. This page is generated, and a test checks \
         it.\n\nExit codes are in [specs/exit-codes.md](../specs/exit-codes.md), what `--json` gives in [specs/documents.md](../specs/documents.md).\n\n## moat\n\n",
    );
    page.push_str(&format!("```text\n{first}```\n"));
    let commands = commands(&first);
    assert!(commands.len() > 20, "{commands:?}");
    for command in commands {
        page.push_str(&format!("\n## moat {command}\n\n```text\n{}```\n", help(&[&command, "--help"])));
    }
    expect_file!["../../docs/commands.md"].assert_eq(&page);
}

#[test]
fn every_command_has_a_page_of_the_manual() {
    for command in commands(&help(&["--help"])) {
        let ran = Place::new().run(&["man", &command]);
        assert!(ran.code == Some(0) && ran.out.contains(&format!("moat\\-{command}")), "{command}: {}", ran.out);
    }
    let ran = Place::new().run(&["man"]);
    assert!(ran.out.contains(".TH moat 1"), "{}", ran.out);
    assert_eq!(Place::new().run(&["man", "aply"]).code, Some(64));
}
