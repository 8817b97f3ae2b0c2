//! The lines of the network and of grants: what a sandbox reaches, and with which credentials.

use moat_policy::grant::GrantRow;
use moat_policy::{Entry, HostRule, Policy};

use super::lines::{Lines, json};
use crate::NetworkSettings;
use crate::grants::SpecGrant;
use moat_model::resource::digest::sha256;

/// The keys of an open network and of a policy, and the prefixes of the keys of its rules and ports.
pub(super) const OUTSIDE: &str = "network.outside";
pub(super) const POLICY: &str = "network.policy";
pub(super) const ALLOWED: &str = "network.rule ";
pub(super) const HOST_PORT: &str = "network.host ";

/// The prefixes of the keys of grants, and of their sources.
pub(super) const GRANT: &str = "grant ";
const GRANT_SOURCE: &str = "grant.source ";

impl Lines {
    pub(super) fn grant(&mut self, it: &SpecGrant) {
        let SpecGrant { grant, source, place: _, variables, needs: _ } = it;
        self.put(format!("{GRANT}{}", grant.name), json(&GrantRow::from(grant)));
        self.source(format!("{GRANT_SOURCE}{}", grant.name), source);
        for name in variables {
            self.put(format!("env {name}"), &grant.placeholder);
        }
    }

    pub(super) fn network(&mut self, network: &NetworkSettings, grants: &[SpecGrant]) {
        let NetworkSettings { subnet, internal, egress, roots, gateway_image, build, extra_hosts } = network;
        // Unset, it is as restricted as the network.
        self.optional("network.build", build.map(|build| json(&build)));
        self.flag(OUTSIDE, !internal && egress.is_none());
        if let Some(policy) = egress {
            self.policy(policy);
        }
        self.optional("network.roots", roots.as_ref().map(|roots| format!("sha256:{}", sha256(roots))));
        self.optional("network.gateway_image", gateway_image.as_ref());
        for it in grants {
            self.grant(it);
        }
        self.optional("network.subnet", subnet.as_ref());
        for (name, address) in extra_hosts {
            self.put(format!("host {name}"), address);
        }
    }

    /// The hosts of a preset are part of the text: another version of moat may have other ones.
    fn policy(&mut self, policy: &Policy) {
        self.put(POLICY, policy.mode());
        // The text of a rule has its rules for requests.
        for Entry { rule, hosts, requests: _ } in policy.entries() {
            self.put(format!("{ALLOWED}{rule}"), listed(hosts));
        }
        for port in policy.host_ports() {
            self.put(format!("{HOST_PORT}{port}"), "yes");
        }
    }
}

pub(super) fn listed(hosts: &[HostRule]) -> String {
    hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
