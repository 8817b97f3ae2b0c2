//! Shortens an engine's error message: the cause, without the prefixes that each layer added.
//!
//! The phrases are from the sources of moby 20.10 to 29, containerd and runc. An unknown message stays as it is, except
//! that ids of 64 digits are shortened.

use std::borrow::Cow;

use moat_model::engine::Call;

/// Prefixes that the layers add to an error from below.
const LAYERS: [&str; 11] = [
    "failed to create task for container: ",
    "failed to create shim task: ",
    "failed to create shim: ",
    "OCI runtime create failed: ",
    "OCI runtime start failed: ",
    "OCI runtime exec failed: ",
    "exec failed: ",
    "runc create failed: ",
    "runc start failed: ",
    "unable to start container process: ",
    "failed to set up container networking: ",
];

/// Digits of a short id, as docker prints it.
const ID: usize = 12;

/// The short form of an error message of `call`.
pub(crate) fn shorten(call: Call, message: &str) -> String {
    let message = without_layers(message);
    let known = match call {
        Call::CreateContainer => mount(message),
        Call::Start | Call::Restart => mount(message).or_else(|| port(message)).or_else(|| program(message)),
        Call::Exec => program(message),
        _ => None,
    };
    known.unwrap_or_else(|| with_short_ids(message).into_owned())
}

/// The message without prefixes and suffixes of layers.
fn without_layers(message: &str) -> &str {
    let mut message = message.trim();
    while let Some(rest) = LAYERS.iter().find_map(|layer| message.strip_prefix(layer)) {
        message = rest;
    }
    let advice = ": unknown: Are you trying to mount a directory onto a file";
    let message = message.split(advice).next().unwrap_or(message);
    message.strip_suffix(": unknown").unwrap_or(message)
}

/// A mount source that does not exist, or whose type differs from the target's.
fn mount(message: &str) -> Option<String> {
    if let Some(path) = after(message, "bind source path does not exist: ") {
        return Some(format!("`{path}` does not exist on the Docker host"));
    }
    let rest = after(message, "error mounting ")?;
    let (source, rest) = in_quotes(rest)?;
    let (target, rest) = in_quotes(after(rest, "to rootfs at ")?)?;
    let why = if rest.contains("not a directory") || rest.contains("is a directory") {
        "one of them is a directory, and the other is not"
    } else if rest.contains("no such file or directory") || rest.contains("does not exist") {
        "it does not exist on the Docker host"
    } else {
        return Some(format!("`{source}` cannot be mounted at `{target}`{}", with_short_ids(rest)));
    };
    Some(format!("`{source}` cannot be mounted at `{target}`: {why}"))
}

/// A host port in use, or an address that the host does not have.
fn port(message: &str) -> Option<String> {
    let in_use = |socket: &str| format!("port {socket} of the Docker host is in use");
    if let Some(socket) = between(message, "Bind for ", " failed: port is already allocated") {
        return Some(format!("{} by another container", in_use(socket)));
    }
    if let Some(socket) = between(message, "listen ", ": bind: address already in use") {
        return Some(in_use(without_protocol(socket)));
    }
    if let Some(socket) = between(message, "failed to bind host port for ", ": address already in use")
        .or_else(|| between(message, "failed to bind host port ", ": address already in use"))
    {
        return Some(in_use(host_part(socket)));
    }
    let socket = between(message, "listen ", ": bind: cannot assign requested address")
        .map(without_protocol)
        .or_else(|| {
            between(message, "failed to bind host port for ", ": cannot assign requested address").map(host_part)
        })
        .or_else(|| {
            between(message, "failed to bind host port ", ": cannot assign requested address").map(host_part)
        })?;
    let address = socket.rsplit_once(':').map_or(socket, |(address, _)| address);
    Some(format!("the Docker host does not have the address `{address}`"))
}

/// A program that is missing from the image, or not executable.
fn program(message: &str) -> Option<String> {
    let (program, rest) = in_quotes(after(message, "exec: ")?)?;
    if rest.contains("permission denied") {
        return Some(format!("`{program}` cannot be executed: permission denied"));
    }
    let missing = rest.contains("executable file not found") || rest.contains("no such file or directory");
    missing.then(|| format!("the image does not have the program `{program}`"))
}

fn after<'a>(message: &'a str, words: &str) -> Option<&'a str> {
    message.split_once(words).map(|(_, rest)| rest)
}

