//! A policy: the mode and the rules of one sandbox, checked against each other, and its decisions.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::address::{self, Refusal};
use super::grant::{Grant, GrantName, GrantedHost};
use super::host_rule::HostRule;
use super::mode::Mode;
use super::name::{HOST, HostName};
use super::pattern::HostPattern;
use super::port::Port;
use super::request_rule::{InvalidRequest, RequestRule};
use super::rule::Rule;

/// The name that a gateway answers itself, over HTTP. It proves that the gateway decides.
pub const READY: &str = "ready.moat.internal";

/// The name that every policy denies. It proves that the gateway denies.
pub const DENIED: &str = "denied.moat.internal";

/// Far more than a person writes. A decision compares a name with each rule.
pub const RULES_MAX: usize = 1000;

/// What a sandbox can reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub(crate) mode: Mode,
    pub(crate) entries: Vec<Entry>,
    /// Ports of the Docker host. Sorted, without duplicates.
    pub(crate) host_ports: Vec<Port>,
    /// Sorted by name.
    pub(crate) grants: Vec<Grant>,
    named_ports: BTreeMap<Port, HostName>,
}

/// A rule and the hosts that it stands for.
///
/// A gateway gets both, so that it decides as the moat that has applied the policy, whatever its own presets are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// As it is written, for reports.
    pub rule: String,
    pub hosts: Vec<HostRule>,
    /// Rules for requests to the hosts; the first one that matches decides. Empty: all requests are allowed.
    pub requests: Vec<RequestRule>,
}

/// Why rules do not fit together. The numbers are positions in the list of rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPolicy {
    #[error("port {port} already belongs to `{other}`")]
    TwoHosts { port: Port, other: HostName, first: usize, second: usize },
    #[error("port {port} already belongs to the Docker host")]
    RuleAndHost { port: Port, rule: usize },
    #[error("port 53 is the gateway's own")]
    DnsPort,
    #[error("{0} rules; the maximum is {RULES_MAX}")]
    TooMany(usize),
    #[error("`{rule}`: {why}")]
    Requests { rule: String, why: InvalidRequest },
    #[error("the grants `{first}` and `{second}` concern the same host: {host}")]
    TwoGrants { first: GrantName, second: GrantName, host: HostRule },
}

/// The decision about a host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<'a> {
    Allowed(Permission<'a>),
    /// No rule allows it; `learn` lets it pass.
    Learned,
    Denied,
}

/// What a rule allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission<'a> {
    /// The first rule that matches.
    pub rule: &'a str,
    /// The private ranges that matching rules name.
    pub(crate) ranges: Vec<IpNet>,
    /// Whether this is the Docker host, whose address is known and private.
    pub(crate) is_host: bool,
}

impl From<&Rule> for Entry {
    fn from(rule: &Rule) -> Self {
        Self { rule: rule.to_string(), hosts: rule.hosts(), requests: rule.requests().to_vec() }
    }
}

impl Policy {
    /// Checks the rules against each other.
    ///
    /// # Errors
    /// If one port without names leads to two hosts.
    pub fn new(mode: Mode, entries: Vec<Entry>, mut host_ports: Vec<Port>) -> Result<Self, InvalidPolicy> {
        let size = |entry: &Entry| entry.hosts.len().max(entry.requests.len());
        let count = entries.iter().map(size).sum::<usize>().max(entries.len());
        if count > RULES_MAX {
            return Err(InvalidPolicy::TooMany(count));
        }
        let is_blind = |entry: &&Entry| {
            !entry.requests.is_empty() && entry.hosts.iter().any(|host| !host.ports().all(Port::names_its_host))
        };
        if let Some(entry) = entries.iter().find(is_blind) {
            return Err(InvalidPolicy::Requests { rule: entry.rule.clone(), why: InvalidRequest::Port });
        }
        host_ports.sort_unstable();
        host_ports.dedup();
        let named_ports = assign_ports(&entries, &host_ports)?;
        Ok(Self { mode, entries, host_ports, grants: Vec::new(), named_ports })
    }

    /// The policy of a gateway without readable rules.
    pub fn deny_all() -> Self {
        Self {
            mode: Mode::Strict,
            entries: Vec::new(),
            host_ports: Vec::new(),
            grants: Vec::new(),
            named_ports: BTreeMap::new(),
        }
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The ports of the Docker host, sorted.
    pub fn host_ports(&self) -> &[Port] {
        &self.host_ports
    }

    /// The ports that belong to one host each, other than those of HTTP and TLS.
    pub fn named_ports(&self) -> &BTreeMap<Port, HostName> {
        &self.named_ports
    }

    /// Whether a whole host can be reached on a port, and why. A host with rules for requests never is: see
    /// [`Policy::decide_request`].
    pub fn decide(&self, name: &HostName, port: Port) -> Verdict<'_> {
        if name.is_reserved() {
            return Verdict::Denied;
        }
        if name.as_str() == HOST {
            let permission = Permission { rule: "network.host", ranges: Vec::new(), is_host: true };
            return if self.host_ports.contains(&port) { Verdict::Allowed(permission) } else { Verdict::Denied };
        }
        if self.is_limited(name, port) {
            return Verdict::Denied;
        }
        let mut permission: Option<Permission> = None;
        for entry in self.entries.iter().filter(|entry| entry.requests.is_empty()) {
            for host in &entry.hosts {
                if host.hosts.matches(name) && host.ports().any(|it| it == port) {
                    let found = || Permission { rule: &entry.rule, ranges: Vec::new(), is_host: false };
                    permission.get_or_insert_with(found).ranges.extend(host.within);
                }
            }
        }
        match permission {
            Some(permission) => Verdict::Allowed(permission),
            None if self.mode == Mode::Learn && port.names_its_host() => Verdict::Learned,
            None => Verdict::Denied,
        }
    }

