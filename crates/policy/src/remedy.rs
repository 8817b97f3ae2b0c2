//! The rule that would allow a denied host.

use super::host_rule::HostRule;
use super::name::HostName;
use super::pattern::HostPattern;
use super::policy::Policy;
use super::port::Port;
use super::preset;
use super::rule::Rule;

impl Rule {
    /// The rule that would allow a host on a port: a preset with the host, otherwise the host itself.
    pub fn for_host(name: &HostName, port: Port) -> Self {
        let has_host = |preset: &preset::Preset| {
            let is_it = |rule: &HostRule| rule.hosts.matches(name) && rule.ports().any(|it| it == port);
            preset.hosts.iter().any(is_it)
        };
        if let Some(preset) = preset::names().filter_map(preset::find).find(has_host) {
            return Self::Preset(preset.name);
        }
        let port = Some(port).filter(|port| !port.names_its_host());
        Self::Host(HostRule { hosts: HostPattern::exactly(name), port, within: None })
    }
}

impl Policy {
    /// Whether a rule fits: its port may belong to another host.
    pub fn has_room_for(&self, name: &HostName, port: Port) -> bool {
        self.named_ports().get(&port).is_none_or(|owner| owner == name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::{Entry, Mode};
    use super::*;

    #[test]
    fn the_rule_allows_the_host_and_is_a_preset_where_one_fits() {
        let table = [
            ("a.npmjs.org", 443, "@npm"),
            ("npmjs.org", 80, "@npm"),
            ("npmjs.org", 22, "npmjs.org:22"),
            ("db.example", 5432, "db.example:5432"),
            ("x.example", 80, "x.example"),
        ];
        for (host, port, expected) in table {
            let (name, port) = (host.parse().unwrap(), Port::new(port).unwrap());
            let rule = Rule::for_host(&name, port);
            assert_eq!(rule.to_string(), expected);
            let policy = Policy::new(Mode::Strict, vec![Entry::from(&rule)], Vec::new()).unwrap();
            assert!(matches!(policy.decide(&name, port), Verdict::Allowed(_)), "{expected}");
        }
    }
}
