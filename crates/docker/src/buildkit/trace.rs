//! Parses the output of BuildKit: which steps run, and why one failed.
//!
//! The engine sends BuildKit's own messages inside its JSON lines. Steps run in parallel, so that the output of each is
//! kept by itself.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use serde::Deserialize;
use serde_json::Value;

use super::log::{BuildFailure, BuildLog, failed_step};
use super::messages::{Status, Vertex};
use crate::transport::fault::in_a_sentence;

#[derive(Deserialize)]
struct Line {
    id: Option<String>,
    aux: Option<Value>,
    error: Option<String>,
}

/// The lines with a [`Status`].
const TRACE: &str = "moby.buildkit.trace";

/// The error of a part that ended because of another one.
const CANCELLED: &str = "context canceled";

/// The replacement of a secret in the output of a step.
const HIDDEN: &str = "***";

/// Shorter texts are too common to be recognised as a secret.
const HIDDEN_MIN: usize = 4;

/// The state of a build.
#[derive(Default)]
pub(crate) struct Trace {
    parts: BTreeMap<String, Part>,
    /// The first part that failed.
    failed: Option<String>,
    /// The lines of secrets, which a step may print.
    secrets: Vec<String>,
}

/// A part of a build: an instruction, or something of BuildKit itself.
#[derive(Default)]
struct Part {
    name: String,
    is_reported: bool,
    error: String,
    log: BuildLog,
}

impl Trace {
    /// The trace of a build; `secrets` do not appear in its errors.
    pub(crate) fn new<'a>(secrets: impl Iterator<Item = &'a str>) -> Self {
        let lines = secrets.flat_map(str::lines).map(str::trim).filter(|line| line.len() >= HIDDEN_MIN);
        let mut secrets: Vec<String> = lines.map(str::to_owned).collect();
        // A secret may contain another one.
        secrets.sort_by_key(|text| std::cmp::Reverse(text.len()));
        Self { secrets, ..Self::default() }
    }

    /// Reads one line of the stream. An unreadable one is ignored.
    pub(crate) fn take(&mut self, line: &[u8], step: &dyn Fn(&str)) -> Result<(), BuildFailure> {
        let Ok(Line { id, aux, error }) = serde_json::from_slice::<Line>(line) else { return Ok(()) };
        if let Some(error) = error {
            return Err(self.failure(&error));
        }
        if id.as_deref() == Some(TRACE)
            && let Some(text) = aux.as_ref().and_then(Value::as_str)
            && let Some(status) = STANDARD.decode(text).ok().and_then(|bytes| Status::decode(bytes.as_slice()).ok())
        {
            self.follow(status, step);
        }
        Ok(())
    }

    fn follow(&mut self, status: Status, step: &dyn Fn(&str)) {
        for Vertex { digest, name, cached, started, error } in status.vertexes {
            let part = self.parts.entry(digest.clone()).or_default();
            part.name = name;
            if !part.is_reported && (cached || started.is_some()) {
                part.is_reported = true;
                if let Some((number, what)) = instruction(&part.name) {
                    step(&format!("Step {number} : {what}"));
                }
            }
            if !error.is_empty() && !error.contains(CANCELLED) && self.failed.is_none() {
                part.error = error;
                self.failed = Some(digest);
            }
        }
        for log in status.logs {
            let part = self.parts.entry(log.vertex).or_default();
            part.log.push(&String::from_utf8_lossy(&log.text));
        }
    }

    fn failure(&mut self, error: &str) -> BuildFailure {
        let part = self.failed.take().and_then(|digest| self.parts.remove(&digest));
        let (message, log) = match part {
            Some(Part { name, error, mut log, .. }) => match instruction(&name) {
                Some((number, what)) => (failed_step(&number, what, exit_code(&error), cause(&error)), log.take()),
                None => (in_a_sentence(cause(&error), 200), log.take()),
            },
            None => (in_a_sentence(error, 200), Vec::new()),
        };
        let log = log.into_iter().map(|line| self.without_secrets(line)).collect();
        BuildFailure::Step { message: self.without_secrets(message), log }
    }

    fn without_secrets(&self, text: String) -> String {
        self.secrets.iter().fold(text, |text, secret| text.replace(secret, HIDDEN))
    }
}

/// The place and the text of an instruction, from `[2/3] RUN make` or `[build 2/3] RUN make`. `None`: a part of BuildKit.
fn instruction(name: &str) -> Option<(String, &str)> {
    let (place, what) = name.strip_prefix('[')?.split_once("] ")?;
    let (stage, number) = place.rsplit_once(' ').map_or(("", place), |(stage, number)| (stage, number));
    let (step, steps) = number.split_once('/')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(step.trim()) || !is_number(steps) {
        return None;
    }
    let number = format!("{}/{steps}", step.trim());
    // A stage without a name is called after its number, from 0, which is no help.
    let stage = stage.trim();
    let is_named = !stage.is_empty() && stage.strip_prefix("stage-").is_none_or(|rest| !is_number(rest));
    Some((if is_named { format!("{stage} {number}") } else { number }, what))
}

/// The exit code in `process "/bin/sh -c false" did not complete successfully: exit code: 1`.
fn exit_code(error: &str) -> Option<i64> {
    let (_, code) = error.rsplit_once("exit code: ")?;
    code.trim().parse().ok()
}

