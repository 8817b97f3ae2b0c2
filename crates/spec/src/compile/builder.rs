//! The settings of a spec for the build sidecar.

use std::collections::BTreeMap;

use super::file;
use super::vault::Sealer;
use crate::builder_config::{merged, mirrors};
use crate::capability::{BuildsPart, FilePart, VolumePart};
use crate::registries::{DOCKER_HUB, Registries};
use crate::{BuilderSettings, CacheRetention, Spec};
use moat_model::resource::{Builds, FileConfig, ResourceId, Secret, SecretText};

/// The build sidecar of a spec.
pub(super) struct Builder<'a> {
    pub part: &'a BuildsPart,
    pub settings: &'a BuilderSettings,
    registries: &'a Registries,
    pub env: BTreeMap<String, String>,
    pub secrets: BTreeMap<String, Secret>,
}

/// The variables by which programs find a proxy; they are also read in lowercase.
const PROXIES: [&str; 5] = ["ALL_PROXY", "FTP_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];

impl<'a> Builder<'a> {
    /// Main's proxies apply to the sidecar, which pulls the images that builds start from. Its own variables override
    /// them.
    pub fn new(part: &'a BuildsPart, spec: &'a Spec, sealer: Sealer<'_>) -> Self {
        let settings = &spec.buildkit;
        let is_own = |name: &String| settings.env.contains_key(name) || settings.concealed.contains_key(name);
        let is_inherited = |name: &String| PROXIES.contains(&name.to_uppercase().as_str()) && !is_own(name);

        let id = ResourceId::container(&part.sidecar);
        let fetched = sealer.vault.into_iter().flat_map(|vault| &vault.fetched);
        let values: BTreeMap<String, SecretText> = fetched
            .filter(|(name, _)| is_inherited(name))
            .chain(&settings.concealed)
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let mut secrets = sealer.sealed(&id, values);
        let withheld = sealer.vault.into_iter().flat_map(|vault| &vault.withheld);
        secrets.extend(withheld.filter(|name| is_inherited(name)).map(|name| (name.clone(), Secret::not_fetched())));

        let inherited = spec.env.iter().filter(|(name, _)| is_inherited(name) && !secrets.contains_key(*name));
        let env = inherited.chain(&settings.env).map(|(name, value)| (name.clone(), value.clone())).collect();
        Self { part, settings, registries: &spec.registries, env, secrets }
    }

    /// A volume of the sidecar, as long as the spec keeps its cache.
    pub fn volume(&self, part: &VolumePart) -> VolumePart {
        if self.part.cache != part.name || self.settings.cache == CacheRetention::Keep {
            return part.clone();
        }
        VolumePart { name: cache(self.part, self.settings), scratch: true, ..part.clone() }
    }

    /// A file of the sidecar. Its configuration includes the settings of the spec.
    pub fn file(&self, part: &FilePart) -> FileConfig {
        let plain = file(part);
        if self.part.config != part.path {
            return plain;
        }
        let limit =
            self.settings.cache_limit.map_or_else(|| self.part.cache_limit.clone(), |limit| limit.0.to_string());
        let own = plain.content.replace("{cache_limit}", &limit);
        let mirrors = (!self.registries.mirrors.is_empty()).then(|| mirrors(&self.registries.mirrors));
        let content = mirrors.iter().chain(&self.settings.config).fold(own, |own, other| merged(&own, other));
        FileConfig { content, ..plain }
    }

    /// The certificates of CAs, in the folder that the daemon reads in addition to the bundle of its image.
    pub fn certificates(&self) -> Option<FileConfig> {
        certificates(&self.part.sidecar_certificates, self.registries)
    }
}

/// How builds reach the sidecar of a spec.
pub(super) fn builds(part: &BuildsPart, spec: &Spec) -> Builds {
    Builds { cache: cache(part, &spec.buildkit), ..Builds::from(part) }
}

/// The name of the cache's volume. The one of a run has another name, so that it starts empty.
fn cache(part: &BuildsPart, settings: &BuilderSettings) -> String {
    match settings.cache {
        CacheRetention::Keep | CacheRetention::Discard => part.cache.clone(),
        CacheRetention::Run => format!("{}-run", part.cache),
    }
}

/// The settings of registries for the inner daemon.
pub(super) fn of_daemon(part: &BuildsPart, registries: &Registries) -> Vec<FileConfig> {
    let of_hub = registries.mirrors.get(DOCKER_HUB).filter(|mirrors| !mirrors.is_empty());
    let lines = of_hub.map(|mirrors| mirrors.iter().map(|mirror| format!("{mirror}\n")).collect::<Vec<_>>().concat());
    let mirrors = lines.map(|content| FileConfig { path: part.mirrors.clone(), mode: 0o644, content });
    mirrors.into_iter().chain(certificates(&part.certificates, registries)).collect()
}

fn certificates(path: &str, registries: &Registries) -> Option<FileConfig> {
    let content = registries.certificates.clone();
    (!content.is_empty()).then(|| FileConfig { path: path.to_owned(), mode: 0o644, content })
}
