//! Log lines of containers, with the name of the container if there are several.

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::ui::Colour;
use crate::ui::encode;
use crate::ui::terminal::style::FAINT;
use crate::ui::terminal::width::{columns, padded};
use moat_docker::LogLine;
use moat_model::resource::Run;

/// The display of log lines.
#[derive(Debug, Clone)]
pub struct Shown<'a> {
    pub run: &'a Run,
    /// The names of the containers, in the order of their colours; a single name is not shown.
    pub names: Vec<String>,
    pub timestamps: bool,
    pub json: bool,
    pub colour: Colour,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    time: &'a str,
    run: &'a str,
    agent: &'a str,
    container: &'a str,
    stream: &'static str,
    text: &'a str,
}

/// Colours that are distinct on dark and light backgrounds. Red is reserved for errors.
const COLOURS: [AnsiColor; 5] =
    [AnsiColor::Cyan, AnsiColor::Yellow, AnsiColor::Green, AnsiColor::Magenta, AnsiColor::Blue];

impl Shown<'_> {
    /// Returns one line of `container`. It ends with a line feed, unless the log line has none and no prefix.
    pub fn line(&self, container: &str, line: &LogLine) -> Vec<u8> {
        if self.json {
            let (run, agent) = (self.run.id.as_str(), self.run.agent.as_str());
            let stream = line.stream.as_str();
            let document = Document { time: &line.time, run, agent, container, stream, text: &line.text() };
            return encode::compact(&document).into_bytes();
        }
        let mut text = String::new();
        if self.names.len() > 1 {
            let width = self.names.iter().map(|name| columns(name)).max().unwrap_or(0);
            let at = self.names.iter().position(|name| name == container).unwrap_or(0);
            let style: Style = COLOURS[at % COLOURS.len()].on_default();
            text.push_str(&self.colour.paint(style, &format!("{} |", padded(container, width))));
            text.push(' ');
        }
        if self.timestamps {
            text.push_str(&self.colour.paint(FAINT, &line.time));
            text.push(' ');
        }
        let is_plain = text.is_empty() && self.colour == Colour::Never;
        let mut bytes = text.into_bytes();
        match self.colour {
            // Probably a file or a pipe: the bytes are unchanged.
            Colour::Never => bytes.extend_from_slice(&line.bytes),
            Colour::Always => bytes.extend_from_slice(keep_colours_only(&line.text()).as_bytes()),
        }
        if line.ended || !is_plain {
            bytes.push(b'\n');
        }
        bytes
    }
}

/// Keeps a program's colours, reset at the end of the line, and replaces all other control characters.
fn keep_colours_only(text: &str) -> String {
    if !text.contains(|c: char| c.is_control()) {
        return text.to_owned();
    }
    let (mut out, mut rest, mut coloured) = (String::new(), text, false);
    while let Some(at) = rest.find(|c: char| c.is_control()) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(length) = colour_sequence(rest) {
            out.push_str(&rest[..length]);
            rest = &rest[length..];
            coloured = true;
        } else {
            let c = rest.chars().next().unwrap_or_default();
            out.push(if c == '\t' { c } else { '\u{fffd}' });
            rest = &rest[c.len_utf8()..];
        }
    }
    out.push_str(rest);
    if coloured {
        out.push_str("\u{1b}[0m");
    }
    out
}

/// Returns the length of the colour sequence (SGR of ECMA-48) at the start of `text`, if there is one.
fn colour_sequence(text: &str) -> Option<usize> {
    let body = text.strip_prefix("\u{1b}[")?;
    let end = body.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    body[end..].starts_with('m').then_some(2 + end + 1)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use moat_docker::LogStream;
    use moat_model::resource::AgentName;

    fn line(text: &str) -> LogLine {
        let time = "2026-01-02T03:04:05.000000006Z".to_owned();
        LogLine { time, stream: LogStream::Stderr, bytes: text.into(), ended: true }
    }

    fn shown(run: &Run, names: &[&str], timestamps: bool, json: bool, colour: Colour) -> String {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        let bytes = Shown { run, names, timestamps, json, colour }.line("main", &line("a\u{1b}[31mb\u{1b}[2Jc"));
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_name_is_shown_for_several_containers() {
        let run = Run::derive(AgentName::parse("a").unwrap(), Path::new("/a"));
        let never = Colour::Never;
        assert_eq!(shown(&run, &["main"], false, false, never), "a\u{1b}[31mb\u{1b}[2Jc\n");
        let both = shown(&run, &["main", "buildkit"], true, false, never);
        assert_eq!(both, "main     | 2026-01-02T03:04:05.000000006Z a\u{1b}[31mb\u{1b}[2Jc\n");
        let json = shown(&run, &["main"], false, true, never);
        let document: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&document["stream"], &document["text"]), (&"stderr".into(), &"a\u{1b}[31mb\u{1b}[2Jc".into()));
    }

    #[test]
    fn a_pipe_gets_all_bytes_and_json_no_control_characters() {
        let run = Run::derive(AgentName::parse("a").unwrap(), Path::new("/a"));
        let bytes = b"bin\xff\x80\r\xc2\x9b2J\x7f".to_vec();
        let line = LogLine { time: String::new(), stream: LogStream::Stdout, bytes: bytes.clone(), ended: false };
        let shown = |names: &[&str], json, colour| {
            let names = names.iter().map(|&name| name.to_owned()).collect();
            Shown { run: &run, names, timestamps: false, json, colour }.line("main", &line)
        };
        assert_eq!(shown(&["main"], false, Colour::Never), bytes);
        let ended = LogLine { ended: true, ..line.clone() };
        let names = vec!["main".to_owned()];
        let all = Shown { run: &run, names, timestamps: false, json: false, colour: Colour::Never };
        assert_eq!(all.line("main", &ended), [&bytes[..], b"\n"].concat());
        assert_eq!(shown(&["main", "db"], false, Colour::Never), [b"main | ", &bytes[..], b"\n"].concat());
        for text in [shown(&["main"], true, Colour::Never), shown(&["main"], false, Colour::Always)] {
            let text = String::from_utf8(text).unwrap();
            assert!(!text.trim_end().contains(char::is_control), "{text:?}");
        }
    }

    #[test]
    fn only_colour_sequences_of_a_program_are_kept() {
        let table = [
            ("plain ü", "plain ü"),
            ("a\u{1b}[1;31mb", "a\u{1b}[1;31mb\u{1b}[0m"),
            ("a\u{1b}[2Jb\r\u{7}\tc", "a\u{fffd}[2Jb\u{fffd}\u{fffd}\tc"),
            ("\u{1b}]0;title\u{7}", "\u{fffd}]0;title\u{fffd}"),
            ("\u{1b}[31", "\u{fffd}[31"),
        ];
        for (text, expected) in table {
            assert_eq!(keep_colours_only(text), expected, "{text:?}");
        }
    }
}
