//! Detects specs of agents: a directory may also contain YAML files of compose, Kubernetes or CI.
//!
//! Looks only at the top-level keys of the documents. `agent::parse` validates the spec.

use saphyr_parser::{Event, Parser};

use super::language::AGENT;
use super::shape::Shape;

/// Required keys of a spec that files of other tools have too. One of [`OWN`] must be present as well.
const SHARED: [&str; 2] = ["name", "include"];

/// Top-level keys that only a spec has.
const OWN: [&str; 5] = ["image", "base_image", "build", "dependencies", "extends"];

/// Whether a document of a text has the top-level key `agent`. A document that uses `name` or inherits its name must
/// have only keys of the language, and one that no other tool has.
///
/// Invalid YAML counts as far as it can be read, so that errors in a spec are reported.
pub fn is_agent(text: &str) -> bool {
    top_level_keys(text).iter().any(|keys| has_keys_of_agent(keys)) || text.lines().any(starts_with_agent)
}

fn has_keys_of_agent(keys: &[String]) -> bool {
    let has = |names: &[&str]| keys.iter().any(|key| names.contains(&key.as_str()));
    let Shape::Keys(known) = &AGENT else { return has(&["agent"]) };
    let all_known = keys.iter().all(|key| known.iter().any(|it| it.is(key)));
    has(&["agent"]) || (all_known && (has(&["extends"]) || (has(&SHARED) && has(&OWN))))
}

/// Whether an unindented line sets `agent`.
fn starts_with_agent(line: &str) -> bool {
    let line = line.trim_start_matches('\u{feff}');
    let after = ["agent", "'agent'", "\"agent\""].iter().find_map(|key| line.strip_prefix(key));
    after.is_some_and(|after| after.trim_start().starts_with(':'))
}

/// The top-level keys of each document, up to the first syntax error.
fn top_level_keys(text: &str) -> Vec<Vec<String>> {
    let mut tops = Vec::new();
    let (mut depth, mut is_mapping, mut is_key) = (0_usize, false, true);
    for event in Parser::new_from_str(text) {
        let Ok((event, _)) = event else { break };
        // A key or value of the top-level mapping.
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
    fn specs_are_distinguished_from_files_of_other_tools() {
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
            // Invalid ones.
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
