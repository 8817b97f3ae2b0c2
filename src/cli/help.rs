//! The output of `moat --help`: commands grouped by purpose, on one screen of 80 columns.
//!
//! clap prints one flat list of more than thirty commands and a paragraph for each global option.

use clap::Command;

/// A line of the list: commands, and a description. `None`: that of the only command.
type Row = (&'static [&'static str], Option<&'static str>);

/// Every command, by purpose.
const GROUPS: [(&str, &[Row]); 4] = [
    (
        "Lifecycle",
        &[
            (&["apply"], None),
            (&["plan"], None),
            (&["watch"], None),
            (&["approve"], None),
            (&["stop", "start", "restart"], Some("Stop, start or restart the sandbox")),
            (&["destroy"], None),
            (&["clean"], None),
        ],
    ),
    (
        "Inspect",
        &[
            (&["status"], None),
            (&["why"], None),
            (&["list"], None),
            (&["logs"], None),
            (&["events"], None),
            (&["net"], None),
            (&["grants"], None),
            (&["history"], None),
            (&["graph"], None),
        ],
    ),
    (
        "Use",
        &[
            (&["agent", "run"], Some("Apply the spec, then start a coding agent or a command")),
            (&["shell", "exec"], Some("Open a shell or run a command in the sandbox")),
            (&["attach", "sessions"], Some("Attach to a session or the main command; list sessions")),
            (&["cp"], None),
            (&["ports", "open"], Some("Show the published ports, or open one in a browser")),
        ],
    ),
    (
        "Maintain",
        &[
            (&["init", "validate"], Some("Create a commented `agent.yaml`, or check specs")),
            (&["explain", "schema"], Some("Describe the keys of `agent.yaml`")),
            (&["deps"], None),
            (&["image"], None),
            (&["cache"], None),
            (&["doctor"], None),
            (&["audit"], None),
            (&["completions", "man"], Some("Print a shell completion script or a man page")),
        ],
    ),
];

/// The end of the page: how to name a sandbox, and where the options are.
const FOOTER: &str = "\
Options: --host ADDRESS, --context NAME, --color WHEN, -v, -q, --version
AGENT is an agent's name, a run's id or a spec (default: the nearest agent.yaml)
See `moat help COMMAND` for the options of a command";

/// A clap template that prints the commands in groups.
pub fn template(command: &Command) -> String {
    let rows = GROUPS.iter().flat_map(|(_, rows)| *rows);
    let width = rows.map(|(names, _)| names.join(", ").len()).max().unwrap_or(0);
    let mut text = String::from("{about}\n\n{usage-heading} {usage}\n");
    for (title, rows) in GROUPS {
        text.push_str(&format!("\n{title}:\n"));
        for (names, description) in rows {
            let description = description.map_or_else(|| about(command, names), str::to_owned);
            text.push_str(&format!("  {:width$}  {description}\n", names.join(", ")));
        }
    }
    text + "\n" + FOOTER
}

fn about(command: &Command, names: &[&str]) -> String {
    let found = command.get_subcommands().find(|it| names.contains(&it.get_name()));
    found.and_then(Command::get_about).map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In characters: a command or an option with its description on one line of a terminal.
    const DESCRIPTION_MAX: usize = 60;

    #[test]
    fn every_command_is_in_one_group() {
        let command = super::super::command();
        let rows = GROUPS.iter().flat_map(|(_, rows)| *rows);
        let mut grouped: Vec<&str> = rows.flat_map(|(names, _)| *names).copied().collect();
        let mut all: Vec<&str> =
            command.get_subcommands().filter(|it| !it.is_hide_set()).map(Command::get_name).collect();
        grouped.sort_unstable();
        all.sort_unstable();
        assert_eq!(grouped, all);
    }

    /// Checks a command, its arguments and its subcommands.
    fn check(command: &Command) {
        let mut texts = vec![(command.get_name().to_owned(), command.get_about())];
        texts.extend(
            command.get_arguments().map(|it| (format!("{} {}", command.get_name(), it.get_id()), it.get_help())),
        );
        for (name, text) in texts {
            let text = text.map(ToString::to_string).unwrap_or_default();
            assert!((1..=DESCRIPTION_MAX).contains(&text.chars().count()), "{name}: {text}");
            assert!(!text.ends_with('.') && text.starts_with(char::is_uppercase), "{name}: {text}");
        }
        command.get_subcommands().for_each(check);
    }

    #[test]
    fn every_description_is_one_short_line() {
        super::super::command().get_subcommands().for_each(check);
    }
}
