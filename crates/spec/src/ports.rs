//! The texts of published ports: one port, or a range.
//!
//! Does not know which ports of the Docker host are free.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::diagnostic::quoted;
use super::shape::Fault;
use moat_model::resource::port::LOOPBACK;
use moat_model::resource::{HostPort, Port, PortConfig, Protocol};

/// The engine runs a process and maintains firewall rules for each published port.
const RANGE_MAX: usize = 256;

const FORMS: &str = "write `PORT`, `HOST:PORT` or `ADDRESS:HOST:PORT`, as in `8080:80`, `8000-8010:8000-8010` or \
                     `[::1]:53:53/udp`; ports range from 1 to 65535";

/// Reads `PORT`, `HOST:PORT`, `ADDRESS:HOST:PORT` or `ADDRESS::PORT`, optionally with `/tcp` or `/udp`. A range expands
/// to its ports.
pub(super) fn read(text: &str) -> Result<Vec<PortConfig>, Fault> {
    let wrong = |hint: String| Fault::new(format!("{} is not a port", quoted(text)), hint);
    let forms = || wrong(FORMS.to_owned());
    let (rest, container) = text.rsplit_once(':').map_or((None, text), |(rest, port)| (Some(rest), port));
    let (container, protocol) = match container.split_once('/') {
        None => (container, Protocol::Tcp),
        Some((container, "tcp")) => (container, Protocol::Tcp),
        Some((container, "udp")) => (container, Protocol::Udp),
        Some((_, other)) => return Err(wrong(format!("the protocol must be `tcp` or `udp`, not {}", quoted(other)))),
    };
    let container_ports = range(container).ok_or_else(forms)?;
    let (address, host) = match rest {
        None => (None, ""),
        Some("") => {
            return Err(wrong(format!("nothing precedes the colon: write `{container}`, or `8080:{container}`")));
        }
        Some(rest) => rest.rsplit_once(':').map_or((None, rest), |(address, host)| (Some(address), host)),
    };
    let address = match address {
        None => LOOPBACK,
        Some("") => {
            let rest = if host.is_empty() { container.to_owned() } else { format!("{host}:{container}") };
            return Err(wrong(format!("nothing precedes the first colon: write `{rest}`")));
        }
        Some(written) => address_of(written).map_err(|fault| wrong(fault.hint))?,
    };
    if host.is_empty() {
        let free = container_ports.map(|number| port(number, protocol, address, HostPort::Free));
        return Ok(free.collect());
    }
    if address_of(host).is_ok() {
        return Err(wrong(format!("for a free port on an address, write `{host}::{container}`")));
    }
    let host_ports = range(host).ok_or_else(forms)?;
    let (inside, outside) = (container_ports.clone().count(), host_ports.clone().count());
    if inside == 1 && outside > 1 {
        let hint = "one container port maps to one host port: write a single host port, or none for a free one";
        return Err(wrong(hint.to_owned()));
    }
    if inside != outside {
        return Err(wrong(format!("the ranges have {outside} and {inside} ports: write two of the same length")));
    }
    let pairs = container_ports.zip(host_ports);
    Ok(pairs.map(|(inside, outside)| port(inside, protocol, address, HostPort::Fixed(outside))).collect())
}

pub(super) fn port(number: u16, protocol: Protocol, address: IpAddr, host: HostPort) -> PortConfig {
    PortConfig { name: None, container: Port { number, protocol }, address, host }
}

/// `8000` or `8000-8010`.
fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last && usize::from(last - first) < RANGE_MAX).then_some(first..=last)
}

fn number(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number > 0)
}

/// One port number, as a part of a mapping.
pub(super) fn single(text: &str) -> Result<u16, Fault> {
    number(text).ok_or_else(|| {
        let hint = "write one port from 1 to 65535, without a range or protocol";
        Fault::new(format!("{} is not a port number", quoted(text)), hint)
    })
}

