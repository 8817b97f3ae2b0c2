//! Presets: the hosts of a registry or service under one name, from `specs/presets/`.
//!
//! A preset names domains, never single hosts of a registry, because those change.

use serde::Deserialize;

use super::host_rule::HostRule;
use super::preset_names::FILES;

pub use super::preset_names::names;

/// A preset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preset {
    pub name: &'static str,
    pub summary: String,
    pub hosts: Vec<HostRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[expect(dead_code, reason = "the name of the file, which a test compares")]
    preset: String,
    summary: String,
    hosts: Vec<String>,
}

/// A preset by name, without the `@`.
pub fn find(name: &str) -> Option<Preset> {
    let (name, text) = FILES.iter().find(|(it, _)| *it == name)?;
    // A test parses every file.
    let written: Written = serde_yaml::from_str(text).ok()?;
    let hosts = written.hosts.iter().map(|host| host.parse()).collect::<Result<_, _>>().ok()?;
    Some(Preset { name, summary: written.summary, hosts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_can_be_read_and_names_domains() {
        assert!(names().count() >= 10);
        for (name, text) in FILES {
            let written: serde_yaml::Value = serde_yaml::from_str(text).unwrap();
            assert_eq!(written["preset"].as_str(), Some(*name));
            let preset = find(name).unwrap_or_else(|| panic!("{name} cannot be read"));
            assert!(!preset.hosts.is_empty() && preset.summary.len() < 80, "{name}");
            for host in preset.hosts {
                assert!(host.to_string().starts_with("**."), "{name}: {host} is a single host");
                assert_eq!((host.port, host.within), (None, None), "{name}");
            }
        }
    }

    #[test]
    fn no_preset_allows_a_domain_with_public_registration() {
        let open = ["com", "org", "io", "r2.cloudflarestorage.com", "amazonaws.com", "github.io", "pages.dev"];
        for preset in names().filter_map(find) {
            for domain in open {
                let name = format!("anybody.{domain}").parse().unwrap();
                assert!(!preset.hosts.iter().any(|rule| rule.hosts.matches(&name)), "@{} allows {name}", preset.name);
            }
        }
    }
}
