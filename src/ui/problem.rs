//! Why a command could not do its work at all, for people and for scripts.

use serde::Serialize;

use super::Colour;
use super::diagnostic::{self, Finding};
use super::style::{BAD, notice};
use crate::spec::Diagnostics;

/// What is in the way.
#[derive(Debug, Clone, Copy)]
pub struct Problem<'a> {
    /// Lowercase, names in backticks, no full stop.
    pub message: &'a str,
    pub hint: Option<&'a str>,
    /// The findings on the spec, if it is that.
    pub findings: Option<&'a Diagnostics>,
}

/// As scripts get it.
#[derive(Debug, Serialize)]
pub struct Document {
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// The only thing in the document of a command that could not do its work.
#[derive(Debug, Serialize)]
struct InPlace {
    error: Document,
    exit_code: u8,
}

impl Problem<'_> {
    /// Ends with a line feed.
    pub fn text(&self, colour: Colour) -> String {
        match self.findings {
            Some(diagnostics) => diagnostic::text(diagnostics, colour),
            None => notice("error", BAD, self.message, self.hint, colour),
        }
    }

    pub fn document(&self) -> Document {
        Document {
            message: self.message.to_owned(),
            hint: self.hint.map(str::to_owned),
            findings: self.findings.map(diagnostic::findings).unwrap_or_default(),
        }
    }

    /// In place of the document that was asked for.
    pub fn json(&self, exit_code: u8) -> String {
        super::stream::json(&InPlace { error: self.document(), exit_code })
    }
}
