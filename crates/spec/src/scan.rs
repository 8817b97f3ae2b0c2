//! Parses text to a tree with locations, and rejects files that are dangerous to read.
//!
//! Rejects duplicate keys, merge keys and tags, because no later step would notice them. Does not interpret values.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::diagnostic::{Diagnostic, quoted};
use super::source::{Span, position};
use super::syntax;
use super::tree::{Content, Entry, Node, Scalar};

/// In bytes: far above any file written by hand.
pub const SOURCE_MAX: usize = 1 << 20;

/// The language has at most six levels. The parser's work may grow with the square of the depth.
const DEPTH_MAX: usize = 32;

/// Far above any real file, and low enough that aliases cannot exhaust memory.
const NODES_MAX: usize = 20_000;

/// Reads the documents of a text.
///
/// # Errors Syntax errors and exceeded limits give no tree. Other errors come with a tree, so that the rest of the file
/// can be checked too.
pub fn scan(text: &str) -> (Vec<Node>, Vec<Diagnostic>) {
    if let Err(fault) = syntax::readable(text, SOURCE_MAX) {
        return (Vec::new(), vec![fault]);
    }
    let mut builder = Builder::new(text);
    for event in Parser::new_from_str(text) {
        let step = match event {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => Err(syntax::explain(text, error.info(), builder.bytes.at(error.marker().index()))),
        };
        if let Err(fault) = step {
            builder.faults.push(fault);
            return (Vec::new(), builder.faults);
        }
    }
    // An empty document, such as after a last `---`, is ignored.
    let is_empty = |root: &Node| matches!(&root.content, Content::Scalar(Scalar::Null, text) if text.is_empty());
    let first = builder.roots.first().map_or(0, |root| root.span.start);
    builder.roots.retain(|root| !is_empty(root));
    if builder.roots.is_empty() {
        builder.faults.push(syntax::empty(first));
    }
    (builder.roots, builder.faults)
}

struct Builder<'t> {
    text: &'t str,
    bytes: ByteIndex,
    /// The open collections, outermost first.
    open: Vec<Open>,
    roots: Vec<Node>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    faults: Vec<Diagnostic>,
}

/// A collection that has started and not ended.
struct Open {
    start: usize,
    /// 0: none.
    anchor: usize,
    children: Children,
}

enum Children {
    Items(Vec<Node>),
    Entries { entries: Vec<Entry>, seen: BTreeMap<String, usize>, next: Next },
}

/// What a mapping expects next.
enum Next {
    Key,
    Value(String, Span),
    /// The value of a rejected key.
    Refused,
}

