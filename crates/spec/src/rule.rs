//! Rules for names, references and values, one for each type of value, with hints.

use super::diagnostic::quoted;
use super::shape::Fault;
use super::{builder_config, egress, grants, ports, registries, secrets, short_forms, tuning};
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

/// The valid name closest to `text`; `None`: nothing of it can be used.
pub fn slug(text: &str) -> Option<String> {
    let mut slug = String::new();
    for c in text.to_lowercase().chars() {
        let c = if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
        let is_bad_start = slug.is_empty() && !c.is_ascii_alphanumeric();
        let is_repeated = c == '-' && slug.ends_with('-');
        if !is_bad_start && !is_repeated {
            slug.push(c);
        }
    }
    slug.truncate(AGENT_NAME_MAX);
    let slug = slug.trim_end_matches(['-', '_', '.']);
    AgentName::parse(slug).is_ok().then(|| slug.to_owned())
}

/// Keeps a container's name, which also contains `moat-` and the run id, readable in a list.
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

/// The name of a dependency, whether or not it exists.
pub fn dependency(text: &str) -> Result<(), Fault> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:@/+".contains(c);
    if text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(plain) {
        return Ok(());
    }
    let message = format!("{} is not a valid dependency name", quoted(text));
    Err(Fault::new(message, "names consist of letters, digits and `:`, `@`, `-`, `.`, such as `docker:dind`"))
}

/// The name of an environment variable. Allows more than POSIX: some programs use names with dots and dashes.
pub fn variable(text: &str) -> Result<(), Fault> {
    let is_start = |c: char| c.is_ascii_alphabetic() || c == '_';
    if text.starts_with(is_start) && text.chars().all(|c| is_start(c) || c.is_ascii_digit() || c == '.' || c == '-') {
        return Ok(());
    }
    let message = format!("{} is not a valid environment variable name", quoted(text));
    let hint = match text.split_once('=') {
        Some((name, _)) if variable(name).is_ok() => format!("write the value after a colon: `{name}: …`"),
        _ => "names consist of letters, digits, `_`, `.` and `-`, and start with a letter or `_`".to_owned(),
    };
    Err(Fault::new(message, hint))
}

/// The text of a `buildkitd.toml`.
pub fn builder_config(text: &str) -> Result<(), Fault> {
    builder_config::check(text)
}

/// The host of a registry.
pub fn registry(text: &str) -> Result<(), Fault> {
    registries::host(text).map(drop)
}

/// The address of a mirror of a registry.
pub fn mirror(text: &str) -> Result<(), Fault> {
    registries::mirror(text).map(drop)
}

/// A value that can be an argument or an environment variable.
pub fn argument(text: &str) -> Result<(), Fault> {
    if text.contains('\0') {
        return Err(Fault::new("a NUL character cannot be passed to a program", "remove the `\\0`"));
    }
    Ok(())
}

/// Rules that check a short form.
macro_rules! short_form_rules {
    ($($name:ident)+) => {
        $(pub fn $name(text: &str) -> Result<(), Fault> {
            short_forms::$name(text).map(drop)
        })+
    };
}

short_form_rules! {
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

macro_rules! tuning_rules {
    ($($name:ident)+) => {
        $(pub fn $name(text: &str) -> Result<(), Fault> {
            tuning::$name(text).map(drop)
        })+
    };
}

tuning_rules! { linux_capability device gpus tmpfs hostname runtime stop_timeout platform }

/// A limit on processes.
pub fn pids(text: &str) -> Result<(), Fault> {
    count(text)
}

/// `USER` or `USER:GROUP`, by name or number.
pub fn user(text: &str) -> Result<(), Fault> {
    let plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "_.-$".contains(c));
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() <= 2 && parts.into_iter().all(plain) {
        return Ok(());
    }
    Err(Fault::new(format!("{} is not a user", quoted(text)), "write `USER` or `USER:GROUP`, by name or by number"))
}

/// A rule of the network.
pub fn network_rule(text: &str) -> Result<(), Fault> {
    egress::rule(text).map(drop)
}

/// A host with rules for requests.
pub fn limited_host(text: &str) -> Result<(), Fault> {
    egress::limited_host(text)
}

/// A rule for requests, such as `allow GET /v1/**`.
pub fn network_request(text: &str) -> Result<(), Fault> {
    egress::request(text)
}

/// Certificates in PEM.
pub fn certificates(text: &str) -> Result<(), Fault> {
    egress::certificates(text)
}

/// A port of the Docker host that the sandbox can reach.
pub fn host_port(text: &str) -> Result<(), Fault> {
    egress::host_port(text).map(drop)
}

/// The name of a label that users may set.
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

/// A working directory; the root is allowed.
pub fn workdir(text: &str) -> Result<(), Fault> {
    if text == "/" { Ok(()) } else { short_forms::workplace(text) }
}

/// The source of a secret.
pub fn secret(text: &str) -> Result<(), Fault> {
    secrets::rule(text)
}

/// The name of a provider of grants.
pub fn grant(text: &str) -> Result<(), Fault> {
    grants::provider_rule(text)
}

/// The name of a grant with options.
pub fn grant_name(text: &str) -> Result<(), Fault> {
    grants::name_rule(text)
}

/// A repository that is granted.
pub fn repository(text: &str) -> Result<(), Fault> {
    grants::repository_rule(text)
}

/// A request that is granted.
pub fn granted_request(text: &str) -> Result<(), Fault> {
    grants::request_rule(text)
}

/// The name of a port.
pub fn port_name(text: &str) -> Result<(), Fault> {
    // The keys of one port in a mapping of named ports: `target` would be taken for a name.
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

/// The name of a service, which is its host name on the network and part of its container's name.
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
        "names consist of lowercase letters and digits with `-` in between, at most {SERVICE_NAME_MAX}, such as \
         `db` or `search-1`"
    );
    Err(Fault::new(format!("{} is not a valid service name", quoted(text)), hint))
}

/// The name of a host.
pub fn host_name(text: &str) -> Result<(), Fault> {
    let part = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if text.len() <= 253 && text.split('.').all(part) {
        return Ok(());
    }
    Err(Fault::new(format!("{} is not a valid host name", quoted(text)), "write a name such as `db.test`"))
}

/// The address of a host.
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
    fn names_of_variables_may_have_dots_and_dashes() {
        for good in ["A", "_", "http_proxy", "discovery.type", "npm-config", "A1"] {
            assert_eq!(variable(good), Ok(()), "{good}");
        }
        for bad in ["", "1A", "A=B", "A B", "Ä", ".A", "A\0"] {
            assert!(variable(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn dependencies_may_have_versions() {
        for good in ["docker:dind", "node@22", "postgres@16.1", "a/b"] {
            assert_eq!(dependency(good), Ok(()), "{good}");
        }
        for bad in ["", " a", "a b", "@a", "ä"] {
            assert!(dependency(bad).is_err(), "{bad}");
        }
    }
}
