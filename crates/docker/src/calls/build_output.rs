//! Parses the output of the classic builder: the current step and its output.

use serde::Deserialize;

use crate::buildkit::log::{BuildFailure, BuildLog, failed_step};
use crate::transport::fault::in_a_sentence;

#[derive(Deserialize)]
struct Line {
    stream: Option<String>,
    error: Option<String>,
    #[serde(rename = "errorDetail")]
    detail: Option<ErrorDetail>,
}

#[derive(Deserialize)]
struct ErrorDetail {
    /// The exit code of a failed command.
    code: Option<i64>,
}

/// The state of a build.
#[derive(Default)]
pub(crate) struct BuildOutput {
    /// As in `Step 2/3 : RUN make`.
    step: String,
    log: BuildLog,
}

impl BuildOutput {
    /// Reads one line of the stream. An unreadable one is ignored.
    pub fn take(&mut self, line: &[u8], step: &dyn Fn(&str)) -> Result<(), BuildFailure> {
        let Ok(Line { stream, error, detail }) = serde_json::from_slice::<Line>(line) else { return Ok(()) };
        if let Some(error) = error {
            return Err(self.failure(&error, detail.and_then(|detail| detail.code)));
        }
        let text = stream.unwrap_or_default();
        // The line of a new step arrives without its line feed.
        if text.starts_with("Step ") {
            let line = text.trim_end();
            step(line);
            line.clone_into(&mut self.step);
            self.log = BuildLog::default();
            return Ok(());
        }
        self.log.push(&text);
        Ok(())
    }

    fn failure(&mut self, error: &str, code: Option<i64>) -> BuildFailure {
        let step = self.step.strip_prefix("Step ").and_then(|step| step.split_once(" : "));
        let message = match step {
            Some((number, what)) => failed_step(number, what, code, error),
            None => in_a_sentence(error, 200),
        };
        BuildFailure::Step { message, log: self.log.take() }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::buildkit::log::TAIL;

    fn read(lines: &[&str]) -> (Result<(), BuildFailure>, Vec<String>) {
        let (mut output, steps) = (BuildOutput::default(), RefCell::new(Vec::new()));
        let step = |text: &str| steps.borrow_mut().push(text.to_owned());
        let outcome = lines.iter().try_for_each(|line| output.take(line.as_bytes(), &step));
        (outcome, steps.into_inner())
    }

    // Output of Docker 26.
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
    fn a_failed_step_is_reported_with_the_end_of_its_output() {
        let (outcome, steps) = read(FAILED);
        let message = "build step 2/2 exited with code 1: `RUN echo about to fail; ls /nonexistent`";
        let log =
            ["about to fail", "red", "100 %", "in two pieces", "titled", "ls: /nonexistent: No such file or directory"];
        let log = log.map(str::to_owned).to_vec();
        assert_eq!(outcome, Err(BuildFailure::Step { message: message.to_owned(), log }));
        assert_eq!(steps, ["Step 1/2 : FROM busybox", "Step 2/2 : RUN echo about to fail; ls /nonexistent"]);
    }

    #[test]
    fn a_failure_without_a_command_has_the_engines_message() {
        let copy =
            "COPY failed: file not found in build context or excluded by .dockerignore: stat x: file does not exist";
        let error = format!(r#"{{"errorDetail":{{"message":"{copy}"}},"error":"{copy}"}}"#);
        let (outcome, _) = read(&[r#"{"stream":"Step 3/4 : COPY x /x"}"#, r#"{"stream":"\n"}"#, &error]);
        let Err(BuildFailure::Step { message, log }) = outcome else { panic!("{outcome:?}") };
        assert_eq!((message, log), (format!("build step 3/4 failed: {copy}"), Vec::new()));
        let before = r#"{"error":"Dockerfile parse error on line 2: unknown instruction: RUM"}"#;
        let (outcome, _) = read(&[before]);
        let message = "dockerfile parse error on line 2: unknown instruction: RUM".to_owned();
        assert_eq!(outcome, Err(BuildFailure::Step { message, log: Vec::new() }));
    }

    #[test]
    fn long_output_keeps_its_end_and_a_long_step_is_shortened() {
        let text = (1..=50).map(|i| format!("line {i}\\n")).collect::<Vec<_>>().concat();
        let step = format!(r#"{{"stream":"Step 2/2 : RUN {}"}}"#, "x ".repeat(500));
        let (outcome, _) =
            read(&[&step, &format!(r#"{{"stream":"{text}"}}"#), r#"{"errorDetail":{"code":3},"error":"e"}"#]);
        let Err(BuildFailure::Step { message, log }) = outcome else { panic!("{outcome:?}") };
        assert_eq!((log.len(), log.last().map(String::as_str)), (TAIL, Some("line 50")));
        assert!(message.chars().count() < 200, "{message}");
    }
}