impl<'t> Builder<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            text,
            bytes: ByteIndex::new(text),
            open: Vec::new(),
            roots: Vec::new(),
            anchors: BTreeMap::new(),
            nodes: 0,
            faults: Vec::new(),
        }
    }

    fn take(&mut self, event: Event<'_>, span: saphyr_parser::Span) -> Result<(), Diagnostic> {
        let span = self.bytes.at(span.start.index())..self.bytes.at(span.end.index());
        match event {
            // An anchor is visible only in its document.
            Event::DocumentStart(_) => {
                self.anchors.clear();
                Ok(())
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), &span);
                self.open(span, anchor, Children::Items(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), &span);
                let children = Children::Entries { entries: Vec::new(), seen: BTreeMap::new(), next: Next::Key };
                self.open(span, anchor, children)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(&span),
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), &span);
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let kind = if plain { kind_of(&text) } else { Scalar::Text };
                let content = Content::Scalar(kind, text.into_owned());
                let span = trimmed(self.text, span);
                self.add(Node { span, content, filled: None }, anchor)
            }
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn open(&mut self, span: Span, anchor: usize, children: Children) -> Result<(), Diagnostic> {
        self.limit_depth(1, &span)?;
        self.open.push(Open { start: span.start, anchor, children });
        Ok(())
    }

    fn close(&mut self, closing: &Span) -> Result<(), Diagnostic> {
        let Some(Open { start, anchor, children }) = self.open.pop() else { return Ok(()) };
        let (content, last) = match children {
            Children::Items(items) => {
                let last = items.last().map(|item| item.span.end);
                (Content::List(items), last)
            }
            Children::Entries { entries, .. } => {
                let last = entries.last().map(|entry| entry.value.span.end.max(entry.key_span.end));
                (Content::Map(entries), last)
            }
        };
        // Without brackets, the parser notices the end only at the next token.
        let bracket = self.text.get(closing.clone()).is_some_and(|sign| sign.starts_with([']', '}']));
        let end = if bracket { closing.start + 1 } else { last.unwrap_or(start) };
        self.add(Node { span: start..end.max(start), content, filled: None }, anchor)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Diagnostic> {
        let Some(target) = self.anchors.get(&anchor) else {
            return Err(
                Diagnostic::error(span, "an alias refers to a value that contains it").hint("write the value out")
            );
        };
        let (height, size) = (target.height(), target.size());
        self.limit_depth(height, &span)?;
        self.limit_nodes(size, &span)?;
        let Some(target) = self.anchors.get(&anchor) else { return Ok(()) };
        let node = target.moved_to(&span);
        self.add(node, 0)
    }

    /// Adds a complete value to the open collection.
    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Diagnostic> {
        self.limit_nodes(1, &node.span)?;
        if anchor != 0 {
            self.limit_nodes(node.size(), &node.span)?;
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.children) {
            None => self.roots.push(node),
            Some(Children::Items(items)) => items.push(node),
            Some(Children::Entries { entries, seen, next }) => match std::mem::replace(next, Next::Key) {
                Next::Key => {
                    let (key, fault) = read_key(node, self.text, seen);
                    *next = key.map_or(Next::Refused, |(key, span)| Next::Value(key, span));
                    self.faults.extend(fault);
                }
                Next::Value(key, key_span) => entries.push(Entry { key, key_span, value: node }),
                Next::Refused => {}
            },
        }
        Ok(())
    }

    fn refuse_tag(&mut self, tagged: bool, span: &Span) {
        if tagged {
            let fault = Diagnostic::error(first_word(self.text, span), "tags (`!…`) are not supported");
            self.faults.push(fault.hint("remove the tag; quote a value to make it a string"));
        }
    }

    fn limit_depth(&self, more: usize, span: &Span) -> Result<(), Diagnostic> {
        if self.open.len() + more <= DEPTH_MAX {
            return Ok(());
        }
        let message = format!("more than {DEPTH_MAX} levels of lists and mappings");
        Err(Diagnostic::error(span.clone(), message).hint("no key needs this many; is a bracket unclosed?"))
    }

    fn limit_nodes(&mut self, more: usize, span: &Span) -> Result<(), Diagnostic> {
        self.nodes += more;
        if self.nodes <= NODES_MAX {
            return Ok(());
        }
        let message = format!("more than {NODES_MAX} values after alias expansion");
        Err(Diagnostic::error(span.clone(), message).hint("a spec is far smaller; remove the aliases (`*…`)"))
    }
}

/// The text of a key, unless it is invalid, and its error.
fn read_key(
    node: Node,
    text: &str,
    seen: &mut BTreeMap<String, usize>,
) -> (Option<(String, Span)>, Option<Diagnostic>) {
    let Node { span, content, .. } = node;
    let key = match content {
        Content::Scalar(_, key) if !key.is_empty() => key,
        Content::Scalar(..) | Content::List(_) | Content::Map(_) => {
            let fault =
                Diagnostic::error(span, "a key must be a string").hint("write `KEY: VALUE`, with a name as the key");
            return (None, Some(fault));
        }
    };
    // In quotes it is an ordinary, unknown key.
    if key == "<<" && text.get(span.clone()) == Some("<<") {
        let fault = Diagnostic::error(span, "merge keys (`<<`) are not supported");
        return (None, Some(fault.hint("write out the merged keys")));
    }
    let fault = seen.get(&key).map(|first| {
        Diagnostic::error(span.clone(), format!("{} is given twice", quoted(&key)))
            .hint(format!("it is already on {}; keep one of them", line_of(text, *first, span.start)))
    });
    seen.entry(key.clone()).or_insert(span.start);
    (Some((key, span)), fault)
}

