//! Dockerfiles of builds without a network: only the engine's own frontend may interpret them.
//!
//! `# syntax=IMAGE` names a program that BuildKit pulls and runs instead. BuildKit gives this program a network, and a
//! frontend decides which network the steps have. A sandbox that writes its own Dockerfile could leave its network with
//! one line, so that the line is replaced by an empty comment. Its place stays, since errors name lines.

use std::borrow::Cow;

/// A build argument with the effect of `# syntax=`.
const ARGUMENT: &str = "BUILDKIT_SYNTAX";

/// Why a Dockerfile cannot be built without a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("the build has no network, and `{ARGUMENT}` runs a program that would have one")]
    Argument,
    #[error("the Dockerfile begins with `{{`, which is no instruction")]
    Json,
}

/// The Dockerfile for a build without a network.
///
/// # Errors
/// If it can name another frontend in a way that is not a line.
pub(crate) fn own<A: AsRef<str>>(dockerfile: &str, mut args: impl Iterator<Item = A>) -> Result<Cow<'_, str>, Unfit> {
    if args.any(|name| name.as_ref() == ARGUMENT) {
        return Err(Unfit::Argument);
    }
    // A byte order mark hides the line behind it from the check, and not from BuildKit.
    let text = dockerfile.trim_start_matches('\u{feff}');
    let lines: Vec<&str> = text.split('\n').collect();
    // More lines than BuildKit reads: directives end at the first other comment.
    let is_comment = |line: &str| line.is_empty() || line.starts_with('#') || line.starts_with("//");
    let head = lines.iter().take_while(|line| is_comment(line.trim())).count();
    if lines.get(head).is_some_and(|line| line.trim_start().starts_with('{')) {
        return Err(Unfit::Json);
    }
    if text.len() == dockerfile.len() && !lines[..head].iter().any(|line| names_frontend(line)) {
        return Ok(Cow::Borrowed(dockerfile));
    }
    // An empty comment ends the directives, so that others, such as `# escape=`, have to come before it.
    let (replaced, kept): (Vec<&str>, Vec<&str>) = lines[..head].iter().partition(|line| names_frontend(line));
    let all = kept.into_iter().chain(replaced.iter().map(|_| "#")).chain(lines[head..].iter().copied());
    Ok(Cow::Owned(all.collect::<Vec<_>>().join("\n")))
}

/// Whether a line is `# syntax=…`, with either kind of comment.
fn names_frontend(line: &str) -> bool {
    let line = line.trim_start();
    let Some(text) = line.strip_prefix('#').or_else(|| line.strip_prefix("//")) else { return false };
    let Some((key, _)) = text.split_once('=') else { return false };
    key.trim().eq_ignore_ascii_case("syntax")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> impl Iterator<Item = &'static str> {
        [].into_iter()
    }

    /// As BuildKit finds it: a directive of the leading lines, with either kind of comment.
    fn has_syntax(text: &str) -> bool {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let text = if text.starts_with("#!") { text.split_once('\n').map_or("", |(_, rest)| rest) } else { text };
        ["#", "//"].iter().any(|mark| {
            let directives = text.lines().map_while(|line| line.trim_start().strip_prefix(mark)?.split_once('='));
            directives.map(|(key, _)| key.trim().to_lowercase()).any(|key| key == "syntax")
        })
    }

    #[test]
    fn no_other_frontend_is_named() {
        let rest = "FROM a\nRUN b\n";
        for head in [
            "# syntax=docker/dockerfile:1\n",
            "#syntax = evil\n",
            "  #  SYNTAX=evil\n",
            "// syntax=evil\n",
            "#!/bin/run\n# syntax=evil\n",
            "# escape=`\n# syntax=evil\n",
            "# check=skip=all\n# syntax=evil\n# escape=`\n",
            "\u{feff}# syntax=evil\n",
            "\u{feff}\u{feff}# syntax=evil\n",
        ] {
            let text = format!("{head}{rest}");
            assert!(has_syntax(text.trim_start_matches('\u{feff}')), "{text}");
            let own = own(&text, none()).expect("a Dockerfile");
            assert!(!has_syntax(&own), "{own}");
            assert_eq!(own.lines().count(), text.lines().count(), "{own}");
            assert!(own.ends_with(rest), "{own}");
        }
        assert_eq!(own("# syntax=x\n# escape=`\nFROM a\n", none()).expect("one"), "# escape=`\n#\nFROM a\n");
    }

    #[test]
    fn another_dockerfile_is_unchanged() {
        for text in [
            "FROM a\n# syntax=x\n",
            "# The syntax is old\n# escape=`\nFROM a\n",
            "",
            "\n\nFROM a\nRUN echo '# syntax=x'\n",
        ] {
            assert_eq!(own(text, none()), Ok(Cow::Borrowed(text)));
        }
    }

    #[test]
    fn other_ways_to_name_a_frontend_are_rejected() {
        assert_eq!(own("FROM a\n", ["A", ARGUMENT].into_iter()), Err(Unfit::Argument));
        assert_eq!(own("{\"syntax\": \"evil\"}", none()), Err(Unfit::Json));
        assert_eq!(own("#!x\n\n {\"syntax\": \"evil\"}", none()), Err(Unfit::Json));
    }
}
