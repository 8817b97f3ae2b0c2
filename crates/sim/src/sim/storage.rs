//! Effects of volume and image calls on the daemon, with the refusals of a real one.

use std::collections::BTreeMap;

use super::Api;
use super::behaviour::Behaviour;
use super::container::check_name;
use super::daemon::{Daemon, Volume, matches};
use moat_model::engine::{Detail, EngineError, Fault, Filter, ImageBuild, VolumeCreate};
use moat_model::resource::digest::sha256;
use moat_model::resource::label::Ownership;
use moat_model::resource::{ImageDigest, ImageId, ImageRef, Platform};
use moat_model::state::{ImageFacts, VolumeFacts};

impl Daemon {
    pub fn list_volumes(&self, filter: &Filter) -> Vec<VolumeFacts> {
        let ours = self.volumes.iter().filter(|(_, volume)| matches(filter, &volume.labels));
        ours.map(|(name, volume)| VolumeFacts { name: name.clone(), owner: Ownership::read(&volume.labels) }).collect()
    }

    pub fn create_volume(&mut self, create: &VolumeCreate) -> Result<(), EngineError> {
        let VolumeCreate { name, labels } = create;
        check_name("volume", name)?;
        match self.volumes.get(name) {
            Some(volume) if volume.labels != *labels => {
                Err(EngineError::new(Fault::Conflict, format!("a volume `{name}` exists with other labels")))
            }
            Some(_) => Ok(()),
            None => {
                self.volumes.insert(name.clone(), Volume { labels: labels.clone(), data: false });
                Ok(())
            }
        }
    }

    /// Creates a volume if none has the name.
    pub fn touch_volume(&mut self, name: &str, labels: &BTreeMap<String, String>) {
        self.volumes.entry(name.to_owned()).or_insert_with(|| Volume { labels: labels.clone(), data: false });
    }

    pub fn remove_volume(&mut self, name: &str) -> Result<(), EngineError> {
        if self.is_mounted(name) {
            return Err(EngineError::new(Fault::InUse, format!("remove {name}: volume is in use")));
        }
        if self.volumes.remove(name).is_some_and(|volume| volume.data) {
            self.journal.data_lost.push(name.to_owned());
        }
        Ok(())
    }

    pub fn image(&self, reference: &ImageRef) -> Option<ImageFacts> {
        let known = |id: &ImageId| self.digests.get(id).cloned().unwrap_or_default();
        let facts = |id: &ImageId| ImageFacts { id: id.clone(), digests: known(id), platform: Some(self.platform(id)) };
        self.images.get(reference).map(facts)
    }

    pub fn platform(&self, image: &ImageId) -> Platform {
        self.platforms.get(image).cloned().unwrap_or_else(native)
    }

    /// The answer to a client, which Podman does not give.
    pub fn tell_registry_digest(&self, reference: &ImageRef) -> Result<ImageDigest, EngineError> {
        if self.api == Api::Podman {
            let message = "the engine cannot ask a registry without a pull";
            return Err(EngineError::new(Fault::Refused, message).because(Detail::NoRegistryQuery));
        }
        self.registry_digest(reference)
    }

    pub fn registry_digest(&self, reference: &ImageRef) -> Result<ImageDigest, EngineError> {
        let id = self.registry.get(reference).ok_or_else(|| unknown(reference))?;
        Ok(digest(id, self.editions.get(reference).copied().unwrap_or_default()))
    }

    pub fn import(&mut self, reference: &ImageRef, labels: &BTreeMap<String, String>) {
        let id = ImageId::new(format!("sha256:{}", sha256(reference.as_str())));
        self.programs.insert(id.clone(), Behaviour::default());
        self.image_labels.insert(id.clone(), labels.clone());
        self.images.insert(reference.clone(), id);
    }

    /// Interprets only the base of a Dockerfile, and one failing step: `RUN false`.
    pub fn build(&mut self, build: &ImageBuild) -> Result<(), EngineError> {
        if let Some(context) = &build.context {
            moat_build_context::archive(context, &build.dockerfile)
                .map_err(|error| EngineError::new(Fault::Refused, error.to_string()))?;
        }
        for line in build.dockerfile.lines() {
            if let Some(base) = line.strip_prefix("FROM ").and_then(|base| ImageRef::parse(base).ok())
                && !self.images.contains_key(&base)
            {
                self.pull(&base, build.platform.as_ref())
                    .map_err(|error| EngineError::new(Fault::Engine, error.message))?;
            }
            if line == "RUN false" {
                let words = "The command '/bin/sh -c false' returned a non-zero code: 1";
                return Err(EngineError::new(Fault::Engine, words));
            }
        }
        let id = ImageId::new(format!("sha256:{}", sha256(&build.dockerfile)));
        let id = self.for_platform(&id, build.platform.as_ref());
        // An image without its own labels has those of its base.
        self.image_labels.insert(id.clone(), build.labels.clone());
        self.images.insert(build.reference.clone(), id);
        Ok(())
    }

    /// Pulls the image of a platform. The registries have each image for every platform.
    pub fn pull(&mut self, reference: &ImageRef, platform: Option<&Platform>) -> Result<(), EngineError> {
        let Some(native_id) = self.registry.get(reference).cloned() else { return Err(unknown(reference)) };
        let id = self.for_platform(&native_id, platform);
        let digest = self.registry_digest(reference)?;
        // An image has every digest that it was pulled by.
        self.digests.entry(id.clone()).or_default().insert(digest);
        self.images.insert(reference.clone(), id);
        Ok(())
    }

    /// The image of another platform, which behaves as the native one.
    fn for_platform(&mut self, image: &ImageId, platform: Option<&Platform>) -> ImageId {
        let Some(platform) = platform.filter(|platform| **platform != native()) else { return image.clone() };
        let id = ImageId::new(format!("sha256:{}", sha256(format!("{image} for {platform}"))));
        if let Some(program) = self.programs.get(image).cloned() {
            self.programs.insert(id.clone(), program);
        }
        if let Some(labels) = self.image_labels.get(image).cloned() {
            self.image_labels.insert(id.clone(), labels);
        }
        self.platforms.insert(id.clone(), platform.clone());
        id
    }
}

/// The platform of the machine.
const NATIVE: &str = "linux/amd64";

fn native() -> Platform {
    NATIVE.parse().expect("a platform")
}

/// The digest of a manifest list, which differs from the id of its image.
fn digest(image: &ImageId, edition: u32) -> ImageDigest {
    ImageDigest::new(format!("sha256:{}", sha256(format!("edition {edition} of a list with {image}"))))
}

fn unknown(reference: &ImageRef) -> EngineError {
    EngineError::new(Fault::Pull, format!("pull access denied for {reference}, repository does not exist"))
}
