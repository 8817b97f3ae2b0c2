//! Tips for commands and flags of docker, compose and kubectl that moat names differently.
//!
//! These are tips only, not aliases.

use clap::Command;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

/// Commands of other tools, and a tip for each.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["up", "create", "update", "upgrade", "deploy"], "`moat apply` creates or updates the sandbox"),
    (
        &["down", "rm", "remove", "delete", "rmi"],
        "`moat destroy` removes the sandbox, `moat destroy --volumes` its volumes too",
    ),
    (&["ps", "get"], "`moat status` shows this sandbox, `moat list` all of them"),
    (&["ls"], "`moat list` shows all sandboxes"),
    (&["inspect", "describe", "info", "state"], "`moat status` shows the sandbox, `moat why` the reasons"),
    (
        &["build"],
        "`moat apply` builds the sandbox's image when it changes, `moat exec -- docker build .` builds in the sandbox",
    ),
    (&["pull"], "`moat apply --pull` pulls newer images of the sandbox"),
    (&["push", "tag", "commit", "compose"], "`moat exec -- docker …` runs docker in the sandbox"),
    (&["diff", "preview"], "`moat plan` shows what an apply would change"),
    (&["version"], "`moat --version` prints the version"),
    (
        &["config", "lint", "check"],
        "`moat validate` checks a spec, `moat explain` describes its keys, `moat image` shows its Dockerfile",
    ),
    (&["images"], "`moat image` shows the Dockerfile of the sandbox's image"),
    (&["kill", "pause"], "`moat stop` stops the sandbox"),
    (&["unpause"], "`moat start` starts the sandbox"),
    (&["prune"], "`moat clean` removes sandboxes whose spec is gone, `moat cache --prune` empties the build cache"),
    (&["port"], "`moat ports` shows the ports of the sandbox"),
    (&["sh", "bash", "ssh", "enter", "console"], "`moat shell` opens a shell in the sandbox"),
    (
        &["top"],
        "`moat exec -- ps` lists processes; `docker top NAME` does so from outside (`moat status` has the name)",
    ),
    (&["stats"], "`docker stats NAME` shows what a container uses; `moat status` has the name"),
    (&["new"], "`moat init` writes a spec"),
    (&["wait"], "`moat apply` waits until the sandbox is ready"),
];

/// Flags of other tools, with a tip: moat commands (empty: all), flags, tip. Specific entries come first.
const FLAGS: &[(&[&str], &[&str], &str)] = &[
    (
        &["apply"],
        &["--target"],
        "`moat apply` always covers the whole sandbox; `moat restart -c NAME` restarts one container",
    ),
    (&["apply", "destroy", "restart"], &["--auto-approve"], "use `--yes`"),
    (&["clean"], &["--dry-run"], "without `--yes` it lists the sandboxes and asks"),
    (&["destroy"], &["--dry-run"], "`moat status` shows the resources; volumes are kept without `--volumes`"),
    (&["restart"], &["-t", "--time", "--timeout"], "`moat stop -t SECONDS`, then `moat start`"),
    (&["exec", "run", "shell"], &["-i", "-t", "--interactive", "--tty"], "omit it: a terminal is used if there is one"),
    (&["exec", "run", "shell"], &["-T", "--no-tty"], "omit it: no terminal is allocated without one here"),
    (
        &["run", "shell"],
        &["-d", "--detach"],
        "`moat exec --detach` runs a command in the background; or detach with `--detach-keys`, or set the sandbox's `command`",
    ),
    (&["exec", "shell"], &["--rm"], "`moat run --rm` removes the sandbox afterwards"),
    (&["exec", "run", "shell"], &["--privileged"], "privileges are set in the spec: `moat explain`"),
    (&["exec", "run", "shell"], &["--index"], "use `-c NAME`"),
    (&["list"], &["-a", "--all"], "omit it: all sandboxes are listed, including stopped ones"),
    (&["logs"], &["--no-log-prefix"], "`-c NAME` shows one container, without its name"),
    (&[], &["-f", "--file"], "give the spec as an argument: `moat COMMAND FILE`"),
    (&[], &["--dry-run"], "`moat plan` shows what an apply would change"),
    (&[], &["-y", "--yes"], "omit it: this command does not ask"),
    (
        &[],
        &["--force-recreate", "--always-recreate-deps", "--recreate", "--replace", "--renew-anon-volumes"],
        "`moat restart` restarts the sandbox; `moat destroy` and `moat apply` recreate it",
    ),
    (&[], &["--build", "--no-cache"], "images are rebuilt automatically when their inputs change"),
    (&[], &["-d", "--detach"], "omit it: sandboxes always run in the background"),
    (&[], &["--remove-orphans"], "omit it: resources removed from the spec are removed"),
    (&[], &["--wait"], "omit it: moat always waits until the sandbox is ready"),
    (&[], &["-o", "--output", "--format"], "use `--json`"),
    (&[], &["-p", "--project-name", "--name"], "set `agent` in the spec"),
    (&[], &["--env-file"], "set `env_file: FILE` in the spec"),
    (&[], &["-H"], "use `--host ADDRESS`"),
    (&[], &["--debug", "-D"], "use `-v`, or `-vv` for more"),
    (&[], &["--no-color", "--no-ansi", "--ansi"], "use `--color never`"),
];

