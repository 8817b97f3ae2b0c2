//! Parser for files of environment variables: `NAME=VALUE` lines, as read by compose and the dotenv libraries.
//!
//! Errors name only the line, because such files contain secrets. Variables in values are substituted only from the
//! file itself: a sandbox may be able to write the file, and must not read moat's environment through it.

use std::collections::{BTreeMap, BTreeSet};

use super::expand::{Expander, Unfilled};
use super::rule;
use super::shape::Fault;

/// The errors of a file, and the part of it that may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadFile {
    /// The lines of the file without values.
    pub shown: String,
    /// Errors with their lines, from 0.
    pub faults: Vec<(usize, Fault)>,
}

/// Reads the variables of a file and all of its errors. The last value of a repeated name wins. A variable with an
/// invalid value is included and empty, so that it is not also reported as unset.
pub(super) fn parse(text: &str) -> (BTreeMap<String, String>, Option<BadFile>) {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let mut reader = Reader::default();
    let (mut rest, mut line) = (text.as_str(), 0);
    while !rest.is_empty() {
        let read = reader.statement(rest, line);
        line += lines(&rest[..read]);
        rest = &rest[read..];
    }
    let Reader { variables, faults, names, .. } = reader;
    let is_bad = !faults.is_empty();
    let bad = is_bad.then(|| BadFile { shown: concealed(&text, &names), faults });
    (variables, bad)
}

#[derive(Default)]
struct Reader {
    variables: BTreeMap<String, String>,
    faults: Vec<(usize, Fault)>,
    /// Names of variables, by line.
    names: BTreeMap<usize, String>,
    length: usize,
}

/// A quoted value.
struct Quoted {
    /// Unescaped; in double quotes, an escaped dollar sign is `$$`.
    value: String,
    /// In bytes, including both quotes.
    length: usize,
}

impl Reader {
    /// Reads the first statement of a text, and returns its length in bytes.
    fn statement(&mut self, text: &str, line: usize) -> usize {
        let end = line_end(text, 0);
        let written = text[..end].trim();
        if written.is_empty() || written.starts_with('#') {
            return end;
        }
        let Some(equals) = text[..end].find('=') else {
            self.fault(
                line,
                "this line is not `NAME=VALUE`",
                "start comments with `#`, and quote values that span several lines",
            );
            return end;
        };
        let name = without_export(text[..equals].trim());
        let is_named = rule::variable(name).is_ok();
        if is_named {
            self.names.insert(line, name.to_owned());
        } else {
            let hint = "names consist of letters, digits, `_`, `.` and `-`, and start with a letter or `_`";
            self.fault(line, "this line does not start with a variable name", hint);
        }
        let faults = self.faults.len();
        let (value, next) = self.value(text, equals + 1, line);
        let is_good = faults == self.faults.len();
        if is_named {
            self.variables.insert(name.to_owned(), value.filter(|_| is_good).unwrap_or_default());
        }
        next
    }

    /// The value that starts at an offset, and the offset of the next line.
    fn value(&mut self, text: &str, from: usize, line: usize) -> (Option<String>, usize) {
        let end = line_end(text, 0);
        let at = end - text[from..end].trim_start().len();
        let quote = text[at..end].chars().next().filter(|c| matches!(c, '\'' | '"'));
        let Some(quote) = quote else { return (Some(self.filled(uncommented(&text[from..end]), line)), end) };
        let Some(Quoted { value, length }) = quoted_value(&text[at..], quote) else {
            let hint = "close it; a quoted value may span several lines";
            self.fault(line, "unclosed quote on this line", hint);
            return (None, next_assignment(text, end));
        };
        let behind = at + length;
        let next = line_end(text, behind);
        let rest = text[behind..next].trim();
        if !rest.is_empty() && !rest.starts_with('#') {
            let closed = line + lines(&text[..behind]);
            let message = if closed == line {
                "unexpected text after the closing quote".to_owned()
            } else {
                format!("unexpected text after the quote opened on line {}", line + 1)
            };
            let hint = format!("write `\\{quote}` for a quote inside the value, and `#` before a comment");
            self.fault(closed, message, hint);
        }
        (Some(if quote == '"' { self.filled(&value, line) } else { self.sound(value, line) }), next)
    }

    /// Substitutes the variables of a value.
    fn filled(&mut self, value: &str, line: usize) -> String {
        let variables = &self.variables;
        let mut expander = Expander {
            value: &mut |name| variables.get(name).cloned(),
            length: &mut self.length,
            unfilled: Vec::new(),
        };
        let (filled, _) = expander.expand(value);
        // One error of each kind per line: the line shows the variables.
        let unfilled: BTreeSet<&str> = expander.unfilled.iter().map(worded).collect();
        let hint = "here `${NAME}` and `${NAME:-default}` refer to variables set above, `$$` is a dollar sign, and \
                    single quotes prevent substitution; for other variables use `env`";
        let messages: Vec<String> = unfilled.into_iter().map(str::to_owned).collect();
        for message in messages {
            self.fault(line, message, hint);
        }
        self.sound(filled, line)
    }

