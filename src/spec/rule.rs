//! What makes a text a name, a reference or a value: one rule for each sort of value, with advice.

use super::diagnostic::quoted;
use super::shape::Fault;
use crate::resource::run::{AGENT_NAME_MAX, AgentNameError};
use crate::resource::{AgentName, ImageRef};

/// The name of an agent.
pub fn agent_name(text: &str) -> Result<(), Fault> {
    let Err(error) = AgentName::parse(text) else { return Ok(()) };
    let message = match error {
        AgentNameError::Characters(_) | AgentNameError::Empty => {
            format!("{} cannot be an agent's name", quoted(text))
        }
        AgentNameError::TooLong => {
            format!("an agent's name has at most {AGENT_NAME_MAX} characters, not {}", text.chars().count())
        }
    };
    let rule = "use lowercase letters, digits, `-`, `_` and `.`, and begin with a letter or digit";
    let hint = slug(text).map_or_else(|| rule.to_owned(), |slug| format!("{rule}, as in `{slug}`"));
    Err(Fault::new(message, hint))
}

/// A name that is allowed, and as close to `text` as it gets.
fn slug(text: &str) -> Option<String> {
    let mut slug = String::new();
    for c in text.to_lowercase().chars() {
        let c = if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
        let begins_badly = slug.is_empty() && !c.is_ascii_alphanumeric();
        let is_repeated = c == '-' && slug.ends_with('-');
        if !begins_badly && !is_repeated {
            slug.push(c);
        }
    }
    slug.truncate(AGENT_NAME_MAX);
    let slug = slug.trim_end_matches(['-', '_', '.']);
    AgentName::parse(slug).is_ok().then(|| slug.to_owned())
}

/// A reference to an image.
pub fn image(text: &str) -> Result<(), Fault> {
    if ImageRef::parse(text).is_ok() {
        return Ok(());
    }
    let lower = text.trim().to_lowercase();
    let hint = if ImageRef::parse(&lower).is_ok() {
        format!("write `{lower}`: names of images are lowercase, without spaces")
    } else {
        "write it as `NAME:TAG` or `REGISTRY/NAME:TAG`, as in `debian:13`".to_owned()
    };
    Err(Fault::new(format!("{} is not an image reference", quoted(text)), hint))
}

/// The name of something to depend on, whether or not it exists.
pub fn dependency(text: &str) -> Result<(), Fault> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:@/+".contains(c);
    if text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(plain) {
        return Ok(());
    }
    let message = format!("{} cannot be the name of a dependency", quoted(text));
    Err(Fault::new(message, "names have letters, digits and `:`, `@`, `-`, `.`, as in `docker:dind`"))
}

/// The name of an environment variable: wider than POSIX, since programs are configured by names with dots and dashes.
pub fn variable(text: &str) -> Result<(), Fault> {
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    if text.starts_with(begins) && text.chars().all(|c| begins(c) || c.is_ascii_digit() || c == '.' || c == '-') {
        return Ok(());
    }
    let message = format!("{} cannot be the name of an environment variable", quoted(text));
    let hint = match text.split_once('=') {
        Some((name, _)) if variable(name).is_ok() => format!("write the value after a colon: `{name}: …`"),
        _ => "names have letters, digits, `_`, `.` and `-`, and begin with a letter or `_`".to_owned(),
    };
    Err(Fault::new(message, hint))
}

/// What a process can be given as an argument or in its environment.
pub fn argument(text: &str) -> Result<(), Fault> {
    if text.contains('\0') {
        return Err(Fault::new("a NUL character cannot be passed to a program", "remove the `\\0`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_always_a_name() {
        let long = "x".repeat(99);
        for (text, slug_of) in [
            ("My Agent", Some("my-agent")),
            ("-Ünïcode-", Some("n-code")),
            ("a__b..", Some("a__b")),
            ("???", None),
            (long.as_str(), Some(&long[..AGENT_NAME_MAX])),
        ] {
            assert_eq!(slug(text).as_deref(), slug_of, "{text}");
        }
    }

    #[test]
    fn variables_are_what_programs_use() {
        for good in ["A", "_", "http_proxy", "discovery.type", "npm-config", "A1"] {
            assert_eq!(variable(good), Ok(()), "{good}");
        }
        for bad in ["", "1A", "A=B", "A B", "Ä", ".A", "A\0"] {
            assert!(variable(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn dependencies_have_room_for_versions() {
        for good in ["docker:dind", "node@22", "postgres@16.1", "a/b"] {
            assert_eq!(dependency(good), Ok(()), "{good}");
        }
        for bad in ["", " a", "a b", "@a", "ä"] {
            assert!(dependency(bad).is_err(), "{bad}");
        }
    }
}
