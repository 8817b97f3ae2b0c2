//! The test of what a container reaches: a script, run by exec, that uses the tools of its image.
//!
//! The answer comes from the sandbox: it shows whether the network is as it should be, to a user who trusts the image.
//! Whatever is not understood counts as not tried, and never as unreachable.

use std::net::SocketAddrV4;

/// What to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// A page of a host by its name, on port 80.
    Page(String),
    /// A connection.
    Connect(SocketAddrV4),
}

/// The result of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempted {
    /// The status and the rest of an answer over HTTP.
    Answered(u16, String),
    /// Something answered: a connection was accepted or refused.
    Reached,
    /// Nothing answered; the reason of the container's system.
    Unreachable(String),
    /// The name has no address.
    Unresolved(String),
    /// It is not known, for this reason.
    Untried(String),
}

const SCRIPT: &str = include_str!("reach.sh");

/// The longest kept text. It is from the sandbox.
const TEXT_MAX: usize = 400;

/// The parts of messages that mean that nothing answered.
const UNREACHABLE: [&str; 5] = ["unreachable", "timed out", "timeout", "no route to host", "operation not permitted"];

/// The parts of messages that mean that a name has no address.
const UNRESOLVED: [&str; 6] = [
    "bad address",
    "bad hostname",
    "could not resolve",
    "unable to resolve",
    "name or service not known",
    "temporary failure in name resolution",
];

/// The command for some attempts.
pub fn command(attempts: &[Attempt]) -> Vec<String> {
    let words = ["sh", "-c", SCRIPT, "moat"].map(str::to_owned);
    let argument = |attempt: &Attempt| match attempt {
        Attempt::Page(host) => format!("page={host}"),
        Attempt::Connect(address) => format!("connect={address}"),
    };
    words.into_iter().chain(attempts.iter().map(argument)).collect()
}

/// The script itself.
pub fn script() -> &'static str {
    SCRIPT
}

/// The arguments of the script, if a command is one of [`command`].
pub fn arguments(command: &[String]) -> Option<&[String]> {
    match command {
        [_, _, script, _, rest @ ..] if script == SCRIPT => Some(rest),
        _ => None,
    }
}

/// Reads the output of the script, one result for each attempt.
pub fn read(attempts: &[Attempt], output: &str) -> Vec<Attempted> {
    let line = |number: usize| {
        let mut lines = output.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(first, _)| first.parse() == Ok(number)).map(|(_, text)| printable(text))
    };
    let result = |(index, attempt): (usize, &Attempt)| match line(index + 1) {
        Some(text) => understand(attempt, text),
        None => Attempted::Untried("the container gave no answer".to_owned()),
    };
    attempts.iter().enumerate().map(result).collect()
}

fn understand(attempt: &Attempt, text: String) -> Attempted {
    let lower = text.to_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    match attempt {
        Attempt::Page(_) => match status(&text) {
            Some(status) => Attempted::Answered(status, text),
            None if has(&UNRESOLVED) => Attempted::Unresolved(text),
            None if has(&UNREACHABLE) => Attempted::Unreachable(text),
            None if has(&["refused"]) => Attempted::Reached,
            None => Attempted::Untried(text),
        },
        Attempt::Connect(_) if text == "connected" || has(&["connection refused"]) => Attempted::Reached,
        Attempt::Connect(_) if has(&UNREACHABLE) => Attempted::Unreachable(text),
        Attempt::Connect(_) => Attempted::Untried(text),
    }
}

/// The status of the first answer.
fn status(text: &str) -> Option<u16> {
    let mut words = text.split(' ').skip_while(|word| !word.starts_with("HTTP/"));
    words.next()?;
    words.next()?.parse().ok()
}

fn printable(text: &str) -> String {
    text.chars().filter(|it| !it.is_control()).take(TEXT_MAX).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_understood_answers_count() {
        let page = Attempt::Page("ready.example".to_owned());
        let address = Attempt::Connect("1.1.1.1:443".parse().unwrap());
        let table = [
            (&page, "Connecting to x HTTP/1.1 200 OK Date: x abc", "answered 200"),
            (&page, "HTTP/1.1 403 Forbidden wget: server returned error: HTTP/1.1 403", "answered 403"),
            (&page, "wget: bad address 'ready.example'", "unresolved"),
            (&page, "curl: (6) Could not resolve host: ready.example", "unresolved"),
            (&page, "wget: can't connect to remote host (10.0.0.2): Connection refused", "reached"),
            (&page, "wget: download timed out", "unreachable"),
            (&page, "wget: unrecognized option: S", "untried"),
            (&page, "", "untried"),
            (&address, "connected", "reached"),
            (&address, "nc: can't connect to remote host (1.1.1.1): Connection refused", "reached"),
            (&address, "nc: can't connect to remote host (1.1.1.1): Network is unreachable", "unreachable"),
            (&address, "IO::Socket::INET: connect: No route to host", "unreachable"),
            (&address, "nc: unknown option -- w", "untried"),
            (&address, "no tool: none of perl, python3, bash and nc", "untried"),
        ];
        for (attempt, text, expected) in table {
            let found = match &read(std::slice::from_ref(attempt), &format!("7 x\n1 {text}\n"))[..] {
                [Attempted::Answered(status, _)] => format!("answered {status}"),
                [Attempted::Reached] => "reached".to_owned(),
                [Attempted::Unreachable(_)] => "unreachable".to_owned(),
                [Attempted::Unresolved(_)] => "unresolved".to_owned(),
                [Attempted::Untried(_)] => "untried".to_owned(),
                other => format!("{other:?}"),
            };
            assert_eq!(found, expected, "{text}");
        }
        assert!(matches!(&read(&[page], "2 HTTP/1.1 200 OK\n")[..], [Attempted::Untried(_)]));
    }
}
