//! Features that the classic builder lacks, from the text of a Dockerfile, so that an error names the line before anything
//! is sent.

/// Flags, by instruction, that only BuildKit supports.
const FLAGS: &[(&str, &[&str])] = &[
    ("RUN", &["--mount", "--network", "--security", "--device"]),
    ("COPY", &["--chmod", "--link", "--parents", "--exclude"]),
    ("ADD", &["--chmod", "--link", "--checksum", "--keep-git-dir", "--unpack", "--exclude"]),
];

/// The first use of BuildKit: the line, from 1, and the flag or here-document.
pub(crate) fn needs_buildkit(text: &str) -> Option<(usize, String)> {
    let mut continued = false;
    for (i, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let is_first = !continued;
        continued = trimmed.ends_with('\\');
        let mut words = trimmed.split_whitespace();
        let Some(instruction) = words.next().filter(|_| is_first).map(str::to_ascii_uppercase) else { continue };
        let flags = FLAGS.iter().find(|(name, _)| *name == instruction).map_or(&[][..], |(_, flags)| flags);
        for word in words.by_ref().take_while(|word| word.starts_with("--")) {
            let flag = word.split('=').next().unwrap_or(word);
            if flags.contains(&flag) {
                return Some((i + 1, format!("{instruction} {flag}")));
            }
        }
        if !flags.is_empty()
            && let Some(document) = trimmed.split_whitespace().find(|word| is_here_document(word))
        {
            return Some((i + 1, format!("{instruction} {document}")));
        }
    }
    None
}

/// `<<EOF`, `<<-EOF`, `<<"EOF"`.
fn is_here_document(word: &str) -> bool {
    let name = word.strip_prefix("<<").map(|rest| rest.trim_start_matches('-').trim_start_matches(['"', '\'']));
    name.is_some_and(|name| name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_here_documents_of_buildkit_are_found() {
        for (text, expected) in [
            ("FROM a\nRUN --mount=type=cache,target=/x make\n", Some((2, "RUN --mount"))),
            ("from a\nrun --network=none make\n", Some((2, "RUN --network"))),
            ("FROM a\n\n# x\nCOPY --from=b --link /a /b\n", Some((4, "COPY --link"))),
            ("ADD --checksum=sha256:1 http://a /b\n", Some((1, "ADD --checksum"))),
            ("FROM a\nCOPY <<EOF /b\nx\nEOF\n", Some((2, "COPY <<EOF"))),
            ("FROM a\nRUN <<-'E'\nx\nE\n", Some((2, "RUN <<-'E'"))),
            ("FROM a\nRUN a \\\n  --mount=b\nCOPY --from=b --chown=1 /a /b\nRUN cat << b\nRUN x <<1\n", None),
            ("# syntax=docker/dockerfile:1\nFROM --platform=linux/amd64 a\nRUN echo --mount=x\n", None),
        ] {
            assert_eq!(needs_buildkit(text), expected.map(|(line, what)| (line, what.to_owned())), "{text}");
        }
    }
}
