//! The images that a Dockerfile takes from registries, as far as its text tells: whose credentials the engine needs.

use std::collections::{BTreeMap, BTreeSet};

use moat_model::resource::ImageRef;

/// Those after `FROM` and `COPY --from`, without the Dockerfile's own stages. `args`: values for its `ARG`s.
pub(crate) fn images(dockerfile: &str, args: &BTreeMap<String, String>) -> Vec<ImageRef> {
    let (mut defaults, mut stages, mut found) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
    for line in dockerfile.lines() {
        let mut words = line.split_whitespace();
        let instruction = words.next().unwrap_or_default().to_ascii_uppercase();
        let words: Vec<&str> = words.collect();
        match instruction.as_str() {
            "ARG" => {
                for (name, value) in words.iter().filter_map(|word| word.split_once('=')) {
                    defaults.insert(name.to_owned(), value.trim_matches('"').to_owned());
                }
            }
            "FROM" => {
                let rest: Vec<&&str> = words.iter().filter(|word| !word.starts_with("--")).collect();
                found.extend(rest.first().map(|image| filled(image, &defaults, args)));
                if let [_, how, name] = rest[..]
                    && how.eq_ignore_ascii_case("as")
                {
                    stages.insert(name.to_ascii_lowercase());
                }
            }
            "COPY" => {
                found.extend(
                    words.iter().filter_map(|word| Some(filled(word.strip_prefix("--from=")?, &defaults, args))),
                );
            }
            _ => {}
        }
    }
    let foreign = found.iter().filter(|name| !stages.contains(&name.to_ascii_lowercase()) && *name != "scratch");
    foreign.filter_map(|name| ImageRef::parse(name).ok()).collect()
}

/// The text with its variables filled in, where they are known.
fn filled(text: &str, defaults: &BTreeMap<String, String>, args: &BTreeMap<String, String>) -> String {
    let mut text = text.to_owned();
    // Longer names first: one may begin with another.
    let mut names: Vec<&String> = defaults.keys().chain(args.keys()).collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    for name in names {
        let Some(value) = args.get(name).or_else(|| defaults.get(name)) else { continue };
        text = text.replace(&format!("${{{name}}}"), value).replace(&format!("${name}"), value);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_no_images_and_variables_are_filled_in() {
        let dockerfile = "ARG BASE=box:5000/a\nARG BASE_TAG=1\nFROM ${BASE}:$BASE_TAG AS build\n\
             from --platform=linux/amd64 example.org/b\nCOPY --from=build /x /x\n\
             copy --chown=1 --from=other.org/c:2 /y /y\nFROM scratch\nFROM $UNKNOWN\n";
        let of = |args: &[(&str, &str)]| {
            let args = args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            images(dockerfile, &args).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(of(&[]), ["box:5000/a:1", "example.org/b", "other.org/c:2"]);
        assert_eq!(of(&[("BASE", "mine.org/a")]), ["example.org/b", "mine.org/a:1", "other.org/c:2"]);
    }
}
