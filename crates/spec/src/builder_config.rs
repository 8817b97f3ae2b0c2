//! The `buildkitd.toml` of a spec: checked, and merged into that of a capability.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::registries::Mirror;
use super::shape::Fault;

/// Checks that it is TOML. BuildKit checks the keys: they differ between its versions.
pub(super) fn check(text: &str) -> Result<(), Fault> {
    let why = |error: toml::de::Error| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        Fault::new(
            format!("invalid TOML in line {line}: {}", error.message()),
            "write sections such as `[worker.oci]`, and `key = value`",
        )
    };
    text.parse::<Table>().map(drop).map_err(why)
}

/// Whether it has the limit that `buildkit.cache_limit` sets.
pub(super) fn limits_the_cache(text: &str) -> bool {
    let oci = |table: Table| table.get("worker")?.get("oci")?.get("maxUsedSpace").cloned();
    text.parse::<Table>().ok().and_then(oci).is_some()
}

/// The configuration of mirrors. A mirror without TLS is itself a registry with a setting.
pub(super) fn mirrors(mirrors: &BTreeMap<String, Vec<Mirror>>) -> String {
    let mut registries = Table::new();
    let mut set = |registry: &str, key: &str, value: Value| {
        let table = registries.entry(registry).or_insert_with(|| Value::Table(Table::new()));
        table.as_table_mut().map(|table| table.insert(key.to_owned(), value));
    };
    for (registry, mirrors) in mirrors {
        let hosts = mirrors.iter().map(|mirror| Value::String(mirror.host.clone())).collect();
        set(registry, "mirrors", Value::Array(hosts));
        for mirror in mirrors.iter().filter(|mirror| mirror.is_plain) {
            set(&mirror.host, "http", Value::Boolean(true));
        }
    }
    Table::from_iter([("registry".to_owned(), Value::Table(registries))]).to_string()
}

/// The first text with the keys of the second, which override it. Tables are merged; arrays are not.
pub(super) fn merged(own: &str, other: &str) -> String {
    // Both are TOML: the text of a capability is tested, and that of a spec checked.
    let (mut table, other): (Table, Table) = (own.parse().unwrap_or_default(), other.parse().unwrap_or_default());
    merge(&mut table, other);
    table.to_string()
}

fn merge(table: &mut Table, other: Table) {
    for (key, value) in other {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(value)) => merge(inner, value),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "[dns]\nnameservers = [\"127.0.0.11\"]\n[worker.oci]\ngc = true\nmaxUsedSpace = \"20GB\"\n";

    #[test]
    fn keys_are_merged() {
        let other =
            "debug = true\n[worker.oci]\ngc = false\nmax-parallelism = 4\n[dns]\nnameservers = [\"10.0.0.1\"]\n";
        let merged: Table = merged(OWN, other).parse().expect("TOML");
        let expected = "debug = true\n[dns]\nnameservers = [\"10.0.0.1\"]\n\
                        [worker.oci]\ngc = false\nmaxUsedSpace = \"20GB\"\nmax-parallelism = 4\n";
        assert_eq!(merged, expected.parse().expect("TOML"));
    }

    #[test]
    fn a_value_replaces_a_table_and_a_table_a_value() {
        let merged: Table = merged("a = 1\n[b]\nc = 1\n", "b = 2\n[a]\nd = 1\n").parse().expect("TOML");
        assert_eq!(merged, "b = 2\n[a]\nd = 1\n".parse().expect("TOML"));
    }

    #[test]
    fn only_the_limit_of_the_worker_counts() {
        assert!(limits_the_cache(OWN));
        assert!(!limits_the_cache("maxUsedSpace = \"1GB\"\n[worker.oci]\ngc = true\n"));
    }

    #[test]
    fn a_mirror_without_tls_is_a_registry_too() {
        let (tls, plain) = (
            Mirror { host: "a.test".to_owned(), is_plain: false },
            Mirror { host: "b.test:5000".to_owned(), is_plain: true },
        );
        let all = [("docker.io".to_owned(), vec![tls.clone(), plain]), ("b.test:5000".to_owned(), vec![tls])].into();
        let expected = "[registry.\"b.test:5000\"]\nhttp = true\nmirrors = [\"a.test\"]\n\
                        [registry.\"docker.io\"]\nmirrors = [\"a.test\", \"b.test:5000\"]\n";
        assert_eq!(mirrors(&all).parse::<Table>(), expected.parse());
    }

    #[test]
    fn errors_name_the_line() {
        let fault = check("[dns]\nnameservers = [\n\"a\"\n[worker]\n").expect_err("no TOML");
        assert!(fault.message.starts_with("invalid TOML in line "), "{}", fault.message);
        assert!(check("").is_ok());
    }
}
