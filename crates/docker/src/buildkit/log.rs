//! The end of a step's output, and the error of a failed step.

use super::frontend::Unfit;
use crate::transport::fault::{Failure, in_a_sentence};

/// Why a build failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BuildFailure {
    Call(Failure),
    /// A failed step, with the end of its output.
    Step {
        message: String,
        log: Vec<String>,
    },
    /// The builder cannot build this; nothing was sent.
    Unfit {
        message: String,
        hint: &'static str,
    },
}

impl BuildFailure {
    /// A Dockerfile that cannot be built without a network.
    pub fn unfit(why: Unfit) -> Self {
        Self::Unfit { message: why.to_string(), hint: "remove it, or write `network: {build: default}`" }
    }
}

impl From<Failure> for BuildFailure {
    fn from(failure: Failure) -> Self {
        Self::Call(failure)
    }
}

/// Lines kept of a step's output: the end shows why it failed.
pub(crate) const TAIL: usize = 12;

/// Maximum length of a step in messages, in characters: a step contains its whole script.
const STEP_MAX: usize = 100;

/// Output of a step, of which the last lines are kept, without terminal control sequences.
#[derive(Debug, Default)]
pub(crate) struct BuildLog {
    /// An incomplete line: output arrives in pieces.
    open: String,
    lines: Vec<String>,
}

impl BuildLog {
    pub fn push(&mut self, text: &str) {
        self.open.push_str(text);
        while let Some((line, after)) = self.open.split_once('\n') {
            let (line, after) = (line.to_owned(), after.to_owned());
            self.keep(&line);
            self.open = after;
        }
    }

    fn keep(&mut self, line: &str) {
        let line = without_controls(line);
        let line = line.trim_end();
        if line.is_empty() || is_from_engine(line) {
            return;
        }
        self.lines.push(line.to_owned());
        if self.lines.len() > TAIL {
            self.lines.remove(0);
        }
    }

    /// The last lines, with an incomplete one.
    pub fn take(&mut self) -> Vec<String> {
        let open = std::mem::take(&mut self.open);
        self.keep(&open);
        std::mem::take(&mut self.lines)
    }
}

/// The message about a failed step: `number` as in `2/3`.
pub(crate) fn failed_step(number: &str, what: &str, code: Option<i64>, error: &str) -> String {
    match code.filter(|code| *code != 0) {
        Some(code) => format!("build step {number} exited with code {code}: `{}`", shortened(what)),
        None => format!("build step {number} failed: {}", in_a_sentence(error, 200)),
    }
}

/// Lines such as ` ---> 59ebafd49664`, ` ---> Running in 70e9285f4ea3` and ` ---> Removed intermediate container …`.
fn is_from_engine(line: &str) -> bool {
    line.trim_start().starts_with("---> ") || line.starts_with("Removing intermediate container ")
}

/// A line without colours, titles and overwritten text.
fn without_controls(line: &str) -> String {
    let line = line.trim_end_matches('\r');
    let line = line.rsplit('\r').next().unwrap_or_default();
    let mut text = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            // A control sequence ends with a character from `@` to `~`.
            ('\u{1b}', Some('[')) => {
                chars.next();
                while chars.next().is_some_and(|c| !('\u{40}'..='\u{7e}').contains(&c)) {}
            }
            // A title ends with a bell, or with an escape and a backslash.
            ('\u{1b}', Some(']')) => {
                while chars.next().is_some_and(|c| c != '\u{7}' && c != '\u{1b}') {}
                chars.next_if_eq(&'\\');
            }
            ('\u{1b}', _) => {
                chars.next();
            }
            ('\t', _) => text.push('\t'),
            (c, _) if c.is_control() || c == char::REPLACEMENT_CHARACTER => {}
            (c, _) => text.push(c),
        }
    }
    text
}

fn shortened(step: &str) -> String {
    let line = step.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= STEP_MAX {
        return line;
    }
    line.chars().take(STEP_MAX).chain(['…']).collect()
}