/// The line of an earlier place, for a message about a later one.
pub fn line_of(text: &str, earlier: usize, later: usize) -> String {
    let between = text.get(earlier..later).unwrap_or_default();
    if between.contains('\n') { format!("line {}", position(text, earlier).line) } else { "this line".to_owned() }
}

/// Markers of a document's start and end; as values they are text.
const DOCUMENT_MARKERS: [&str; 2] = ["---", "..."];

/// The type of an unquoted scalar, by the rules of `serde_yaml`.
fn kind_of(plain: &str) -> Scalar {
    if plain.is_empty() {
        return Scalar::Null;
    }
    // Null, booleans and numbers consist of these characters; anything else needs no parser.
    let could_be_other = plain.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._~".contains(&b));
    if !could_be_other || DOCUMENT_MARKERS.contains(&plain) {
        return Scalar::Text;
    }
    match serde_yaml::from_str(plain) {
        Ok(serde_yaml::Value::Null) => Scalar::Null,
        Ok(serde_yaml::Value::Bool(_)) => Scalar::Bool,
        Ok(serde_yaml::Value::Number(_)) => Scalar::Number,
        _ => Scalar::Text,
    }
}

/// Removes trailing white space, which the parser includes.
fn trimmed(text: &str, span: Span) -> Span {
    let written = text.get(span.clone()).unwrap_or_default();
    span.start..span.start + written.trim_end().len()
}

fn first_word(text: &str, span: &Span) -> Span {
    let rest = text.get(span.start..).unwrap_or_default();
    let len = rest.find(char::is_whitespace).unwrap_or(rest.len());
    span.start..span.start + len
}

/// Maps character offsets to byte offsets: the parser counts characters, everything else counts bytes.
struct ByteIndex {
    /// Empty: the text is ASCII.
    offsets: Vec<usize>,
    end: usize,
}

impl ByteIndex {
    fn new(text: &str) -> Self {
        let offsets = if text.is_ascii() { Vec::new() } else { text.char_indices().map(|(at, _)| at).collect() };
        Self { offsets, end: text.len() }
    }

