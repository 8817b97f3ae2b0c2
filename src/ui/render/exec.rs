//! The result of a command in a sandbox as JSON.

use serde::Serialize;

use crate::ui::encode;
use moat_docker::Captured;

#[derive(Debug, Serialize)]
struct Document<'a> {
    exit_code: i64,
    stdout: &'a str,
    stderr: &'a str,
}

/// Ends with a line feed.
pub fn json(ran: &Captured) -> String {
    encode::json(&Document { exit_code: ran.exit_code, stdout: &ran.stdout, stderr: &ran.stderr })
}
