//! What main needs for the hosts whose requests the gateway reads: the address of its proxy, the certificates, and the
//! placeholders of grants. Grants are resources of their own.
//!
//! Only for a policy with grants or rules for requests: without them, a sandbox needs no configuration.

use std::collections::BTreeMap;

use super::Parts;
use super::vault::Sealer;
use crate::Spec;
use moat_model::graph::{Edge, Gate, Milestone};
use moat_model::resource::{
    Config, ContainerConfig, GrantConfig, Mount, ResourceId, Retention, Role, VolumeConfig, gateway,
};
use moat_policy::grant::GrantRow;
use moat_policy::{HOST, Policy};

/// Where main has the certificates.
const FOLDER: &str = "/etc/moat";

/// Variables with the proxy. Some programs read only one case.
const PROXY: [&str; 4] = ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"];
const NO_PROXY: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// Variables whose file takes the place of all certificates that a program knows. In this order: OpenSSL, Go and others;
/// Python; curl; git; Cargo.
const BUNDLE: [&str; 5] =
    ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "CARGO_HTTP_CAINFO"];

/// The variable whose file Node.js adds to its own certificates.
const ADDED: &str = "NODE_EXTRA_CA_CERTS";

/// Lets newer versions of Node.js use the proxy for all that they request.
const NODE_PROXY: &str = "NODE_USE_ENV_PROXY";

/// Not through the proxy: the sandbox itself, and addresses, which lead nowhere else.
const LOCAL: [&str; 7] =
    ["localhost", "127.0.0.0/8", "::1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"];

/// The volume of the certificates, which the gateway writes at each start.
pub(super) fn trust(parts: &mut Parts) -> ResourceId {
    let id = ResourceId::volume(".gateway-ca");
    parts.add(id.clone(), Role::Support, Config::Volume(VolumeConfig { retention: Retention::Scratch }));
    id
}

/// Prepares main, and adds the grants.
pub(super) fn add(parts: &mut Parts, spec: &Spec, sealer: Sealer<'_>, policy: &Policy, trust: ResourceId) {
    let variables = variables(parts, spec);
    let main = ResourceId::main();
    let mut configs = parts.nodes.iter_mut().filter(|node| node.id == main).map(|node| &mut node.config);
    if let Some(Config::Container(config)) = configs.next() {
        prepare(config, variables, &trust);
    }
    parts.edges.push((main.clone(), trust, Edge { gates: Gate::Create, until: Milestone::Created }));
    let created = |gates| Edge { gates, until: Milestone::Created };
    for it in &spec.grants {
        let Some(grant) = policy.grants().iter().find(|grant| grant.name == it.grant.name) else { continue };
        let id = ResourceId::grant(grant.name.to_string());
        let definition = GrantRow::from(grant).to_json();
        let (gateway, value, source) = (ResourceId::gateway(), sealer.grant(&id.name), it.source.to_string());
        let config = Config::Grant(GrantConfig { gateway, definition, source, value });
        parts.add(id.clone(), Role::Support, config);
        parts.edges.push((id.clone(), ResourceId::policy(), created(Gate::Create)));
        // Its first request needs the credential.
        parts.edges.push((main.clone(), id, created(Gate::Start)));
    }
}

/// The variables of main. What the spec or a dependency sets takes precedence.
fn variables(parts: &Parts, spec: &Spec) -> BTreeMap<String, String> {
    let placeholders = spec.grants.iter().flat_map(|it| it.variables.iter().map(|name| (name, &it.grant.placeholder)));
    let placeholders = placeholders.map(|(name, placeholder)| (name.clone(), placeholder.clone()));
    proxy_variables(parts, spec).into_iter().chain(placeholders).collect()
}

/// The variables by which programs use the proxy and trust its certificates.
pub(super) fn proxy_variables(parts: &Parts, spec: &Spec) -> BTreeMap<String, String> {
    let proxy = format!("http://{}:{}", gateway::NAME, gateway::PROXY);
    let aliases = parts.nodes.iter().filter_map(|node| match &node.config {
        Config::Container(config) => Some(&config.network.aliases),
        _ => None,
    });
    let own = [HOST].into_iter().chain(aliases.flatten().map(String::as_str));
    let own = own.chain(spec.network.extra_hosts.keys().map(String::as_str)).chain(spec.hostname.as_deref());
    let direct: Vec<&str> = LOCAL.into_iter().chain(own).collect();
    let bundle = format!("{FOLDER}/{}", gateway::BUNDLE);
    let fixed = PROXY.map(|name| (name, proxy.clone())).into_iter();
    let fixed = fixed.chain(NO_PROXY.map(|name| (name, direct.join(","))));
    let fixed = fixed.chain(BUNDLE.map(|name| (name, bundle.clone())));
    let fixed = fixed.chain([(ADDED, format!("{FOLDER}/{}", gateway::OWN_CERTIFICATE)), (NODE_PROXY, "1".to_owned())]);
    fixed.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Gives a container variables, unless it has them, and the certificates.
pub(super) fn prepare(container: &mut ContainerConfig, variables: BTreeMap<String, String>, trust: &ResourceId) {
    for (name, value) in variables {
        if !container.secrets.contains_key(&name) {
            container.env.entry(name).or_insert(value);
        }
    }
    container.mounts.push(Mount { read_only: true, ..Mount::volume(trust.clone(), FOLDER) });
}
