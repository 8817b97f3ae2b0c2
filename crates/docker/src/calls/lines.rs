//! Splits a container's log into lines: in frames, or raw for a container with a terminal.
//!
//! In both formats each line starts with the time at which the engine received it.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::transport::fault::Failure;
use crate::transport::frames::{Channel, Frames};

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When the engine received it: RFC 3339 in UTC with nine digits of the second, so that text order is time order.
    pub time: String,
    pub stream: LogStream,
    /// The bytes without the line feed.
    pub bytes: Vec<u8>,
    /// Whether it ended with a line feed. The last line may not, and a very long line is split.
    pub ended: bool,
}

/// The stream of a line. A terminal has one stream only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    Stdout,
    Stderr,
}

/// Maximum length of a line in bytes. A longer one is split: a program without line feeds must not exhaust the memory.
const LINE_MAX: usize = 1 << 20;

/// The engine's maximum length of an entry in bytes. In the raw format each entry of a longer line starts with its time.
const CHUNK: usize = 16 * 1024;

/// The length of `2026-01-02T03:04:05.000000006Z`.
const TIME_LEN: usize = 30;

/// Splits chunks into lines.
#[derive(Debug)]
pub(crate) struct Lines {
    form: Form,
    ready: VecDeque<LogLine>,
}

#[derive(Debug)]
enum Form {
    Framed {
        frames: Frames,
        /// The incomplete frame.
        frame: BytesMut,
        /// The incomplete line of each stream.
        open: [Option<Open>; 2],
    },
    /// The incomplete line of a terminal.
    Raw(Vec<u8>),
}

/// An incomplete line.
#[derive(Debug)]
struct Open {
    time: String,
    bytes: Vec<u8>,
}

impl LogStream {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

impl LogLine {
    /// The line as text: invalid UTF-8 is replaced, a trailing carriage return removed.
    pub fn text(&self) -> String {
        let bytes = self.bytes.strip_suffix(b"\r").unwrap_or(&self.bytes);
        String::from_utf8_lossy(bytes).into_owned()
    }
}

impl Lines {
    pub(crate) fn new(tty: bool) -> Self {
        let framed = Form::Framed { frames: Frames::default(), frame: BytesMut::new(), open: [None, None] };
        Self { form: if tty { Form::Raw(Vec::new()) } else { framed }, ready: VecDeque::new() }
    }

    /// The next complete line.
    pub(crate) fn next(&mut self) -> Option<LogLine> {
        self.ready.pop_front()
    }

    pub(crate) fn take(&mut self, chunk: &mut Bytes) -> Result<(), Failure> {
        match &mut self.form {
            Form::Framed { frames, frame, open } => {
                while let Some((channel, piece)) =
                    frames.next(chunk).map_err(|error| Failure::Unreadable(error.to_string()))?
                {
                    frame.extend_from_slice(&piece);
                    if frames.is_between() || frame.len() > LINE_MAX {
                        let whole = frame.split().freeze();
                        self.ready.extend(add(open, channel, &whole));
                    }
                }
            }
            Form::Raw(rest) => {
                rest.extend_from_slice(chunk);
                chunk.clear();
                while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = rest.drain(..=end).collect();
                    self.ready.push_back(raw(&line));
                }
                if rest.len() > LINE_MAX {
                    self.ready.push_back(raw(&std::mem::take(rest)));
                }
            }
        }
        Ok(())
    }

    /// The last line, if it has no line feed.
    pub(crate) fn rest(&mut self) -> Option<LogLine> {
        match &mut self.form {
            Form::Framed { open: [out, err], .. } => {
                let out = out.take().map(|line| line.done(LogStream::Stdout));
                out.or_else(|| err.take().map(|line| line.done(LogStream::Stderr)))
            }
            Form::Raw(rest) if rest.is_empty() => None,
            Form::Raw(rest) => Some(raw(&std::mem::take(rest))),
        }
    }
}

/// A frame is a line or a part of a long one; each starts with its time.
fn add(open: &mut [Option<Open>; 2], channel: Channel, frame: &[u8]) -> Option<LogLine> {
    let (stream, open) = match channel {
        Channel::Stdout => (LogStream::Stdout, &mut open[0]),
        Channel::Stderr => (LogStream::Stderr, &mut open[1]),
    };
    let space = frame.iter().position(|byte| *byte == b' ').unwrap_or(0);
    let (time, text) = (&frame[..space], frame.get(space + 1..).unwrap_or_default());
    let line = open.get_or_insert_with(|| Open { time: String::from_utf8_lossy(time).into_owned(), bytes: Vec::new() });
    line.bytes.extend_from_slice(text);
    let is_done = line.bytes.ends_with(b"\n") || line.bytes.len() > LINE_MAX;
    if is_done { open.take().map(|line| line.done(stream)) } else { None }
}

