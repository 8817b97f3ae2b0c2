//! The last applied configuration, as far as moat evaluates it.
//!
//! Parsed once from the canonical JSON of a label, and tolerant: the label may be from another version of moat, or edited.
//! A field that is missing or has another type is unset.

use std::collections::BTreeMap;

use serde_json::Value;

/// The evaluated fields of a resource's last applied configuration, in their canonical forms.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are fields of the stored configuration, one by one")]
pub struct Applied {
    pub image: Option<String>,
    pub user: Option<String>,
    pub workdir: Option<String>,
    pub privileged: bool,
    /// Of a network: whether it is internal.
    pub internal: bool,
    /// Of a network: whether the spec sets its range.
    pub has_subnet: bool,
    /// Whether the spec sets a limit.
    pub has_limits: bool,
    pub restart: Option<String>,
    /// In seconds.
    pub stop_timeout: Option<u32>,
    /// Sources by target, as in `path:/srv:ro`.
    pub mounts: BTreeMap<String, String>,
    /// Host addresses by container port, as in `127.0.0.1:free`.
    pub ports: BTreeMap<String, String>,
    /// Digests by variable.
    pub secrets: BTreeMap<String, String>,
    pub cap_add: Vec<String>,
    /// Devices with their access rights, by path in the container.
    pub devices: BTreeMap<String, String>,
    pub gpus: Option<String>,
}

impl Applied {
    /// Parses a canonical configuration; everything is unset if it is no JSON.
    pub fn parse(canonical: &str) -> Self {
        let config: Value = serde_json::from_str(canonical).unwrap_or_default();
        let text = |key: &str| config[key].as_str().map(str::to_owned);
        let texts = |key: &str| {
            let entries = config[key].as_object().into_iter().flatten();
            entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
        };
        let names = config["cap_add"].as_array().into_iter().flatten().filter_map(Value::as_str);
        Self {
            image: text("image"),
            user: text("user"),
            workdir: text("workdir"),
            privileged: config["privileged"] == true,
            internal: config["internal"] == true,
            has_subnet: !config["subnet"].is_null(),
            has_limits: config["limits"].is_object(),
            restart: text("restart"),
            stop_timeout: config["stop_timeout"].as_u64().and_then(|seconds| seconds.try_into().ok()),
            mounts: texts("mounts"),
            ports: texts("ports"),
            secrets: texts("secrets"),
            cap_add: names.map(str::to_owned).collect(),
            devices: texts("devices"),
            gpus: text("gpus"),
        }
    }

    /// The paths of the Docker host that a container can write to.
    pub fn writable_paths(&self) -> impl Iterator<Item = &str> {
        self.mounts.values().filter_map(|source| source.strip_prefix("path:")).filter(|path| !path.ends_with(":ro"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_other_types_are_unset() {
        let text = r#"{"image":1,"privileged":"yes","limits":[],"stop_timeout":-1,"mounts":{"/a":"path:/b","/c":2},"ports":3}"#;
        let mounts = [("/a".to_owned(), "path:/b".to_owned())].into();
        assert_eq!(Applied::parse(text), Applied { mounts, ..Applied::default() });
        assert_eq!(Applied::parse("not json"), Applied::default());
    }

    #[test]
    fn read_only_paths_are_not_writable() {
        let applied = Applied::parse(r#"{"mounts":{"/a":"path:/b","/c":"path:/d:ro","/e":"cache"}}"#);
        assert_eq!(applied.writable_paths().collect::<Vec<_>>(), ["/b"]);
    }
}
