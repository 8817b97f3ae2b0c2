//! What `buildkitd` was asked for: its flags, and `buildkitd.toml` beneath them.
//!
//! Names are those of BuildKit 0.32 (`cmd/buildkitd/main.go`, `cmd/buildkitd/config/config.go`). The real daemon skips
//! keys that it does not know; the lab refuses them, so that a test notices a misspelt one.

use crate::engine::rootless;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

pub struct Config {
    pub root: PathBuf,
    pub addresses: Vec<String>,
    pub host_network: bool,
    /// Whom RUN steps ask for names; empty means what the container itself asks.
    pub nameservers: Vec<String>,
}

const FLAGS_WITH_VALUE: [&str; 10] = [
    "addr",
    "allow-insecure-entitlement",
    "config",
    "debugaddr",
    "group",
    "log-format",
    "oci-worker-gc-keepstorage",
    "oci-worker-net",
    "otel-socket-path",
    "root",
];
const FLAGS_ALONE: [&str; 5] = ["containerd-worker", "debug", "oci-worker", "oci-worker-gc", "trace"];

const KEYS: [&str; 27] = [
    "debug",
    "dns.nameservers",
    "dns.options",
    "dns.searchDomains",
    "frontend.dockerfile.v0.enabled",
    "frontend.gateway.v0.enabled",
    "grpc.address",
    "history.maxAge",
    "history.maxEntries",
    "insecure-entitlements",
    "log.format",
    "root",
    "system.platformsCacheMaxAge",
    "trace",
    "worker.containerd.enabled",
    "worker.oci.cniPoolSize",
    "worker.oci.enabled",
    "worker.oci.gc",
    "worker.oci.gckeepstorage",
    "worker.oci.gcpolicy",
    "worker.oci.max-parallelism",
    "worker.oci.maxUsedSpace",
    "worker.oci.minFreeSpace",
    "worker.oci.networkMode",
    "worker.oci.platforms",
    "worker.oci.reservedSpace",
    "worker.oci.snapshotter",
];

const DEFAULT_FILE: &str = "/etc/buildkit/buildkitd.toml";

impl Config {
    pub fn read(args: impl Iterator<Item = String>) -> Result<Self, String> {
        let flags = parse_flags(args)?;
        let all = |name: &str| given(&flags, name);
        let file = match all("config").last() {
            Some(path) => read_file(Path::new(path))?,
            None if Path::new(DEFAULT_FILE).exists() => read_file(Path::new(DEFAULT_FILE))?,
            None => toml::Table::new(),
        };
        let flag_or_file = |flag: &str, path: [&str; 2]| {
            let flags = all(flag);
            if flags.is_empty() { strings(&file, path) } else { flags }
        };
        let mut addresses = flag_or_file("addr", ["grpc", "address"]);
        if addresses.is_empty() {
            addresses.push(default_address());
        }
        let entitlements = flag_or_file("allow-insecure-entitlement", ["insecure-entitlements", ""]);
        if let Some(unknown) =
            entitlements.iter().find(|e| !["network.host", "security.insecure"].contains(&e.as_str()))
        {
            return Err(format!("invalid entitlement : {unknown}"));
        }
        let root = flag_or_file("root", ["root", ""]).pop();
        Ok(Self {
            root: root.unwrap_or_else(default_root).into(),
            addresses,
            host_network: entitlements.iter().any(|e| e == "network.host"),
            nameservers: strings(&file, ["dns", "nameservers"]),
        })
    }
}

/// As a user, the real daemon keeps its state in the home directory.
fn default_root() -> String {
    if rootless() { format!("{}/.local/share/buildkit", variable("HOME")) } else { "/var/lib/buildkit".to_owned() }
}

fn default_address() -> String {
    let folder = if rootless() { variable("XDG_RUNTIME_DIR") } else { "/run".to_owned() };
    format!("unix://{folder}/buildkit/buildkitd.sock")
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn given(flags: &[(String, String)], name: &str) -> Vec<String> {
    flags.iter().filter(|(flag, _)| flag == name).map(|(_, value)| value.clone()).collect()
}

/// Pairs of flag and value, in the order given. `-name`, `--name value` and `--name=value` are all the same to it.
fn parse_flags(args: impl Iterator<Item = String>) -> Result<Vec<(String, String)>, String> {
    let mut args: VecDeque<String> = args.collect();
    let mut flags = Vec::new();
    while let Some(arg) = args.pop_front() {
        let Some(flag) = arg.strip_prefix('-') else { return Err(format!("No help topic for '{arg}'")) };
        let flag = flag.strip_prefix('-').unwrap_or(flag);
        let (name, value) = flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value.to_owned())));
        let value = if FLAGS_ALONE.contains(&name) {
            value.unwrap_or_else(|| "true".into())
        } else if FLAGS_WITH_VALUE.contains(&name) {
            value.or_else(|| args.pop_front()).ok_or_else(|| format!("flag needs an argument: -{name}"))?
        } else {
            return Err(format!("flag provided but not defined: -{name}"));
        };
        flags.push((name.to_owned(), value));
    }
    Ok(flags)
}

fn read_file(path: &Path) -> Result<toml::Table, String> {
    let text =
        std::fs::read_to_string(path).map_err(|e| format!("failed to load config from {}: {e}", path.display()))?;
    let table: toml::Table = text.parse().map_err(|e| format!("failed to parse config: {e}"))?;
    refuse_unknown(&table, "")?;
    Ok(table)
}

fn refuse_unknown(table: &toml::Table, prefix: &str) -> Result<(), String> {
    for (key, value) in table {
        let path = format!("{prefix}{key}");
        match value {
            _ if KEYS.contains(&path.as_str())
                || path.starts_with("registry.")
                || path.starts_with("worker.oci.labels.") => {}
            toml::Value::Table(inner) => refuse_unknown(inner, &format!("{path}."))?,
            _ => return Err(format!("buildkitd.toml: the lab knows no key `{path}`")),
        }
    }
    Ok(())
}

/// The string, or the list of strings, at `path`; a last name of "" means that the first is the whole path.
fn strings(table: &toml::Table, path: [&str; 2]) -> Vec<String> {
    let value = table.get(path[0]).and_then(|value| if path[1].is_empty() { Some(value) } else { value.get(path[1]) });
    match value {
        Some(toml::Value::String(one)) => vec![one.clone()],
        Some(toml::Value::Array(many)) => many.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}
