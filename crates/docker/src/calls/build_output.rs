//! What an engine says while it builds an image: which step it is at, and what the step says.
//!
//! Of a step that fails the last lines are kept, without what is the engine's own and what only a terminal needs.

use serde::Deserialize;

use super::build::Broken;
use crate::transport::fault::in_a_sentence;

/// Of what a step said, the end is what tells why it failed. In lines.
const TAIL: usize = 12;

/// A step is as long as the script in it; its beginning tells which one it is. In characters.
const STEP_MAX: usize = 100;

#[derive(Deserialize)]
struct Line {
    stream: Option<String>,
    error: Option<String>,
    #[serde(rename = "errorDetail")]
    detail: Option<ErrorDetail>,
}

#[derive(Deserialize)]
struct ErrorDetail {
    /// Of a command that ended with another one than 0; otherwise none.
    code: Option<i64>,
}

/// What has been read so far.
#[derive(Default)]
pub(crate) struct Account {
    /// As in `Step 2/3 : RUN make`.
    step: String,
    /// A line that has no end yet: what a program says comes in pieces.
    open: String,
    tail: Vec<String>,
}

impl Account {
    /// Reads one line of the account. One that cannot be read is no reason to fail.
    pub fn take(&mut self, line: &[u8], step: &dyn Fn(&str)) -> Result<(), Broken> {
        let Ok(Line { stream, error, detail }) = serde_json::from_slice::<Line>(line) else { return Ok(()) };
        if let Some(error) = error {
            return Err(self.broken(&error, detail.and_then(|detail| detail.code)));
        }
        let mut text = std::mem::take(&mut self.open);
        text.push_str(&stream.unwrap_or_default());
        // A new step has no end of line yet when it is told.
        if text.starts_with("Step ") {
            let begun = text.trim_end();
            step(begun);
            begun.clone_into(&mut self.step);
            self.tail.clear();
            return Ok(());
        }
        let mut rest = text.as_str();
        while let Some((line, after)) = rest.split_once('\n') {
            self.keep(line);
            rest = after;
        }
        rest.clone_into(&mut self.open);
        Ok(())
    }

    fn keep(&mut self, line: &str) {
        let line = without_controls(line);
        let line = line.trim_end();
        if line.is_empty() || is_the_engines_own(line) {
            return;
        }
        self.tail.push(line.to_owned());
        if self.tail.len() > TAIL {
            self.tail.remove(0);
        }
    }

    fn broken(&mut self, error: &str, code: Option<i64>) -> Broken {
        let open = std::mem::take(&mut self.open);
        self.keep(&open);
        let step = self.step.strip_prefix("Step ").and_then(|step| step.split_once(" : "));
        let message = match (step, code.filter(|code| *code != 0)) {
            (Some((number, what)), Some(code)) => {
                format!("step {number} of the build ended with exit code {code}: `{}`", shortened(what))
            }
            (Some((number, _)), None) => format!("step {number} of the build failed: {}", in_a_sentence(error, 200)),
            (None, _) => in_a_sentence(error, 200),
        };
        Broken::Step { message, log: std::mem::take(&mut self.tail) }
    }
}

/// As in ` ---> 59ebafd49664`, ` ---> Running in 70e9285f4ea3` and ` ---> Removed intermediate container …`.
fn is_the_engines_own(line: &str) -> bool {
    line.trim_start().starts_with("---> ") || line.starts_with("Removing intermediate container ")
}

/// What is left of a line where no terminal shows it: without colours, titles and what was written over.
fn without_controls(line: &str) -> String {
    let line = line.trim_end_matches('\r');
    let line = line.rsplit('\r').next().unwrap_or_default();
    let mut text = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            // A control sequence ends with a letter or one of a few other signs.
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn read(lines: &[&str]) -> (Result<(), Broken>, Vec<String>) {
        let (mut account, steps) = (Account::default(), RefCell::new(Vec::new()));
        let step = |text: &str| steps.borrow_mut().push(text.to_owned());
        let outcome = lines.iter().try_for_each(|line| account.take(line.as_bytes(), &step));
        (outcome, steps.into_inner())
    }

    // As Docker 26 has said it.
    const FAILED: &[&str] = &[
        r#"{"stream":"Step 1/2 : FROM busybox"}"#,
        r#"{"stream":"\n"}"#,
        r#"{"stream":" ---\u003e 59ebafd49664\n"}"#,
        r#"{"stream":"Step 2/2 : RUN echo about to fail; ls /nonexistent"}"#,
        r#"{"stream":"\n"}"#,
        r#"{"stream":" ---\u003e Running in 70e9285f4ea3\n"}"#,
        "not JSON",
        r#"{"stream":"about to fail\n\u001b[31mred\u001b[0m\n10 %\r20 %\r100 %\r\nin two"}"#,
        r#"{"stream":" pieces\n\u001b]0;a title\u0007titled\n"}"#,
        r#"{"stream":"\u001b[91mls: /nonexistent: No such file or directory\n\u001b[0m"}"#,
        r#"{"stream":" ---\u003e Removed intermediate container 70e9285f4ea3\n"}"#,
        r#"{"errorDetail":{"code":1,"message":"..."},"error":"The command '/bin/sh -c ls' returned a non-zero code: 1"}"#,
    ];

    #[test]
    fn a_failed_step_is_told_with_its_own_last_words_only() {
        let (outcome, steps) = read(FAILED);
        let message = "step 2/2 of the build ended with exit code 1: `RUN echo about to fail; ls /nonexistent`";
        let log =
            ["about to fail", "red", "100 %", "in two pieces", "titled", "ls: /nonexistent: No such file or directory"];
        let log = log.map(str::to_owned).to_vec();
        assert_eq!(outcome, Err(Broken::Step { message: message.to_owned(), log }));
        assert_eq!(steps, ["Step 1/2 : FROM busybox", "Step 2/2 : RUN echo about to fail; ls /nonexistent"]);
    }

    #[test]
    fn what_fails_without_a_command_is_told_in_the_engines_words() {
        let copy =
            "COPY failed: file not found in build context or excluded by .dockerignore: stat x: file does not exist";
        let error = format!(r#"{{"errorDetail":{{"message":"{copy}"}},"error":"{copy}"}}"#);
        let (outcome, _) = read(&[r#"{"stream":"Step 3/4 : COPY x /x"}"#, r#"{"stream":"\n"}"#, &error]);
        let Err(Broken::Step { message, log }) = outcome else { panic!("{outcome:?}") };
        assert_eq!((message, log), (format!("step 3/4 of the build failed: {copy}"), Vec::new()));
        let before = r#"{"error":"Dockerfile parse error on line 2: unknown instruction: RUM"}"#;
        let (outcome, _) = read(&[before]);
        let message = "dockerfile parse error on line 2: unknown instruction: RUM".to_owned();
        assert_eq!(outcome, Err(Broken::Step { message, log: Vec::new() }));
    }

    #[test]
    fn the_end_of_much_is_kept_and_a_long_step_is_shortened() {
        let said = (1..=50).map(|i| format!("line {i}\\n")).collect::<Vec<_>>().concat();
        let step = format!(r#"{{"stream":"Step 2/2 : RUN {}"}}"#, "x ".repeat(500));
        let (outcome, _) =
            read(&[&step, &format!(r#"{{"stream":"{said}"}}"#), r#"{"errorDetail":{"code":3},"error":"e"}"#]);
        let Err(Broken::Step { message, log }) = outcome else { panic!("{outcome:?}") };
        assert_eq!((log.len(), log.last().map(String::as_str)), (TAIL, Some("line 50")));
        assert!(message.chars().count() < 200, "{message}");
    }
}