/// The tip for a missing `--`.
const DASHES: &str = "put `--` before the command, as in `moat exec -- ls /` or `moat exec AGENT -- ls /`";

/// Replaces clap's suggestion by a tip if the user typed a command or flag of another tool. `words`: the command line.
pub fn with_tip(mut error: Error, words: &[String], moat: &Command) -> Error {
    if let Some(tip) = tip(&error, words, moat) {
        for kind in [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue] {
            error.remove(kind);
        }
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(tip)]));
    }
    error
}

fn tip(error: &Error, words: &[String], moat: &Command) -> Option<&'static str> {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word.as_str()),
        _ => None,
    };
    // Arguments after `--` belong to another command.
    let words = words.split(|word| word == "--").next().unwrap_or_default();
    let command = words.iter().skip(1).find_map(|word| moat.find_subcommand(word)).map_or("", Command::get_name);
    match error.kind() {
        ErrorKind::InvalidSubcommand => of_command(context(ContextKind::InvalidSubcommand)?),
        ErrorKind::UnknownArgument => {
            // clap reports `--flag=value` as a whole.
            let word = context(ContextKind::InvalidArg)?.split('=').next()?;
            let runs = matches!(command, "exec" | "run");
            of_flag(command, word).or_else(|| (runs && !word.starts_with('-')).then_some(DASHES))
        }
        ErrorKind::MissingRequiredArgument if matches!(command, "exec" | "run") => Some(DASHES),
        _ => None,
    }
}

fn of_command(word: &str) -> Option<&'static str> {
    COMMANDS.iter().find(|(words, _)| words.contains(&word)).map(|(_, tip)| *tip)
}

fn of_flag(command: &str, flag: &str) -> Option<&'static str> {
    let is_of = |commands: &[&str]| commands.is_empty() || commands.contains(&command);
    FLAGS.iter().find(|(commands, flags, _)| is_of(commands) && flags.contains(&flag)).map(|(_, _, tip)| *tip)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Such a tip would never be shown.
    #[test]
    fn no_tip_replaces_an_existing_command_or_flag() {
        let moat = super::super::command();
        let mut seen = BTreeSet::new();
        for word in COMMANDS.iter().flat_map(|(words, _)| *words) {
            assert!(moat.find_subcommand(word).is_none(), "`{word}` is a command");
            assert!(seen.insert(*word), "`{word}` is duplicated");
        }
        for (commands, flags, _) in FLAGS {
            for command in *commands {
                let command = moat.find_subcommand(command).unwrap_or_else(|| panic!("no command `{command}`"));
                let known: Vec<String> = command.get_arguments().flat_map(names).collect();
                let there: Vec<_> = flags.iter().filter(|flag| known.iter().any(|it| it == *flag)).collect();
                assert!(there.is_empty(), "`{}` has {there:?}", command.get_name());
            }
        }
    }

    fn names(argument: &clap::Arg) -> Vec<String> {
        let long = argument.get_long().map(|long| format!("--{long}"));
        long.into_iter().chain(argument.get_short().map(|short| format!("-{short}"))).collect()
    }

    /// Every `moat …` in a tip has a valid command and valid flags.
    #[test]
    fn tips_name_existing_commands_and_flags() {
        let moat = super::super::command();
        let tips = COMMANDS.iter().map(|(_, tip)| *tip).chain(FLAGS.iter().map(|(_, _, tip)| *tip)).chain([DASHES]);
        for tip in tips {
            for (at, _) in tip.match_indices("`moat ") {
                let words: Vec<&str> = tip[at + 6..].split('`').next().unwrap_or_default().split(' ').collect();
                if words[0] == "COMMAND" || words[0] == "--version" {
                    continue;
                }
                let command = moat.find_subcommand(words[0]).unwrap_or_else(|| panic!("{tip}: no `{}`", words[0]));
                let known: Vec<String> = command.get_arguments().flat_map(names).collect();
                let flags = words.iter().take_while(|word| **word != "--").filter(|word| word.starts_with('-'));
                for flag in flags {
                    assert!(known.iter().any(|it| it == flag), "{tip}: no `{flag}`");
                }
            }
        }
    }
}