/// An error without the parts of BuildKit that it passed through.
fn cause(error: &str) -> &str {
    let Some((_, rest)) = error.rsplit_once("failed to calculate checksum of ref ") else { return error };
    rest.find(": \"").map_or(error, |at| &rest[at + 2..])
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::super::messages::{Time, VertexLog};
    use super::*;

    fn line(status: &Status) -> String {
        serde_json::json!({ "id": TRACE, "aux": STANDARD.encode(status.encode_to_vec()) }).to_string()
    }

    fn part(name: &str, error: &str) -> Vertex {
        let started = Some(Time { seconds: 1 });
        Vertex {
            digest: format!("sha256:{name}"),
            name: name.to_owned(),
            cached: false,
            started,
            error: error.to_owned(),
        }
    }

    fn said(name: &str, text: &str) -> VertexLog {
        VertexLog { vertex: format!("sha256:{name}"), text: text.as_bytes().to_vec() }
    }

    fn read(secrets: &[&str], lines: &[String]) -> (Result<(), BuildFailure>, Vec<String>) {
        let (mut trace, steps) = (Trace::new(secrets.iter().copied()), RefCell::new(Vec::new()));
        let step = |text: &str| steps.borrow_mut().push(text.to_owned());
        let outcome = lines.iter().try_for_each(|line| trace.take(line.as_bytes(), &step));
        (outcome, steps.into_inner())
    }

    const EXITED: &str = "process \"/bin/sh -c make\" did not complete successfully: exit code: 2";

    #[test]
    fn steps_are_reported_once_when_they_start() {
        let waiting = Vertex { started: None, ..part("[2/2] RUN make", "") };
        let cached = Vertex { started: None, cached: true, ..part("[base 1/2] FROM busybox", "") };
        let (outcome, steps) = read(
            &[],
            &[
                line(&Status { vertexes: vec![part("[internal] load build definition", ""), waiting], logs: vec![] }),
                "not JSON".to_owned(),
                line(&Status { vertexes: vec![cached, part("[stage-1 2/2] RUN make", "")], logs: vec![] }),
                line(&Status { vertexes: vec![part("[stage-1 2/2] RUN make", "")], logs: vec![] }),
                line(&Status { vertexes: vec![part("exporting to image", "")], logs: vec![] }),
                r#"{"id":"moby.image.id","aux":{"ID":"sha256:1"}}"#.to_owned(),
                r#"{"id":"moby.buildkit.trace","aux":"!"}"#.to_owned(),
            ],
        );
        assert_eq!(outcome, Ok(()));
        assert_eq!(steps, ["Step base 1/2 : FROM busybox", "Step 2/2 : RUN make"]);
    }

    #[test]
    fn a_failed_step_is_reported_with_its_own_output() {
        let (bad, other) = ("[dev 2/3] RUN make", "[docs 2/2] RUN book");
        let (outcome, _) = read(
            &[],
            &[
                line(&Status { vertexes: vec![part(bad, ""), part(other, "")], logs: vec![said(other, "fine\n")] }),
                line(&Status {
                    vertexes: vec![],
                    logs: vec![said(bad, "\u{1b}[31mno ru"), said(bad, "le\u{1b}[0m\n")],
                }),
                line(&Status { vertexes: vec![part(other, CANCELLED), part(bad, EXITED)], logs: vec![] }),
                serde_json::json!({ "error": EXITED }).to_string(),
            ],
        );
        let message = "build step dev 2/3 exited with code 2: `RUN make`".to_owned();
        assert_eq!(outcome, Err(BuildFailure::Step { message, log: vec!["no rule".to_owned()] }));
    }

    #[test]
    fn a_failure_without_a_command_has_its_cause() {
        let copy = "failed to compute cache key: failed to calculate checksum of ref abc::def: \"/x\": not found";
        let failed = Status { vertexes: vec![part("[2/2] COPY x /x", copy)], logs: vec![] };
        let (outcome, _) = read(&[], &[line(&failed), serde_json::json!({ "error": copy }).to_string()]);
        let message = "build step 2/2 failed: \"/x\": not found".to_owned();
        assert_eq!(outcome, Err(BuildFailure::Step { message, log: vec![] }));
        let (outcome, _) = read(&[], &[r#"{"error":"Dockerfile parse error on line 2"}"#.to_owned()]);
        let message = "dockerfile parse error on line 2".to_owned();
        assert_eq!(outcome, Err(BuildFailure::Step { message, log: vec![] }));
    }

    #[test]
    fn a_secret_that_a_step_prints_is_hidden() {
        let bad = "[2/2] RUN make hunter2";
        let (outcome, _) = read(
            &["hunter2-long\nhunter2\n", "a"],
            &[
                line(&Status {
                    vertexes: vec![part(bad, EXITED)],
                    logs: vec![said(bad, "a: hunter2-long, hunter2\n")],
                }),
                serde_json::json!({ "error": EXITED }).to_string(),
            ],
        );
        let message = "build step 2/2 exited with code 2: `RUN make ***`".to_owned();
        assert_eq!(outcome, Err(BuildFailure::Step { message, log: vec!["a: ***, ***".to_owned()] }));
    }
}