fn between<'a>(message: &'a str, before: &str, behind: &str) -> Option<&'a str> {
    after(message, before)?.split_once(behind).map(|(inside, _)| inside)
}

/// Splits `"quoted" rest`.
fn in_quotes(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix('"')?.split_once('"').map(|(inside, rest)| (inside, rest.trim_start()))
}

/// As in `tcp4 127.0.0.1:80`.
fn without_protocol(socket: &str) -> &str {
    socket.split_once(' ').map_or(socket, |(_, socket)| socket)
}

/// As in `127.0.0.1:80:172.17.0.2:80/tcp` and `127.0.0.1:80/tcp`.
fn host_part(binding: &str) -> &str {
    let socket = binding.split_once('/').map_or(binding, |(socket, _)| socket);
    match socket.match_indices(':').nth(1) {
        Some((second, _)) if !socket.starts_with('[') => &socket[..second],
        _ => socket,
    }
}

/// Shortens ids of 64 digits, and drops those in parentheses after a name.
fn with_short_ids(message: &str) -> Cow<'_, str> {
    let is_id = |word: &str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let words = || message.split(|c: char| !c.is_ascii_alphanumeric());
    if !words().any(is_id) {
        return Cow::Borrowed(message);
    }
    let mut text = message.to_owned();
    for id in words().filter(|word| is_id(word)) {
        text = text.replace(&format!(" ({id})"), "").replace(id, &id[..ID]);
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_shortened() {
        let oci = "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: ";
        let endpoint = format!("driver failed programming external connectivity on endpoint p2 ({}): ", "a".repeat(64));
        let table = [
            (
                format!(
                    "{oci}error during container init: error mounting \"/tmp/f\" to rootfs at \"/etc\": mount /tmp/f:/etc (via /proc/self/fd/6), flags: 0x5000: not a directory: unknown: Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type"
                ),
                "`/tmp/f` cannot be mounted at `/etc`: one of them is a directory, and the other is not",
            ),
            (
                format!(
                    "{oci}error during container init: error mounting \"/gone\" to rootfs at \"/a\": stat /gone: no such file or directory: unknown"
                ),
                "`/gone` cannot be mounted at `/a`: it does not exist on the Docker host",
            ),
            (
                "invalid mount config for type \"bind\": bind source path does not exist: /tmp/lm/a".to_owned(),
                "`/tmp/lm/a` does not exist on the Docker host",
            ),
            (
                format!("{oci}exec: \"nosuch\": executable file not found in $PATH: unknown"),
                "the image does not have the program `nosuch`",
            ),
            (
                format!("{oci}exec: \"/x\": stat /x: no such file or directory: unknown"),
                "the image does not have the program `/x`",
            ),
            (
                format!("{oci}exec: \"/etc\": permission denied: unknown"),
                "`/etc` cannot be executed: permission denied",
            ),
            (
                format!("{endpoint}Bind for 127.0.0.1:7777 failed: port is already allocated"),
                "port 127.0.0.1:7777 of the Docker host is in use by another container",
            ),
            (
                format!(
                    "{endpoint}Error starting userland proxy: listen tcp4 127.0.0.1:80: bind: address already in use"
                ),
                "port 127.0.0.1:80 of the Docker host is in use",
            ),
            (
                format!(
                    "failed to set up container networking: {endpoint}failed to bind host port for 0.0.0.0:80:172.17.0.2:80/tcp: address already in use"
                ),
                "port 0.0.0.0:80 of the Docker host is in use",
            ),
            (
                format!("{endpoint}failed to bind host port 127.0.0.1:80/tcp: address already in use"),
                "port 127.0.0.1:80 of the Docker host is in use",
            ),
            (
                format!(
                    "{endpoint}Error starting userland proxy: listen tcp4 10.9.9.9:7778: bind: cannot assign requested address"
                ),
                "the Docker host does not have the address `10.9.9.9`",
            ),
            (format!("{oci}something new: unknown"), "something new"),
            (
                format!("cannot remove container {}: driver failed ({})", "b".repeat(64), "c".repeat(64)),
                "cannot remove container bbbbbbbbbbbb: driver failed",
            ),
            ("no such image: x:latest".to_owned(), "no such image: x:latest"),
        ];
        for (message, expected) in table {
            assert_eq!(shorten(Call::Start, &message), expected);
        }
        let helper =
            "error getting credentials - err: exec: \"docker-credential-x\": executable file not found in $PATH";
        assert_eq!(shorten(Call::Pull, helper), helper, "not about a container");
    }
}
