//! The registry images that a Dockerfile uses, from its text: the engine needs credentials for their registries.

use std::collections::{BTreeMap, BTreeSet};

use moat_model::resource::ImageRef;

/// The images in `FROM`, `COPY --from` and `RUN --mount=from`, without the Dockerfile's stages. `args` has the values of `ARG`s.
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
                found.extend(rest.first().map(|image| expanded(image, &defaults, args)));
                if let [_, how, name] = rest[..]
                    && how.eq_ignore_ascii_case("as")
                {
                    stages.insert(name.to_ascii_lowercase());
                }
            }
            "COPY" => {
                found.extend(
                    words.iter().filter_map(|word| Some(expanded(word.strip_prefix("--from=")?, &defaults, args))),
                );
            }
            "RUN" => {
                let mounts = words.iter().filter_map(|word| word.strip_prefix("--mount="));
                let sources = mounts.flat_map(|mount| mount.split(',')).filter_map(|it| it.strip_prefix("from="));
                found.extend(sources.map(|image| expanded(image, &defaults, args)));
            }
            _ => {}
        }
    }
    let foreign = found.iter().filter(|name| !stages.contains(&name.to_ascii_lowercase()) && *name != "scratch");
    foreign.filter_map(|name| ImageRef::parse(name).ok()).collect()
}

/// Expands the known variables.
fn expanded(text: &str, defaults: &BTreeMap<String, String>, args: &BTreeMap<String, String>) -> String {
    let mut text = text.to_owned();
    // Longer names first: one may be a prefix of another.
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
    fn stages_are_skipped_and_variables_expanded() {
        let dockerfile = "ARG BASE=box:5000/a\nARG BASE_TAG=1\nFROM ${BASE}:$BASE_TAG AS build\n\
             from --platform=linux/amd64 example.org/b\nCOPY --from=build /x /x\n\
             copy --chown=1 --from=other.org/c:2 /y /y\nFROM scratch\nFROM $UNKNOWN\n\
             RUN --mount=type=bind,from=mount.org/d,target=/d --mount=from=build,target=/e x\n";
        let of = |args: &[(&str, &str)]| {
            let args = args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            images(dockerfile, &args).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(of(&[]), ["box:5000/a:1", "example.org/b", "mount.org/d", "other.org/c:2"]);
        assert_eq!(of(&[("BASE", "mine.org/a")]), ["example.org/b", "mine.org/a:1", "mount.org/d", "other.org/c:2"]);
    }
}