    /// Whether a host can be reached on any port, be it for some requests only.
    pub fn knows(&self, name: &HostName) -> bool {
        let is_named = |rule: &HostRule| rule.hosts.matches(name);
        if name.is_reserved() || name.as_str() == HOST {
            return name.as_str() == HOST && !self.host_ports.is_empty();
        }
        let is_granted = |host: &GrantedHost| host.host.hosts.matches(name);
        if self.grants.iter().flat_map(|grant| &grant.hosts).any(is_granted) {
            return true;
        }
        self.mode == Mode::Learn || self.entries.iter().flat_map(|entry| &entry.hosts).any(is_named)
    }

    /// The whole hosts that the policy allows, one line for each host pattern and set of ports.
    pub(crate) fn targets(&self) -> impl Iterator<Item = (&str, HostRule)> {
        let learned = HostRule { hosts: HostPattern::any(), port: None, within: None };
        let learned = (self.mode == Mode::Learn).then_some(("learn", learned));
        let named = |entry: &'_ Entry| entry.hosts.clone();
        self.entries
            .iter()
            .filter(|entry| entry.requests.is_empty())
            .flat_map(move |entry| named(entry).into_iter().map(|it| (entry.rule.as_str(), it)))
            .chain(learned)
    }
}

impl Verdict<'_> {
    /// Whether the connection may lead to an address.
    ///
    /// # Errors
    /// If the address is refused, and no rule names it.
    pub fn check_address(&self, address: IpAddr) -> Result<(), Refusal> {
        let Some(refusal) = address::refusal(address) else { return Ok(()) };
        match self {
            Self::Allowed(permission) if refusal.can_be_allowed() && permission.names(address) => Ok(()),
            _ => Err(refusal),
        }
    }
}

impl Permission<'_> {
    fn names(&self, address: IpAddr) -> bool {
        self.is_host || self.ranges.iter().any(|range| range.contains(&address))
    }
}

