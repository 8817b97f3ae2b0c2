//! What makes a text a name, a reference or a value: one rule for each sort of value, with advice.

use super::diagnostic::quoted;
use super::shape::Fault;
use super::{ports, secrets, short_forms, tuning};
use moat_model::resource::run::{AGENT_NAME_MAX, AgentNameError};
use moat_model::resource::{AgentName, ImageRef};

/// The name of an agent.
pub fn agent_name(text: &str) -> Result<(), Fault> {
    let Err(error) = AgentName::parse(text) else { return Ok(()) };
    let message = match error {
        AgentNameError::Characters(_) | AgentNameError::Empty => {
            format!("{} is not a valid agent name", quoted(text))
        }
        AgentNameError::TooLong => {
            format!("an agent name has at most {AGENT_NAME_MAX} characters; this one has {}", text.chars().count())
        }
    };
    let rule = "use lowercase letters, digits, `-`, `_` and `.`, and start with a letter or digit";
    let hint = slug(text).map_or_else(|| rule.to_owned(), |slug| format!("{rule}, as in `{slug}`"));
    Err(Fault::new(message, hint))
}

/// A name that is allowed, and as close to `text` as it gets.
pub fn slug(text: &str) -> Option<String> {
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

/// With it, `moat-` and the longest run id a container's name is still readable in a list.
const SERVICE_NAME_MAX: usize = 32;

/// A reference to an image.
pub fn image(text: &str) -> Result<(), Fault> {
    if ImageRef::parse(text).is_ok() {
        return Ok(());
    }
    let lower = text.trim().to_lowercase();
    let hint = if ImageRef::parse(&lower).is_ok() {
        format!("write `{lower}`: image names are lowercase, without spaces")
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
    let message = format!("{} is not a valid dependency name", quoted(text));
    Err(Fault::new(message, "names consist of letters, digits and `:`, `@`, `-`, `.`, such as `docker:dind`"))
}

/// The name of an environment variable: wider than POSIX, since programs are configured by names with dots and dashes.
pub fn variable(text: &str) -> Result<(), Fault> {
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    if text.starts_with(begins) && text.chars().all(|c| begins(c) || c.is_ascii_digit() || c == '.' || c == '-') {
        return Ok(());
    }
    let message = format!("{} is not a valid environment variable name", quoted(text));
    let hint = match text.split_once('=') {
        Some((name, _)) if variable(name).is_ok() => format!("write the value after a colon: `{name}: …`"),
        _ => "names consist of letters, digits, `_`, `.` and `-`, and start with a letter or `_`".to_owned(),
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

/// Whether a short form can be read.
macro_rules! as_written {
    ($($name:ident)+) => {
        $(pub fn $name(text: &str) -> Result<(), Fault> {
            short_forms::$name(text).map(drop)
        })+
    };
}

as_written! {
    mount mount_source path folder place excluded volume volume_name memory cache_limit cpus count ulimit ulimit_name
    duration subnet address oom_score_adj log_driver log_option
}

/// A published port, or a range of them.
pub fn port(text: &str) -> Result<(), Fault> {
    ports::read(text).map(drop)
}

/// One port, without anything else.
pub fn port_number(text: &str) -> Result<(), Fault> {
    ports::single(text).map(drop)
}

/// An address that a port is published on.
pub fn port_address(text: &str) -> Result<(), Fault> {
    ports::address_of(text).map(drop)
}

macro_rules! as_tuned {
    ($($name:ident)+) => {
        $(pub fn $name(text: &str) -> Result<(), Fault> {
            tuning::$name(text).map(drop)
        })+
    };
}

as_tuned! { linux_capability device gpus tmpfs hostname stop_timeout }

/// How many processes a container may have.
pub fn pids(text: &str) -> Result<(), Fault> {
    count(text)
}

/// `USER` or `USER:GROUP`, by name or by number.
pub fn user(text: &str) -> Result<(), Fault> {
    let plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "_.-$".contains(c));
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() <= 2 && parts.into_iter().all(plain) {
        return Ok(());
    }
    Err(Fault::new(format!("{} is not a user", quoted(text)), "write `USER` or `USER:GROUP`, by name or by number"))
}

/// The name of a label that is the user's to set.
pub fn label(text: &str) -> Result<(), Fault> {
    if text.starts_with("moat.") || text == "moat" {
        let message = format!("{} is reserved for moat", quoted(text));
        return Err(Fault::new(message, "choose a name that does not start with `moat.`"));
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '=') {
        let message = format!("{} is not a valid label name", quoted(text));
        return Err(Fault::new(message, "write it without spaces or `=`, such as `com.example.team`"));
    }
    argument(text)
}

/// A folder to run in; all of the container is one too.
pub fn workdir(text: &str) -> Result<(), Fault> {
    if text == "/" { Ok(()) } else { short_forms::workplace(text) }
}

/// Where a secret comes from.
pub fn secret(text: &str) -> Result<(), Fault> {
    secrets::rule(text)
}

/// What a port is called.
pub fn port_name(text: &str) -> Result<(), Fault> {
    // The parts of one port where names of ports are expected: `target` would be taken for a name.
    if ["target", "published", "host_ip", "protocol"].contains(&text) {
        let message = format!("{} is a key of a port, not a port name", quoted(text));
        return Err(Fault::new(message, "write the mapping as a list item: `- target: 80`"));
    }
    if text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    {
        return Ok(());
    }
    let hint = if port(text).is_ok() {
        "to choose the host port, write a list: `- 8080:80`"
    } else {
        "names consist of letters, digits, `-` and `_`, and start with a letter, such as `web`"
    };
    Err(Fault::new(format!("{} is not a valid port name", quoted(text)), hint))
}

/// What a service is called: by this name it is found on the network, and it is in its container's name.
pub fn service_name(text: &str) -> Result<(), Fault> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if text == "main" {
        return Err(Fault::new("`main` is reserved for the sandbox itself", "choose another name for the service"));
    }
    if text.len() <= SERVICE_NAME_MAX
        && text.starts_with(plain)
        && text.ends_with(plain)
        && text.chars().all(|c| plain(c) || c == '-')
    {
        return Ok(());
    }
    let hint = format!(
        "names consist of lowercase letters and digits with `-` in between, at most {SERVICE_NAME_MAX}, such as `db` or `search-1`"
    );
    Err(Fault::new(format!("{} is not a valid service name", quoted(text)), hint))
}

/// A host's name.
pub fn host_name(text: &str) -> Result<(), Fault> {
    let part = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if text.len() <= 253 && text.split('.').all(part) {
        return Ok(());
    }
    Err(Fault::new(format!("{} is not a valid host name", quoted(text)), "write a name such as `db.test`"))
}

/// Where a host is.
pub fn host(text: &str) -> Result<(), Fault> {
    if text == "host-gateway" || address(text).is_ok() {
        return Ok(());
    }
    let message = format!("{} is not the address of a host", quoted(text));
    Err(Fault::new(message, "write an IP address, or `host-gateway` for the Docker host"))
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
