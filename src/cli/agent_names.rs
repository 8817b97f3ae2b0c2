//! Names of coding agents as commands: `moat claude …` is `moat agent claude …`.
//!
//! Only those of moat's own capabilities, so that no file decides what a command is.

use std::ffi::{OsStr, OsString};

use clap::{Arg, Command};

use moat_spec::Capabilities;

/// The command that starts an agent.
const AGENT: &str = "agent";

/// Inserts the command before the name of an agent. Help for a name is that of the command.
pub fn complete(arguments: &mut Vec<OsString>, moat: &Command) {
    let Some(at) = first_word(arguments, moat) else { return };
    if is_name(&arguments[at], moat) {
        arguments.insert(at, AGENT.into());
    } else if arguments[at] == "help" && arguments.get(at + 1).is_some_and(|word| is_name(word, moat)) {
        arguments[at + 1] = AGENT.into();
    }
}

/// Adds the names to the commands, for shell completion.
pub fn as_commands(moat: Command) -> Command {
    let rest = || Arg::new("arguments").num_args(0..).trailing_var_arg(true).allow_hyphen_values(true);
    let names = Capabilities::builtin().agents().into_iter().filter_map(|it| Some((it.agent?.name, it.summary)));
    // A command keeps its name for the rest of the program, which ends after a completion.
    let names = names.map(|(name, summary)| (&*name.leak(), summary));
    moat.subcommands(names.map(|(name, summary)| Command::new(name).about(summary).arg(rest())))
}

fn is_name(word: &OsStr, moat: &Command) -> bool {
    let Some(word) = word.to_str().filter(|word| moat.find_subcommand(word).is_none()) else { return false };
    Capabilities::builtin().agents().iter().any(|it| it.agent.as_ref().is_some_and(|agent| agent.name == word))
}

/// The position of the command, after options of moat.
fn first_word(arguments: &[OsString], moat: &Command) -> Option<usize> {
    let takes_value = |word: &OsStr| {
        let long = word.to_str().and_then(|word| word.strip_prefix("--"));
        let is_it = |option: &clap::Arg| long.is_some() && option.get_long() == long;
        moat.get_arguments().any(|option| is_it(option) && option.get_action().takes_values())
    };
    let mut at = 1;
    while let Some(word) = arguments.get(at) {
        if !word.as_encoded_bytes().starts_with(b"-") {
            return Some(at);
        }
        at += if takes_value(word) { 2 } else { 1 };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_agent_is_a_command() {
        let all = |text: &str| -> Vec<OsString> { text.split(' ').map(OsString::from).collect() };
        for (given, expected) in [
            ("moat claude", "moat agent claude"),
            ("moat claude -p hello --verbose", "moat agent claude -p hello --verbose"),
            (
                "moat -v --host unix:///s --color=never codex exec",
                "moat -v --host unix:///s --color=never agent codex exec",
            ),
            ("moat --context claude status", "moat --context claude status"),
            ("moat agent claude", "moat agent claude"),
            ("moat run claude", "moat run claude"),
            ("moat help claude", "moat help agent"),
            ("moat -v help pi", "moat -v help agent"),
            ("moat help run", "moat help run"),
            ("moat help", "moat help"),
            ("moat claude-code", "moat claude-code"),
            ("moat --version", "moat --version"),
            ("moat --host", "moat --host"),
            ("moat", "moat"),
        ] {
            let mut arguments = all(given);
            complete(&mut arguments, &super::super::command());
            assert_eq!(arguments, all(expected), "{given}");
        }
    }

    /// An agent with the name of a command would never start by it.
    #[test]
    fn no_agent_has_the_name_of_a_command() {
        let moat = super::super::command();
        for it in Capabilities::builtin().agents() {
            let name = it.agent.expect("an agent").name;
            assert!(moat.find_subcommand(&name).is_none(), "{name}");
        }
    }
}
