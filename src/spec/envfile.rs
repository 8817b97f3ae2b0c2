//! Files of environment variables: `NAME=VALUE` lines, as docker and shells read them.
//!
//! What is wrong is told by its line only: such files hold secrets, and a message is no place for them.

use std::collections::BTreeMap;

use super::rule;

/// Reads the variables of a file; of one that comes twice the last counts.
///
/// # Errors
/// What is wrong with the first line that is none, in words that can follow the file's name.
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut variables = BTreeMap::new();
    for (i, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').ok_or_else(|| format!("line {} is not `NAME=VALUE`", i + 1))?;
        let name = name.trim_end();
        rule::variable(name).map_err(|_| format!("line {} does not begin with the name of a variable", i + 1))?;
        let value = value_of(value.trim()).ok_or_else(|| format!("line {} has a quote that is not closed", i + 1))?;
        variables.insert(name.to_owned(), value);
    }
    Ok(variables)
}

/// In single quotes as it is; in double quotes with escapes; otherwise up to a comment.
fn value_of(text: &str) -> Option<String> {
    if let Some(rest) = text.strip_prefix('\'') {
        return rest.split_once('\'').map(|(value, _)| value.to_owned());
    }
    let Some(rest) = text.strip_prefix('"') else {
        return Some(text.split(" #").next().unwrap_or_default().trim_end().to_owned());
    };
    let mut value = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return Some(value),
            '\\' => match chars.next()? {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                'r' => value.push('\r'),
                c => value.push(c),
            },
            c => value.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_shells_read_them() {
        let text = "# all\nA=1\nexport B = two words # not this\nC='a # b'\nD=\"x\\ny\\\"\"\nE=\nA=3\nF=a=b#c\n";
        let expected = [("A", "3"), ("B", "two words"), ("C", "a # b"), ("D", "x\ny\""), ("E", ""), ("F", "a=b#c")];
        let expected: BTreeMap<_, _> = expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(parse(text), Ok(expected));
    }

    #[test]
    fn what_is_wrong_is_told_without_its_value() {
        for (text, message) in [
            ("A=1\nhunter2\n", "line 2 is not `NAME=VALUE`"),
            ("1A=hunter2", "line 1 does not begin with the name of a variable"),
            ("A='hunter2", "line 1 has a quote that is not closed"),
        ] {
            assert_eq!(parse(text), Err(message.to_owned()));
        }
    }
}