    fn sound(&mut self, value: String, line: usize) -> String {
        if let Err(fault) = rule::argument(&value) {
            self.fault(line, fault.message, "remove it");
        }
        value
    }

    fn fault(&mut self, line: usize, message: impl Into<String>, hint: impl Into<String>) {
        self.faults.push((line, Fault::new(message, hint)));
    }
}

/// A message without the name of the variable, which may be part of a password.
fn worded(unfilled: &Unfilled) -> &'static str {
    match unfilled {
        Unfilled::Open => "unclosed `${` on this line",
        Unfilled::NoVariable(_) => "invalid `${…}` on this line",
        Unfilled::Unset { .. } => "a `${…}` on this line refers to a variable that is not set above",
        Unfilled::TooDeep => "too many nested defaults on this line",
        Unfilled::TooLong => "with this line the file's variables exceed the size limit",
    }
}

/// The name without a leading `export`; a variable named `export` keeps its name.
fn without_export(name: &str) -> &str {
    let rest = name.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t']));
    rest.map_or(name, str::trim_start)
}

/// The value up to a comment. A comment needs a space before it: `COLOUR=#fff` has a value.
fn uncommented(value: &str) -> &str {
    let mut signs = value.match_indices('#').map(|(at, _)| at);
    let comment = signs.find(|at| value[..*at].ends_with(char::is_whitespace));
    value[..comment.unwrap_or(value.len())].trim()
}

/// The value in quotes at the start of a text; `None`: unclosed.
fn quoted_value(text: &str, quote: char) -> Option<Quoted> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    loop {
        let (at, c) = chars.next()?;
        if c == quote {
            return Some(Quoted { value, length: at + 1 });
        }
        if c != '\\' {
            value.push(c);
            continue;
        }
        let (_, escaped) = chars.next()?;
        match (quote, escaped) {
            (_, c) if c == quote => value.push(c),
            ('"', 'n') => value.push('\n'),
            ('"', 't') => value.push('\t'),
            ('"', 'r') => value.push('\r'),
            ('"', '\\') => value.push('\\'),
            ('"', '$') => value.push_str("$$"),
            (_, c) => value.extend(['\\', c]),
        }
    }
}

/// The end of the line that contains an offset, including its line feed.
fn line_end(text: &str, from: usize) -> usize {
    text[from..].find('\n').map_or(text.len(), |at| from + at + 1)
}

/// The next line that looks like an assignment. After an unclosed quote, the lines before it are taken as part of the
/// value.
fn next_assignment(text: &str, from: usize) -> usize {
    let mut at = from;
    while at < text.len() {
        let end = line_end(text, at);
        let looks = |name: &str| !name.is_empty() && !name.contains(char::is_whitespace) && !name.starts_with('#');
        if text[at..end].split_once('=').is_some_and(|(name, _)| looks(without_export(name.trim()))) {
            return at;
        }
        at = end;
    }
    at
}

fn lines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

