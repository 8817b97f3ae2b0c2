//! The engine's address, and the setting that it came from.
//!
//! [`resolve`](super::resolve) finds the address, [`dial`](super::dial) opens it.

use std::fmt;
use std::path::PathBuf;

/// An engine's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    Unix(PathBuf),
    Tcp { host: String, port: u16, tls: Option<TlsFiles> },
    Ssh(SshTarget),
}

/// The files that authenticate both ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate authority of the engine; `None`: the system's authorities.
    pub ca: Option<PathBuf>,
    /// The client certificate; `None`: the engine requires none.
    pub identity: Option<TlsIdentity>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsIdentity {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// A host on which `docker system dial-stdio` connects to the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshTarget {
    pub user: Option<String>,
    pub host: String,
    pub port: Option<u16>,
    /// The engine's socket on that host; `None`: the default of `docker` there.
    pub socket: Option<String>,
}

/// The setting that named the endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `--host`.
    Flag,
    /// An environment variable, by name.
    Variable(&'static str),
    /// A docker context, by name.
    Context(String),
    /// No setting.
    Default,
}

/// An endpoint and its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    pub endpoint: Endpoint,
    pub origin: Origin,
}

/// The port of an engine without TLS, as registered with IANA.
const PLAIN_PORT: u16 = 2375;
/// The port of an engine with TLS, as registered with IANA.
const TLS_PORT: u16 = 2376;

impl Endpoint {
    /// Parses an address in docker's notation. `tls` applies to `tcp://` only.
    ///
    /// # Errors
    /// The reason, as a message for the user.
    pub fn parse(address: &str, tls: Option<TlsFiles>) -> Result<Self, String> {
        let (scheme, rest) = match address.split_once("://") {
            Some(parts) => parts,
            None if address.starts_with('/') => return Err(format!("write a socket as `unix://{address}`")),
            // docker reads a bare `host:port` as TCP.
            None => ("tcp", address),
        };
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Self::Unix(rest.into())),
            "unix" => Err("a socket needs an absolute path, such as `unix:///var/run/docker.sock`".to_owned()),
            "tcp" => {
                let default = if tls.is_some() { TLS_PORT } else { PLAIN_PORT };
                let (host, port) = host_and_port(rest.trim_end_matches('/'))?;
                Ok(Self::Tcp { host, port: port.unwrap_or(default), tls })
            }
            "ssh" => SshTarget::parse(rest).map(Self::Ssh),
            "npipe" => Err("named pipes are supported on Windows only".to_owned()),
            other => Err(format!("unknown scheme `{other}`; use unix, tcp or ssh")),
        }
    }

    /// How many calls may be in flight.
    ///
    /// A local engine takes any number. Over the network each call needs a connection, and over ssh a login: sshd refuses
    /// more than ten unauthenticated ones by default.
    pub const fn calls_in_flight(&self) -> usize {
        match self {
            Self::Unix(_) => 32,
            Self::Tcp { .. } => 8,
            Self::Ssh(_) => 4,
        }
    }
}

impl SshTarget {
    fn parse(rest: &str) -> Result<Self, String> {
        let (authority, socket) = match rest.split_once('/') {
            Some((authority, "")) => (authority, None),
            Some((authority, path)) => (authority, Some(format!("/{path}"))),
            None => (rest, None),
        };
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        if user.is_some_and(|user| user.contains(':')) {
            return Err("passwords in addresses are not supported; use an ssh key".to_owned());
        }
        let (host, port) = host_and_port(host)?;
        // A name with a leading dash would be an option of ssh.
        if user.is_some_and(|user| user.is_empty() || user.starts_with('-')) || host.starts_with('-') {
            return Err(format!("`{authority}` is not a valid `user@host`"));
        }
        Ok(Self { user: user.map(str::to_owned), host, port, socket })
    }
}

/// Splits `host`, `host:port`, `[v6]` or `[v6]:port`.
fn host_and_port(text: &str) -> Result<(String, Option<u16>), String> {
    let wrong = || format!("`{text}` is not a valid `host:port`");
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or_else(wrong)?;
        (host, if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or_else(wrong)?) })
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
    if host.is_empty() || !host.chars().all(plain) {
        return Err(wrong());
    }
    let port = port.map(|port| port.parse().map_err(|_| wrong())).transpose()?;
    Ok((host.to_owned(), port))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port, .. } if host.contains(':') => write!(f, "tcp://[{host}]:{port}"),
            Self::Tcp { host, port, .. } => write!(f, "tcp://{host}:{port}"),
            Self::Ssh(target) => {
                f.write_str("ssh://")?;
                if let Some(user) = &target.user {
                    write!(f, "{user}@")?;
                }
                f.write_str(&target.host)?;
                if let Some(port) = target.port {
                    write!(f, ":{port}")?;
                }
                f.write_str(target.socket.as_deref().unwrap_or_default())
            }
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("from --host"),
            Self::Variable(name) => write!(f, "from {name}"),
            Self::Context(name) => write!(f, "from the docker context `{name}`"),
            Self::Default => f.write_str("the default"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_tls() -> TlsFiles {
        TlsFiles { ca: None, identity: None }
    }

    #[test]
    fn addresses_are_parsed_and_printed_in_full() {
        let table = [
            ("unix:///var/run/docker.sock", "unix:///var/run/docker.sock"),
            ("tcp://box", "tcp://box:2375"),
            ("tcp://box:1/", "tcp://box:1"),
            ("box:2375", "tcp://box:2375"),
            ("tcp://[::1]:2375", "tcp://[::1]:2375"),
            ("tcp://[::1]", "tcp://[::1]:2375"),
            ("ssh://box", "ssh://box"),
            ("ssh://box/", "ssh://box"),
            ("ssh://me@box:22/run/d.sock", "ssh://me@box:22/run/d.sock"),
        ];
        for (address, printed) in table {
            assert_eq!(Endpoint::parse(address, None).map(|e| e.to_string()).as_deref(), Ok(printed));
        }
        let tls = Endpoint::parse("tcp://box", Some(no_tls())).expect("an address");
        assert_eq!(tls.to_string(), "tcp://box:2376");
    }

    #[test]
    fn an_invalid_address_is_rejected_with_a_reason() {
        let table = [
            ("/var/run/docker.sock", "write a socket as `unix:///var/run/docker.sock`"),
            ("unix://docker.sock", "absolute path"),
            ("unix://", "absolute path"),
            ("tcp://", "not a valid"),
            ("tcp://box:http", "not a valid `host:port`"),
            ("tcp://a b", "not a valid"),
            ("tcp://[::1", "not a valid"),
            ("npipe:////./pipe/docker_engine", "Windows"),
            ("https://box", "unknown scheme `https`"),
            ("ssh://me:pw@box", "password"),
            ("ssh://-oProxyCommand=x", "not a valid"),
            ("ssh://-l@box", "not a valid `user@host`"),
        ];
        for (address, reason) in table {
            let refusal = Endpoint::parse(address, None).expect_err(address);
            assert!(refusal.contains(reason), "{address}: {refusal}");
        }
    }
}
