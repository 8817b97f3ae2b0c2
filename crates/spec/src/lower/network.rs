//! Lowers the settings of the network, and checks that its policy fits the rest of the spec.

use std::collections::BTreeMap;

use moat_model::resource::ImageRef;
use moat_policy::{Entry, InvalidPolicy, Mode, Policy, Port, Rule};

use super::Lowering;
use crate::diagnostic::quoted;
use crate::egress;
use crate::one_of::OneOf;
use crate::raw::{Network, NetworkPolicy};
use crate::settings::NetworkSettings;
use crate::shape::Fault;
use crate::short_forms;

/// The name of the container that enforces a policy.
const GATEWAY: &str = "gateway";

/// The path of the policy.
const POLICY: &str = "network.policy";

/// The keys that mean nothing without a policy.
const OF_A_POLICY: [&str; 4] = ["network.rules", "network.host", "network.roots", "network.gateway_image"];

impl Lowering<'_> {
    /// The network settings. `published`: the paths of the keys that publish ports; `has_grants`: whether the spec has
    /// grants, which need a gateway.
    pub fn network(&mut self, network: Network, published: &[String], has_grants: bool) -> NetworkSettings {
        let Network { subnet, internal, policy, rules, host, roots, gateway_image, build, extra_hosts } = network;
        for at in published.iter().filter(|_| internal) {
            let hint = "remove the ports or `network.internal`; `moat exec` works without a port";
            self.fault(at, Fault::new("ports cannot be published from an internal network", hint));
        }
        let subnet = subnet.and_then(|text| self.read("network.subnet", short_forms::subnet(&text)));
        let gateway_image = gateway_image.and_then(|text| ImageRef::parse(&text).ok());
        let mode = match policy {
            NetworkPolicy::Open => self.comes_with_grants(has_grants && !internal).then_some(Mode::Learn),
            NetworkPolicy::Learn => Some(Mode::Learn),
            NetworkPolicy::Strict => Some(Mode::Strict),
        };
        let egress = match mode {
            None => self.without_policy(),
            Some(mode) => {
                self.fits_a_policy(mode, internal);
                self.policy(mode, rules, &host)
            }
        };
        NetworkSettings { subnet, internal, egress, roots, gateway_image, build, extra_hosts }
    }

    /// Whether grants bring a policy: the spec names none, and nothing that asks for another one.
    fn comes_with_grants(&self, has_grants: bool) -> bool {
        has_grants && !self.places.has(POLICY) && !self.places.has(egress::RULES)
    }

    /// Where the policy comes from, for a message about something else.
    fn policy_at(&self) -> String {
        if self.places.has(POLICY) {
            format!("the policy is {}", self.line_of(POLICY))
        } else {
            format!("the policy comes with the grants {}", self.line_of("grants"))
        }
    }

    /// Rejects rules that nothing would enforce.
    fn without_policy(&mut self) -> Option<Policy> {
        for at in OF_A_POLICY.into_iter().filter(|at| self.places.has(at)) {
            let message = format!("{} has no effect without a network policy", quoted(at));
            let hint = if self.places.has(POLICY) {
                format!("write `strict` for the policy {}, or remove the key", self.line_of(POLICY))
            } else {
                "add `policy: strict` under `network`".to_owned()
            };
            self.fault_at_key(at, Fault::new(message, hint));
        }
        None
    }

    /// Rejects what cannot be combined with a policy.
    fn fits_a_policy(&mut self, mode: Mode, internal: bool) {
        if internal {
            let message = format!("`network.internal` cannot be used with `policy: {mode}`");
            let at = self.policy_at();
            let hint = format!("{at}; keep one of them: `policy: strict` without rules reaches nothing");
            self.fault("network.internal", Fault::new(message, hint));
        }
        for at in std::mem::take(&mut self.udp_ports) {
            let message = format!("UDP ports cannot be published with `policy: {mode}`");
            let hint = format!("{}; its gateway forwards only TCP", self.policy_at());
            self.fault(&at, Fault::new(message, hint));
        }
        let service = format!("services.{GATEWAY}");
        if self.places.has(&service) {
            let message = format!("`{GATEWAY}` is reserved with `policy: {mode}`");
            let hint = format!("{}; choose another name for the service", self.policy_at());
            self.fault_at_key(&service, Fault::new(message, hint));
        }
    }

    fn policy(
        &mut self,
        mode: Mode,
        rules: Vec<OneOf<BTreeMap<String, Vec<String>>>>,
        host: &[String],
    ) -> Option<Policy> {
        let faults = self.faults.len();
        let rules = rules.into_iter().enumerate();
        let rules: Vec<Rule> = rules.filter_map(|(i, it)| self.rule(&format!("{}.{i}", egress::RULES), it)).collect();
        let ports: Vec<Port> = self.list("network.host", host, egress::host_port);
        // Positions in the lists are those in the file only if every text could be read.
        if self.faults.len() > faults {
            return None;
        }
        let position = |port: Port| ports.iter().position(|it| *it == port).unwrap_or_default();
        match Policy::new(mode, rules.iter().map(Entry::from).collect(), ports.clone()) {
            Ok(policy) => return Some(policy),
            Err(error @ InvalidPolicy::TwoHosts { first, second, .. }) => {
                let hint = "outside HTTP and TLS, connections name no host: choose one of them";
                self.conflict(&error, &format!("network.rules.{second}"), &format!("network.rules.{first}"), hint);
            }
            Err(error @ InvalidPolicy::RuleAndHost { port, rule }) => {
                let hint = "a port belongs to one host only: choose one of them";
                let (rule, host) = (format!("network.rules.{rule}"), format!("network.host.{}", position(port)));
                self.conflict(&error, &rule, &host, hint);
            }
            Err(
                error @ (InvalidPolicy::DnsPort
                | InvalidPolicy::TooMany(_)
                | InvalidPolicy::Requests { .. }
                | InvalidPolicy::TwoGrants { .. }),
            ) => {
                let hint = "a pattern such as `**.example.com` allows a whole domain";
                self.fault_at_key(egress::RULES, Fault::new(error.to_string(), hint));
            }
        }
        None
    }

    fn rule(&mut self, at: &str, written: OneOf<BTreeMap<String, Vec<String>>>) -> Option<Rule> {
        let parts = match written {
            OneOf::Text(text) => return self.read(at, egress::rule(&text)),
            OneOf::Parts(parts) => parts,
        };
        let mut parts = parts.iter();
        let (Some((host, requests)), None) = (parts.next(), parts.next()) else {
            let hint = "write each host as an item of its own, starting with `- `";
            self.fault(at, Fault::new("a rule must be one host with its requests", hint));
            return None;
        };
        self.read(&format!("{at}.{host}"), egress::limited(host, requests))
    }

    /// Reports a value that conflicts with another one.
    fn conflict(&mut self, error: &InvalidPolicy, at: &str, other: &str, hint: &str) {
        let hint = format!("it is {}; {hint}", self.line_of(other));
        self.fault(at, Fault::new(error.to_string(), hint));
    }
}
