//! Whether a text is meant as the spec of an agent: a directory may have YAML files of compose, Kubernetes or CI too.
//!
//! Only the keys at the top of its documents are looked at. Whether a spec is right is for `agent::parse`.

use saphyr_parser::{Event, Parser};

use super::language::AGENT;
use super::shape::Shape;

/// Keys that no spec can do without, and that other tools' files have too. One of [`OWN`] decides.
const SHARED: [&str; 2] = ["name", "include"];

/// Keys at the top that only a spec has.
const OWN: [&str; 5] = ["image", "base_image", "build", "dependencies", "extends"];

/// Whether one of the documents of a text has `agent` at its top; or, where the name has its other key or comes from
/// another file, only keys of the language, and what no file of another tool has.
///
/// Of a text that is no YAML as much is believed as can be read: what is wrong with a spec has to be told.
pub fn is_agent(text: &str) -> bool {
    tops(text).iter().any(|keys| is_top_of_agent(keys)) || text.lines().any(begins_with_agent)
}

fn is_top_of_agent(keys: &[String]) -> bool {
    let has = |names: &[&str]| keys.iter().any(|key| names.contains(&key.as_str()));
    let Shape::Keys(known) = &AGENT else { return has(&["agent"]) };
    let all_known = keys.iter().all(|key| known.iter().any(|it| it.is(key)));
    has(&["agent"]) || (all_known && (has(&["extends"]) || (has(&SHARED) && has(&OWN))))
}

/// A line at the margin, as people write it.
fn begins_with_agent(line: &str) -> bool {
    let line = line.trim_start_matches('\u{feff}');
    let after = ["agent", "'agent'", "\"agent\""].iter().find_map(|key| line.strip_prefix(key));
    after.is_some_and(|after| after.trim_start().starts_with(':'))
}

/// The keys at the top of each document that is a mapping, up to the first fault of syntax.
fn tops(text: &str) -> Vec<Vec<String>> {
    let mut tops = Vec::new();
    let (mut depth, mut is_mapping, mut is_key) = (0_usize, false, true);
    for event in Parser::new_from_str(text) {
        let Ok((event, _)) = event else { break };
        // A value of the mapping at the top, or a key of it.
        let at_top = depth == 1 && is_mapping;
        match event {
            Event::DocumentStart(_) => depth = 0,
            Event::MappingStart(..) | Event::SequenceStart(..) => {
                if depth == 0 {
                    is_mapping = matches!(event, Event::MappingStart(..));
                    is_key = true;
                    tops.push(Vec::new());
                } else if at_top {
                    is_key = !is_key;
                }
                depth += 1;
            }
            Event::MappingEnd | Event::SequenceEnd => depth = depth.saturating_sub(1),
            Event::Scalar(text, ..) if at_top => {
                if let (true, Some(keys)) = (is_key, tops.last_mut()) {
                    keys.push(text.into_owned());
                }
                is_key = !is_key;
            }
            Event::Alias(_) if at_top => is_key = !is_key,
            _ => {}
        }
    }
    tops
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_are_told_from_files_of_other_tools() {
        let specs = [
            "agent: a\nimage: busybox\n",
            "# a comment\n---\nimage: busybox\nagent: a\n",
            "{agent: a, image: busybox}\n",
            "{\"agent\": \"a\"}\n",
            "'agent': a\n",
            "\u{feff}agent: a\n",
            "x: [1, {agent: b}]\nagent: a\n",
            "? agent\n: a\n",
            "name: a\nimage: busybox\n",
            "extends: base.yaml\n",
            "include: base.yaml\ndependencies: [git]\n",
            // One of several documents.
            "kind: Pod\n---\nagent: a\n",
            // Wrong ones.
            "agent: A B\nimage: [\n",
            "image: [busybox\nagent: a\n",
            "agent: a\nservices: {web: {image: nginx}}\nnetworks: {}\n",
            "agent:\n",
        ];
        for text in specs {
            assert!(is_agent(text), "{text}");
        }
        let others = [
            "",
            "# nothing\n",
            "just text\n",
            "[agent, image]\n",
            "- agent: a\n",
            "services:\n  agent:\n    image: x\n",
            "name: project\nservices:\n  web:\n    image: nginx\nvolumes:\n  data:\n",
            "include: [other.yaml]\nservices: {agent: {image: x}}\n",
            "name: CI\non: push\njobs: {agent: {runs-on: x}}\n",
            "apiVersion: v1\nkind: ConfigMap\ndata:\n  agent: a\n",
            "name: env\nchannels: [conda-forge]\ndependencies: [python]\n",
            "name: app\nversion: 1.0.0\nenvironment: {sdk: '>=3'}\ndependencies: {flutter: {sdk: flutter}}\n",
            "x: &agent {a: b}\ny: *agent\n",
            "agents: [a]\nagent_pool: b\n",
            "x: |\n  agent: a\n",
            "[unclosed\n",
        ];
        for text in others {
            assert!(!is_agent(text), "{text}");
        }
    }
}