/// Gives each port without names to its host.
fn assign_ports(entries: &[Entry], host_ports: &[Port]) -> Result<BTreeMap<Port, HostName>, InvalidPolicy> {
    let mut owners: BTreeMap<Port, (HostName, usize)> = BTreeMap::new();
    let rules = entries.iter().enumerate().flat_map(|(index, entry)| entry.hosts.iter().map(move |host| (index, host)));
    for (second, rule) in rules {
        let Some(port) = rule.port.filter(|port| !port.names_its_host()) else { continue };
        // The parser of rules rejects a pattern for such a port.
        let Some(name) = rule.hosts.single_name() else { continue };
        match owners.get(&port) {
            Some((other, first)) if *other != name => {
                return Err(InvalidPolicy::TwoHosts { port, other: other.clone(), first: *first, second });
            }
            _ => owners.entry(port).or_insert((name, second)),
        };
    }
    for port in host_ports.iter().copied() {
        if port == Port::DNS {
            return Err(InvalidPolicy::DnsPort);
        }
        if let Some((_, rule)) = owners.get(&port) {
            return Err(InvalidPolicy::RuleAndHost { port, rule: *rule });
        }
        if !port.names_its_host()
            && let Ok(host) = HOST.parse()
        {
            owners.insert(port, (host, usize::MAX));
        }
    }
    Ok(owners.into_iter().map(|(port, (name, _))| (port, name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> HostName {
        text.parse().unwrap()
    }

    fn port(number: u16) -> Port {
        Port::new(number).unwrap()
    }

    fn policy(mode: Mode, rules: &[&str], host_ports: &[u16]) -> Result<Policy, InvalidPolicy> {
        let entries = rules.iter().map(|rule| Entry::from(&rule.parse::<Rule>().unwrap())).collect();
        Policy::new(mode, entries, host_ports.iter().copied().map(port).collect())
    }

    fn rule_for<'a>(policy: &'a Policy, host: &str, number: u16) -> Option<&'a str> {
        match policy.decide(&name(host), port(number)) {
            Verdict::Allowed(grant) => Some(grant.rule),
            Verdict::Learned => Some("learned"),
            Verdict::Denied => None,
        }
    }

    #[test]
    fn a_rule_allows_its_hosts_on_its_ports_and_nothing_else() {
        let policy =
            policy(Mode::Strict, &["@npm", "one.example", "*.two.example:443", "git.example:22"], &[8080, 80]).unwrap();
        let table = [
            ("one.example", 80, Some("one.example")),
            ("one.example", 443, Some("one.example")),
            ("one.example", 22, None),
            ("a.one.example", 443, None),
            ("a.two.example", 443, Some("*.two.example:443")),
            ("a.two.example", 80, None),
            ("git.example", 22, Some("git.example:22")),
            ("git.example", 443, None),
            ("npmjs.org", 443, Some("@npm")),
            ("deep.below.npmjs.org", 443, Some("@npm")),
            ("host.docker.internal", 8080, Some("network.host")),
            ("host.docker.internal", 80, Some("network.host")),
            ("host.docker.internal", 443, None),
            ("evil.example", 443, None),
        ];
        for (host, number, expected) in table {
            assert_eq!(rule_for(&policy, host, number), expected, "{host}:{number}");
        }
        assert!(policy.knows(&name("git.example")) && !policy.knows(&name("evil.example")));
        let ports: Vec<String> = policy.named_ports().iter().map(|(port, name)| format!("{name}:{port}")).collect();
        assert_eq!(ports, ["git.example:22", "host.docker.internal:8080"]);
    }

    #[test]
    fn learn_allows_http_and_tls_only() {
        let policy = policy(Mode::Learn, &["one.example", "git.example:22"], &[]).unwrap();
        assert_eq!(rule_for(&policy, "one.example", 443), Some("one.example"));
        assert_eq!(rule_for(&policy, "other.example", 443), Some("learned"));
        assert_eq!(rule_for(&policy, "other.example", 80), Some("learned"));
        assert_eq!(rule_for(&policy, "other.example", 22), None);
        // The Docker host is not part of the internet.
        assert_eq!(rule_for(&policy, HOST, 443), None);
        assert!(!policy.knows(&name(HOST)));
    }

    #[test]
    fn a_wide_rule_does_not_include_the_docker_host() {
        let policy = policy(Mode::Strict, &["**", "**.docker.internal in 0.0.0.0/0"], &[]).unwrap();
        assert_eq!(rule_for(&policy, HOST, 443), None);
        assert_eq!(rule_for(&policy, "any.example", 443), Some("**"));
    }

    #[test]
    fn reserved_names_are_denied_whatever_the_rules_are() {
        let policy = policy(Mode::Learn, &["**", "denied.moat.internal"], &[]).unwrap();
        for host in ["denied.moat.internal", READY, "moat.internal"] {
            assert_eq!(rule_for(&policy, host, 80), None, "{host}");
            assert!(!policy.knows(&name(host)));
        }
        assert_eq!(rule_for(&policy, "notmoat.internal", 80), Some("**"));
    }

    #[test]
    fn a_private_address_needs_a_rule_that_names_it() {
        let rules =
            ["**.example", "db.example in 10.1.0.0/16", "db.example in 169.254.169.254", "x.example in 0.0.0.0/0"];
        let policy = policy(Mode::Learn, &rules, &[80]).unwrap();
        let check = |host: &str, address: &str| {
            policy.decide(&name(host), Port::HTTP).check_address(address.parse().unwrap()).is_ok()
        };
        assert!(check("db.example", "10.1.2.3") && check("db.example", "169.254.169.254"));
        assert!(!check("db.example", "10.2.0.1") && !check("other.example", "10.1.2.3"));
        assert!(!check("learned.test", "10.1.2.3") && check("learned.test", "203.0.113.1"));
        assert!(check("x.example", "192.168.1.1"));
        assert!(!check("x.example", "127.0.0.1"), "loopback is the gateway itself");
        assert!(check(HOST, "172.17.0.1"));
        assert!(Verdict::Denied.check_address("10.1.2.3".parse().unwrap()).is_err());
    }

    #[test]
    fn a_port_without_names_has_one_host() {
        let error = policy(Mode::Strict, &["x.example", "one.example:22", "two.example:22"], &[]).unwrap_err();
        assert_eq!(error, InvalidPolicy::TwoHosts { port: port(22), other: name("one.example"), first: 1, second: 2 });
        assert!(policy(Mode::Strict, &["one.example:22", "one.example:22 in 10.0.0.0/8"], &[]).is_ok());
        assert!(policy(Mode::Strict, &["one.example:443", "two.example:443"], &[]).is_ok());
        let error = policy(Mode::Strict, &["one.example:8080"], &[8080]).unwrap_err();
        assert_eq!(error, InvalidPolicy::RuleAndHost { port: port(8080), rule: 0 });
        assert_eq!(policy(Mode::Strict, &[], &[53]).unwrap_err(), InvalidPolicy::DnsPort);
        let many = vec!["x.example"; RULES_MAX + 1];
        assert_eq!(policy(Mode::Strict, &many, &[]).unwrap_err(), InvalidPolicy::TooMany(RULES_MAX + 1));
    }
}
