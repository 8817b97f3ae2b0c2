//! The first page of the help: commands by what they are for.
//!
//! clap lists them in one row of two dozen. The words are those of the commands themselves.

use clap::Command;

/// Every command, under what a user is about to do.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Bring it about", &["apply", "plan", "watch", "approve", "stop", "start", "restart", "destroy", "clean"]),
    ("See how it is", &["status", "why", "list", "logs", "events", "history", "ports", "graph"]),
    ("Work in it", &["run", "shell", "exec", "attach", "cp", "open", "cache"]),
    ("Write a spec", &["init", "validate", "explain", "schema", "deps", "image"]),
    ("Look after moat", &["doctor", "audit", "completions", "man", "help"]),
];

/// A help template in which the commands stand in groups.
pub fn template(command: &Command) -> String {
    let width = GROUPS.iter().flat_map(|(_, names)| *names).map(|name| name.len()).max().unwrap_or(0);
    let mut text = String::from("{about}\n\n{usage-heading} {usage}\n");
    for (title, names) in GROUPS {
        text.push_str(&format!("\n{title}:\n"));
        for name in names {
            text.push_str(&format!("  {name:width$}  {}\n", about(command, name)));
        }
    }
    text + "\n{options}{after-help}"
}

fn about(command: &Command, name: &str) -> String {
    let found = command.get_subcommands().find(|it| it.get_name() == name);
    let about = found.and_then(Command::get_about).map(ToString::to_string);
    about.unwrap_or_else(|| "Print this message or the help of a command".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_one_group() {
        let command = super::super::command();
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        let mut all: Vec<&str> =
            command.get_subcommands().filter(|it| !it.is_hide_set()).map(Command::get_name).collect();
        all.push("help");
        grouped.sort_unstable();
        all.sort_unstable();
        all.dedup();
        assert_eq!(grouped, all);
    }
}