    /// The byte offset of the `n`th character; beyond the text, its end.
    fn at(&self, n: usize) -> usize {
        if self.offsets.is_empty() { n.min(self.end) } else { self.offsets.get(n).copied().unwrap_or(self.end) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The only message, and the text that it points to.
    fn refused(text: &str) -> (String, &str) {
        let (roots, faults) = scan(text);
        assert_eq!(roots, []);
        let [fault] = faults.as_slice() else { panic!("{faults:?}") };
        (fault.message.clone(), &text[fault.span.clone()])
    }

    fn list_of(n: usize) -> String {
        format!("[{}]", "x,".repeat(n))
    }

    #[test]
    fn the_depth_limit_is_exact() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(scan(&nested(DEPTH_MAX)).0.len() == 1);
        let (message, _) = refused(&nested(DEPTH_MAX + 1)).clone();
        assert_eq!(message, format!("more than {DEPTH_MAX} levels of lists and mappings"));
    }

    // A parser that read to the end, or a pass through serde, would take many seconds, overflow the stack, or report
    // something else.
    #[test]
    fn bracket_bombs_are_rejected_where_they_start() {
        for sign in ["[", "{", "{a: ", "[{"] {
            let (roots, faults) = scan(&sign.repeat(100_000));
            assert_eq!(roots, []);
            assert_eq!(faults[0].message, "not valid YAML: too many nested brackets", "{sign}");
            assert!(faults[0].span.end < 2_000, "{sign}: {:?}", faults[0].span);
        }
        for sign in ["- ", "? "] {
            let text = sign.repeat(100_000);
            let (message, at) = refused(&text);
            assert!(message.starts_with("more than 32 levels"), "{sign}: {message}");
            assert!(at.len() < 2);
        }
    }

    #[test]
    fn the_number_of_values_is_limited() {
        // The list itself counts.
        assert!(scan(&list_of(NODES_MAX - 1)).0.len() == 1);
        let text = list_of(NODES_MAX);
        assert!(refused(&text).0.starts_with("more than 20000 values"));
    }

    #[test]
    fn alias_bombs_are_rejected() {
        let of = |times: usize| {
            let line = |i: usize| format!("a{}: &a{} [{}]", i + 1, i + 1, format!("*a{i},").repeat(times));
            let lines: Vec<_> = std::iter::once("a0: &a0 x".to_owned()).chain((0..40).map(line)).collect();
            lines.join("\n")
        };
        let (wide, deep) = (of(9), of(1));
        assert!(refused(&wide).0.starts_with("more than 20000 values"));
        assert_eq!(refused(&deep), ("more than 32 levels of lists and mappings".to_owned(), "*a30"));
    }

    #[test]
    fn an_alias_expands_to_the_value_of_its_anchor() {
        let (mut roots, faults) = scan("a: &x [1, two]\nb: *x\n");
        let root = roots.pop();
        assert_eq!(faults, []);
        let Some(Node { content: Content::Map(entries), .. }) = root else { panic!("{root:?}") };
        let [a, b] = entries.as_slice() else { panic!("{entries:?}") };
        assert_eq!(a.value.moved_to(&(0..0)), b.value.moved_to(&(0..0)));
        assert_eq!(b.value, a.value.moved_to(&(18..20)));
    }

    #[test]
    fn several_documents_are_several_trees() {
        let count = |text: &str| {
            let (roots, faults) = scan(text);
            (roots.len(), faults.len())
        };
        assert_eq!(count("a: 1\n---\nb: 2\n...\n---\nc: 3\n"), (3, 0));
        assert_eq!(count("---\na: 1\n---\n"), (1, 0));
        assert_eq!(count("---\n---\n"), (0, 1));
        // An anchor of another document is unknown.
        assert_eq!(count("a: &x 1\n---\nb: *x\n"), (0, 1));
    }

    #[test]
    fn a_file_above_the_size_limit_is_rejected() {
        let text = "a".repeat(SOURCE_MAX + 1);
        assert_eq!(refused(&text), ("the file is larger than 1024 KiB".to_owned(), ""));
    }

    #[test]
    fn scalars_have_the_types_of_serde_yaml() {
        let table = [
            ("null", Scalar::Null),
            ("~", Scalar::Null),
            ("True", Scalar::Bool),
            ("0x1F", Scalar::Number),
            ("-1.5e3", Scalar::Number),
            (".inf", Scalar::Number),
            ("no", Scalar::Text),
            ("on", Scalar::Text),
            ("22:22", Scalar::Text),
            ("017", Scalar::Text),
            ("1.2.3", Scalar::Text),
            ("---", Scalar::Text),
            ("...", Scalar::Text),
            ("nullable", Scalar::Text),
            ("1_000", Scalar::Text),
        ];
        for (text, kind) in table {
            assert_eq!(kind_of(text), kind, "{text}");
        }
    }

    #[test]
    fn spans_cover_the_written_text() {
        let text = "ü: [ ä , 'ö' ] # ß\nblock:\n  - |\n    line\n  - {é: [] }\nplain: a\n  b  \n";
        let (mut roots, faults) = scan(text);
        assert_eq!(faults, []);
        let root = roots.pop();
        let mut written = Vec::new();
        collect(&root.expect("a tree"), text, &mut written);
        let expected = [
            text.trim_end(),
            "ü",
            "[ ä , 'ö' ]",
            "ä",
            "'ö'",
            "block",
            "- |\n    line\n  - {é: [] }",
            "line",
            "{é: [] }",
            "é",
            "[]",
            "plain",
            "a\n  b",
        ];
        assert_eq!(written, expected);
    }

    fn collect<'t>(node: &Node, text: &'t str, written: &mut Vec<&'t str>) {
        written.push(&text[node.span.clone()]);
        match &node.content {
            Content::Scalar(..) => {}
            Content::List(items) => items.iter().for_each(|item| collect(item, text, written)),
            Content::Map(entries) => {
                for entry in entries {
                    written.push(&text[entry.key_span.clone()]);
                    collect(&entry.value, text, written);
                }
            }
        }
    }
}
