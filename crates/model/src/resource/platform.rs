//! The platform of an image, such as `linux/arm64`.
//!
//! Names are normalized as containerd does (<https://github.com/containerd/platforms>), so that two texts for one platform
//! are equal. Whether the engine's machine can run a platform is not known here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A platform of Linux images: an architecture, and a variant where that has several.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Platform {
    architecture: String,
    variant: Option<String>,
}

/// Why a text is no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlatformError {
    #[error("`{0}` is not the platform of a Linux image")]
    System(String),
    #[error("unknown architecture `{0}`")]
    Architecture(String),
    #[error("`{0}` is not a platform")]
    Malformed(String),
}

/// The only operating system whose containers moat manages.
const LINUX: &str = "linux";

/// The architectures of Go, which engines and registries use, and their other names.
pub const ARCHITECTURES: [&str; 10] =
    ["amd64", "arm64", "arm", "386", "loong64", "mips64le", "ppc64le", "riscv64", "s390x", "mips64"];

const ALIASES: [(&str, &str); 7] = [
    ("x86_64", "amd64"),
    ("x86-64", "amd64"),
    ("aarch64", "arm64"),
    ("armhf", "arm"),
    ("armel", "arm/v6"),
    ("i386", "386"),
    ("i686", "386"),
];

impl Platform {
    /// The platform with the names that an engine reports for an image; `None` if the engine reports no architecture.
    pub fn observed(architecture: &str, variant: &str) -> Option<Self> {
        let known = !architecture.is_empty();
        known.then(|| Self::normalized(architecture, Some(variant).filter(|variant| !variant.is_empty())))
    }

    /// Whether an image of the other platform is what was asked for. Images often do not record their variant.
    pub fn accepts(&self, image: &Self) -> bool {
        self.architecture == image.architecture && (image.variant.is_none() || self.variant == image.variant)
    }

    fn normalized(architecture: &str, variant: Option<&str>) -> Self {
        let variant = match (architecture, variant) {
            // The only variant of each of these so far, which engines leave out.
            ("arm64", Some("v8" | "8")) | ("amd64", Some("v1")) => None,
            ("arm", None | Some("7")) => Some("v7"),
            ("arm", Some("5")) => Some("v5"),
            ("arm", Some("6")) => Some("v6"),
            (_, variant) => variant,
        };
        Self { architecture: architecture.to_owned(), variant: variant.map(str::to_owned) }
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    /// Parses `OS/ARCHITECTURE`, `OS/ARCHITECTURE/VARIANT` or an architecture alone, in any case.
    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let lower = text.to_ascii_lowercase();
        let parts: Vec<&str> = lower.split('/').collect();
        let (architecture, variant) = match parts[..] {
            [architecture] if architecture != LINUX => (architecture, None),
            [LINUX, architecture] => (architecture, None),
            [LINUX, architecture, variant] => (architecture, Some(variant)),
            [system, _] | [system, _, _] if system != LINUX => return Err(PlatformError::System(text.to_owned())),
            _ => return Err(PlatformError::Malformed(text.to_owned())),
        };
        let alias = ALIASES.iter().find(|(alias, _)| *alias == architecture).map(|(_, name)| *name);
        let (architecture, variant) = match alias.unwrap_or(architecture).split_once('/') {
            Some((architecture, of_alias)) => (architecture, variant.or(Some(of_alias))),
            None => (alias.unwrap_or(architecture), variant),
        };
        if !ARCHITECTURES.contains(&architecture) {
            return Err(PlatformError::Architecture(architecture.to_owned()));
        }
        let is_variant = |it: &str| !it.is_empty() && it.len() <= 8 && it.chars().all(|c| c.is_ascii_alphanumeric());
        if variant.is_some_and(|variant| !is_variant(variant)) {
            return Err(PlatformError::Malformed(text.to_owned()));
        }
        Ok(Self::normalized(architecture, variant))
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{LINUX}/{}", self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

impl TryFrom<String> for Platform {
    type Error = PlatformError;

    fn try_from(text: String) -> Result<Self, PlatformError> {
        text.parse()
    }
}

impl From<Platform> for String {
    fn from(platform: Platform) -> Self {
        platform.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_for_one_platform_are_equal() {
        for (text, expected) in [
            ("linux/amd64", "linux/amd64"),
            ("amd64", "linux/amd64"),
            ("Linux/x86_64", "linux/amd64"),
            ("linux/amd64/v1", "linux/amd64"),
            ("linux/amd64/v3", "linux/amd64/v3"),
            ("aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm/7", "linux/arm/v7"),
            ("linux/arm/v6", "linux/arm/v6"),
            ("armel", "linux/arm/v6"),
            ("linux/riscv64", "linux/riscv64"),
        ] {
            let platform: Platform = text.parse().expect(text);
            assert_eq!(platform.to_string(), expected, "{text}");
            assert_eq!(expected.parse(), Ok(platform), "{text}");
        }
    }

    #[test]
    fn other_texts_are_rejected() {
        use PlatformError::{Architecture, Malformed, System};
        for (text, expected) in [
            ("windows/amd64", System("windows/amd64".to_owned())),
            ("darwin/arm64/v8", System("darwin/arm64/v8".to_owned())),
            ("linux/amd46", Architecture("amd46".to_owned())),
            ("arm46", Architecture("arm46".to_owned())),
            ("", Architecture(String::new())),
            ("linux/", Architecture(String::new())),
            ("linux", Malformed("linux".to_owned())),
            ("linux/arm/", Malformed("linux/arm/".to_owned())),
            ("linux/arm/v7&x=1", Malformed("linux/arm/v7&x=1".to_owned())),
            ("linux/arm/v7/x", Malformed("linux/arm/v7/x".to_owned())),
        ] {
            assert_eq!(text.parse::<Platform>(), Err(expected), "{text}");
        }
    }

    #[test]
    fn an_image_without_a_variant_is_accepted() {
        let arm: Platform = "linux/arm/v7".parse().expect("a platform");
        assert!(arm.accepts(&Platform { architecture: "arm".to_owned(), variant: None }));
        assert!(!arm.accepts(&Platform::observed("arm", "v6").expect("a platform")));
        assert!(!arm.accepts(&Platform::observed("arm64", "v8").expect("a platform")));
        assert!(arm.accepts(&Platform::observed("arm", "").expect("a platform")));
        assert_eq!(Platform::observed("", ""), None);
    }
}