/// A line of a terminal, without the times of its entries.
fn raw(line: &[u8]) -> LogLine {
    let (time, mut rest) = timed(line).unwrap_or(("", line));
    let mut bytes = Vec::with_capacity(rest.len());
    while rest.len() > CHUNK {
        let Some((_, more)) = timed(&rest[CHUNK..]) else { break };
        bytes.extend_from_slice(&rest[..CHUNK]);
        rest = more;
    }
    bytes.extend_from_slice(rest);
    Open { time: time.to_owned(), bytes }.done(LogStream::Stdout)
}

/// Splits an entry into its time and its text.
fn timed(piece: &[u8]) -> Option<(&str, &[u8])> {
    let (time, rest) = piece.split_at_checked(TIME_LEN)?;
    let time = std::str::from_utf8(time).ok().filter(|time| time.parse::<jiff::Timestamp>().is_ok())?;
    Some((time, rest.strip_prefix(b" ")?))
}

impl Open {
    fn done(self, stream: LogStream) -> LogLine {
        let Self { time, mut bytes } = self;
        let ended = bytes.ends_with(b"\n");
        if ended {
            bytes.pop();
        }
        LogLine { time, stream, bytes, ended }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "2026-01-02T03:04:05.000000006Z";

    /// The lines of `bytes` in chunks of `size`, and whether they ended.
    fn lines(tty: bool, bytes: &[u8], size: usize) -> Vec<(LogStream, Vec<u8>, bool)> {
        let (mut lines, mut found) = (Lines::new(tty), Vec::new());
        for chunk in bytes.chunks(size) {
            lines.take(&mut Bytes::copy_from_slice(chunk)).expect("valid");
            found.extend(std::iter::from_fn(|| lines.next()));
        }
        found.extend(std::iter::from_fn(|| lines.rest()));
        assert!(found.iter().all(|line| line.time == TIME), "{found:?}");
        found.into_iter().map(|line| (line.stream, line.bytes, line.ended)).collect()
    }

    fn frame(channel: u8, text: &[u8]) -> Vec<u8> {
        let payload = [TIME.as_bytes(), b" ", text].concat();
        let length = u32::try_from(payload.len()).expect("small").to_be_bytes();
        [&[channel, 0, 0, 0], &length[..], &payload].concat()
    }

    #[test]
    fn bytes_are_preserved() {
        let (out, err) = (LogStream::Stdout, LogStream::Stderr);
        let framed = [frame(1, b"a\r\n"), frame(2, b"\xff\x80\n"), frame(1, b"b "), frame(1, b"c\n"), frame(1, b"end")];
        let raw = [b"a\r\n".as_slice(), b"\xff\x80\r\n", b"", b"end"];
        let raw: Vec<u8> =
            raw.iter().filter(|it| !it.is_empty()).flat_map(|it| [TIME.as_bytes(), b" ", it].concat()).collect();
        for size in [1, 7, 1000] {
            assert_eq!(
                lines(false, &framed.concat(), size),
                [
                    (out, b"a\r".to_vec(), true),
                    (err, b"\xff\x80".to_vec(), true),
                    (out, b"b c".to_vec(), true),
                    (out, b"end".to_vec(), false),
                ]
            );
            let expected =
                [(out, b"a\r".to_vec(), true), (out, b"\xff\x80\r".to_vec(), true), (out, b"end".to_vec(), false)];
            assert_eq!(lines(true, &raw, size), expected);
        }
    }

    #[test]
    fn times_within_a_long_terminal_line_are_removed() {
        let long = "x".repeat(CHUNK);
        let text = format!("{TIME} {long}{TIME} {long}{TIME} end\r\n{TIME} {TIME} is a time\r\n");
        let found = lines(true, text.as_bytes(), 1000);
        assert_eq!(found[0].1, format!("{long}{long}end\r").into_bytes());
        assert_eq!(found[1].1, format!("{TIME} is a time\r").into_bytes());
    }

    #[test]
    fn an_endless_line_is_split() {
        let endless = vec![b'x'; 3 * LINE_MAX];
        let found = lines(true, &[TIME.as_bytes(), b" ", &endless].concat()[..LINE_MAX + 40], 4096);
        assert!(found.len() == 1 && !found[0].2, "{}", found.len());
    }

    #[test]
    fn text_has_no_line_ending() {
        let line =
            |bytes: &[u8]| LogLine { time: TIME.into(), stream: LogStream::Stdout, bytes: bytes.to_vec(), ended: true };
        assert_eq!(line(b"a\r").text(), "a");
        assert_eq!(line(b"\xff\rb").text(), "\u{fffd}\rb");
    }
}
