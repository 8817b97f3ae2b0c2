//! Which of an engine's builders is used.

use std::fmt;

use http::HeaderMap;

use super::environment::Environment;
use super::version::Vendor;

/// The builder of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Builder {
    BuildKit,
    Classic(WhyClassic),
}

/// Why BuildKit is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhyClassic {
    /// The engine does not offer it. Docker 20.10 does only if its configuration says so.
    Missing,
    /// `DOCKER_BUILDKIT=0`, as for docker's own command.
    TurnedOff,
}

/// The response header with the number of the builder that the engine prefers; 2 is BuildKit.
const HEADER: &str = "builder-version";

/// As for docker's own command.
const VARIABLE: &str = "DOCKER_BUILDKIT";

impl Builder {
    /// Chooses by the headers of a ping and the environment, in the way of docker's own command.
    pub(crate) fn choose(headers: &HeaderMap, vendor: Vendor, around: &impl Environment) -> Self {
        let offered = headers.get(HEADER).is_some_and(|value| value == "2");
        let wanted = around.variable(VARIABLE).and_then(|value| flag(&value));
        match (vendor, wanted, offered) {
            (Vendor::Docker, Some(false), _) => Self::Classic(WhyClassic::TurnedOff),
            (Vendor::Docker, Some(true), _) | (Vendor::Docker, None, true) => Self::BuildKit,
            (Vendor::Podman, ..) | (Vendor::Docker, None, false) => Self::Classic(WhyClassic::Missing),
        }
    }
}

/// The spellings that docker's own command accepts.
fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "t" | "true" => Some(true),
        "0" | "f" | "false" => Some(false),
        _ => None,
    }
}

impl WhyClassic {
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::Missing => {
                "use an engine with BuildKit: Docker 23 or newer, or Docker 20.10 with `DOCKER_BUILDKIT=1`"
            }
            Self::TurnedOff => "unset `DOCKER_BUILDKIT`",
        }
    }
}

impl fmt::Display for WhyClassic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the engine does not offer BuildKit",
            Self::TurnedOff => "`DOCKER_BUILDKIT` turns BuildKit off",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use http::HeaderValue;

    use super::*;

    struct Set(Option<&'static str>);

    impl Environment for Set {
        fn variable(&self, name: &str) -> Option<String> {
            self.0.filter(|_| name == VARIABLE).map(str::to_owned)
        }

        fn read(&self, _: &Path) -> io::Result<String> {
            Err(io::ErrorKind::NotFound.into())
        }

        fn exists(&self, _: &Path) -> bool {
            false
        }
    }

    #[test]
    fn the_engine_and_the_environment_decide() {
        use Builder::{BuildKit, Classic};
        use Vendor::{Docker, Podman};
        for (header, vendor, variable, expected) in [
            (Some("2"), Docker, None, BuildKit),
            (Some("1"), Docker, None, Classic(WhyClassic::Missing)),
            (None, Docker, None, Classic(WhyClassic::Missing)),
            (Some("1"), Docker, Some("1"), BuildKit),
            (Some("2"), Docker, Some("0"), Classic(WhyClassic::TurnedOff)),
            (Some("2"), Docker, Some("false"), Classic(WhyClassic::TurnedOff)),
            (Some("2"), Docker, Some(""), BuildKit),
            (Some(""), Podman, None, Classic(WhyClassic::Missing)),
            (Some("2"), Podman, Some("1"), Classic(WhyClassic::Missing)),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(header.map(|it| (http::HeaderName::from_static(HEADER), HeaderValue::from_static(it))));
            assert_eq!(Builder::choose(&headers, vendor, &Set(variable)), expected, "{header:?} {variable:?}");
        }
    }
}