/// The lines of a file with everything replaced except valid names of variables.
fn concealed(text: &str, names: &BTreeMap<usize, String>) -> String {
    let line = |(i, line): (usize, &str)| match names.get(&i) {
        Some(name) => format!("{name}=…"),
        None if line.trim().is_empty() => String::new(),
        None => "…".to_owned(),
    };
    text.split('\n').enumerate().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> BTreeMap<String, String> {
        let (variables, bad) = parse(text);
        assert_eq!(bad, None, "{text:?}");
        variables
    }

    fn faults(text: &str) -> Vec<String> {
        let bad = parse(text).1.unwrap_or_else(|| panic!("{text:?} has no fault"));
        bad.faults.iter().map(|(line, fault)| format!("{}: {}", line + 1, fault.message)).collect()
    }

    #[test]
    fn values_are_parsed_as_by_compose() {
        let table = [
            ("A=1", "1"),
            ("A=", ""),
            ("A=\t ", ""),
            ("A=   # note", ""),
            ("A=\t# note", ""),
            ("A= #", ""),
            ("A=x # note", "x"),
            ("A=x\t# note", "x"),
            ("A=x# no note", "x# no note"),
            ("A=#fff", "#fff"),
            ("A=#fff # note", "#fff"),
            ("A=http://h/#top", "http://h/#top"),
            ("A=two  words  ", "two  words"),
            ("A=b=c", "b=c"),
            ("A==", "="),
            ("  A \t=\t1", "1"),
            ("export A=1", "1"),
            ("export   A=1", "1"),
            ("export\tA = 1", "1"),
            ("A='a # b'", "a # b"),
            ("A='a' # note", "a"),
            ("A='a'# note", "a"),
            ("A=\"a # b\"   # note", "a # b"),
            ("A=''", ""),
            ("A=\"\"", ""),
            ("A='$x ${y} $$ \\n'", "$x ${y} $$ \\n"),
            ("A='it\\'s'", "it's"),
            ("A=it's", "it's"),
            ("A=say \"x\"", "say \"x\""),
            ("A=\"x\\ny\\t\\r\\\"\\\\\"", "x\ny\t\r\"\\"),
            ("A=\"\\d+ \\'\"", "\\d+ \\'"),
            ("A=x\\ny", "x\\ny"),
            ("A=pa$word$", "pa$word$"),
            ("A=a$$b", "a$b"),
            ("A=\"\\$ \\${X}\"", "$ ${X}"),
            ("A='one\ntwo\n'", "one\ntwo\n"),
            ("A=\"one  \n # two\n\nthree\"", "one  \n # two\n\nthree"),
            ("A='one\r\ntwo'\r\n", "one\ntwo"),
            ("A=x\r\n", "x"),
            ("\u{feff}A=x", "x"),
            ("A=1\nA=2", "2"),
        ];
        for (text, expected) in table {
            assert_eq!(read(text).get("A").map(String::as_str), Some(expected), "{text:?}");
            assert_eq!(read(&format!("{text}\nB=b\n"))["B"], "b", "the line after {text:?}");
        }
    }

    #[test]
    fn comments_blank_lines_and_multi_line_values_are_read() {
        let text = "# all\n\n  # indented\nA=1\n\nKEY=\"-----BEGIN\nabc=\n-----END\"\nexport=x\n  \nd.e-f=2\n";
        let expected = [("A", "1"), ("KEY", "-----BEGIN\nabc=\n-----END"), ("export", "x"), ("d.e-f", "2")];
        let expected: BTreeMap<_, _> = expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(read(text), expected);
        assert_eq!((read(""), read("\n"), read("#")), (BTreeMap::new(), BTreeMap::new(), BTreeMap::new()));
    }

    #[test]
    fn variables_refer_to_lines_above() {
        let table = [
            ("H=h\nA=http://${H}/", "http://h/"),
            ("H=h\nA=\"${H}${H}\"", "hh"),
            ("A=${H:-other}", "other"),
            ("H=\nA=${H:-other}", "other"),
            ("H=h\nA=${X:-${H}}", "h"),
            ("A=$${H}", "${H}"),
            ("A=1\nA=${A}2", "12"),
        ];
        for (text, expected) in table {
            assert_eq!(read(text)["A"], expected, "{text:?}");
        }
        assert_eq!(
            faults("A=${H}\nH=h\nB=\"${PATH}\""),
            [
                "1: a `${…}` on this line refers to a variable that is not set above",
                "3: a `${…}` on this line refers to a variable that is not set above",
            ]
        );
    }

    #[test]
    fn errors_name_their_line_and_never_the_value() {
        let text = "A=1\nhunter2\n1A=hunter2\nB='x' hunter2\nC='one\ntwo' hunter2\nD=${hunter2!}\nE=${hunter2\nF=\0\n\
                    G='hunter2\nhidden\nH=ok\nA B=hunter2\nI=\"hunter2";
        assert_eq!(
            faults(text),
            [
                "2: this line is not `NAME=VALUE`",
                "3: this line does not start with a variable name",
                "4: unexpected text after the closing quote",
                "6: unexpected text after the quote opened on line 5",
                "7: invalid `${…}` on this line",
                "8: unclosed `${` on this line",
                "9: a NUL character cannot be passed to a program",
                "10: unclosed quote on this line",
                "13: this line does not start with a variable name",
                "14: unclosed quote on this line",
            ]
        );
        let bad = parse(text).1.expect("faults");
        assert_eq!(lines(&bad.shown), lines(text), "as many lines");
        let shown = format!("{bad:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn an_invalid_name_skips_its_whole_value() {
        assert_eq!(faults("1A='one\ntwo\nthree'\nB=b"), ["1: this line does not start with a variable name"]);
    }

    #[test]
    fn repeated_doubling_is_limited() {
        let doubled = (0..40).map(|_| "A=${A}${A}\n").collect::<String>();
        let found = faults(&format!("A=xxxxxxxxxxxxxxxx\n{doubled}"));
        assert_eq!(found.len(), 1, "{found:?}");
    }

    proptest::proptest! {
        #[test]
        fn quoted_values_round_trip(value in "[ -~\\n\\t]{0,40}") {
            let double = value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$");
            proptest::prop_assert_eq!(&read(&format!("A=\"{double}\" # note\nB=b\n"))["A"], &value);
        }

        #[test]
        fn any_text_is_accepted_or_rejected(text in "(?s).{0,80}") {
            let (_, bad) = parse(&text);
            if let Some(bad) = bad {
                let all = lines(&bad.shown);
                proptest::prop_assert!(bad.faults.iter().all(|(line, _)| *line <= all));
            }
        }
    }
}