/// An address of the Docker host; IPv6 addresses may be in brackets.
pub(super) fn address_of(text: &str) -> Result<IpAddr, Fault> {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let parsed = match (text, inner) {
        ("localhost", _) => Some(LOOPBACK),
        (_, Some(inner)) => inner.parse().ok().filter(IpAddr::is_ipv6),
        (text, None) => text.parse().ok(),
    };
    parsed.ok_or_else(|| {
        let hint = format!("{} is not an IP address; write one such as `127.0.0.1` or `0.0.0.0`", quoted(text));
        Fault::new(format!("{} is not an address of the Docker host", quoted(text)), hint)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<String, String> {
        let show = |port: &PortConfig| format!("{} {}", port.container, port.published());
        read(text).map(|ports| ports.iter().map(show).collect::<Vec<_>>().join(", ")).map_err(|fault| fault.hint)
    }

    #[test]
    fn ports_are_on_loopback_unless_an_address_is_given() {
        let table = [
            ("3000", "3000/tcp 127.0.0.1:free"),
            ("8080:80", "80/tcp 127.0.0.1:8080"),
            ("127.0.0.1:8080:80", "80/tcp 127.0.0.1:8080"),
            ("localhost:8080:80", "80/tcp 127.0.0.1:8080"),
            ("localhost::80", "80/tcp 127.0.0.1:free"),
            ("0.0.0.0:53:53/udp", "53/udp 0.0.0.0:53"),
            ("0.0.0.0::80", "80/tcp 0.0.0.0:free"),
            ("[::1]:8080:80", "80/tcp [::1]:8080"),
            ("[::1]::80/udp", "80/udp [::1]:free"),
            ("[::]:8080:80", "80/tcp [::]:8080"),
        ];
        for (text, expected) in table {
            assert_eq!(shown(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_range_expands_to_its_ports() {
        let table = [
            ("8000-8001", "8000/tcp 127.0.0.1:free, 8001/tcp 127.0.0.1:free"),
            ("8000-8001:80-81", "80/tcp 127.0.0.1:8000, 81/tcp 127.0.0.1:8001"),
            ("0.0.0.0:8000-8001:8000-8001/udp", "8000/udp 0.0.0.0:8000, 8001/udp 0.0.0.0:8001"),
            ("[::1]:9-9:7-7", "7/tcp [::1]:9"),
        ];
        for (text, expected) in table {
            assert_eq!(shown(text).as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(read("8000-8255").map(|ports| ports.len()), Ok(RANGE_MAX));
    }

    #[test]
    fn errors_have_a_remedy() {
        let table = [
            (":8080:80", "nothing precedes the first colon: write `8080:80`"),
            ("::80", "nothing precedes the first colon: write `80`"),
            (":80", "nothing precedes the colon: write `80`, or `8080:80`"),
            ("127.0.0.1:80", "for a free port on an address, write `127.0.0.1::80`"),
            ("1.2.3:80:80", "`1.2.3` is not an IP address; write one such as `127.0.0.1` or `0.0.0.0`"),
            ("[1.2.3.4]:80:80", "`[1.2.3.4]` is not an IP address; write one such as `127.0.0.1` or `0.0.0.0`"),
            ("80/sctp", "the protocol must be `tcp` or `udp`, not `sctp`"),
            (
                "8000-8010:80",
                "one container port maps to one host port: write a single host port, or none for a free one",
            ),
            ("8000-8010:80-81", "the ranges have 11 and 2 ports: write two of the same length"),
        ];
        for (text, expected) in table {
            assert_eq!(shown(text), Err(expected.to_owned()), "{text}");
        }
        for text in [
            "",
            "0",
            "65536",
            "a",
            "80:",
            "80:0",
            "1:2:3:4",
            "+80",
            "80/tcp/tcp",
            "9-8",
            "1-",
            "-1",
            "1-2-3",
            "80:1-2",
            "8000-8256",
            "1-65536",
            "[[::1]]:1:2",
            "]::1[:1:2",
            "8080/tcp:80",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
