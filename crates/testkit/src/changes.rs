//! A method for each change of an engine: in a test, `engine.start(&id)` reads better than a value.

#![expect(async_fn_in_trait, reason = "tests run on one thread")]

use moat_model::engine::{
    Change, ContainerCreate, ContainerUpdate, Created, Engine, EngineError, ImageBuild, NetworkCreate, Progress,
    PullProgress, VolumeCreate,
};
use moat_model::resource::{ContainerId, FileConfig, ImageRef, NetworkId};

pub trait Changes: Engine {
    async fn pull(&self, reference: &ImageRef, progress: &dyn Fn(PullProgress)) -> Result<(), EngineError> {
        let pulled = |it: Progress<'_>| match it {
            Progress::Pulled(it) => progress(it),
            Progress::Step(step) => panic!("a pull has no step: {step}"),
        };
        creates_nothing(self.change(&Change::Pull { reference: reference.clone(), platform: None }, &pulled).await)
    }

    async fn build(&self, build: &ImageBuild, step: &dyn Fn(&str)) -> Result<(), EngineError> {
        let built = |it: Progress<'_>| match it {
            Progress::Step(it) => step(it),
            Progress::Pulled(it) => panic!("a build has no layers: {it:?}"),
        };
        creates_nothing(self.change(&Change::Build(build.clone()), &built).await)
    }

    async fn create_network(&self, create: &NetworkCreate) -> Result<NetworkId, EngineError> {
        match make(self, Change::CreateNetwork(create.clone())).await? {
            Created::Network(id) => Ok(id),
            other => panic!("not a network: {other:?}"),
        }
    }

    async fn create_volume(&self, create: &VolumeCreate) -> Result<(), EngineError> {
        match make(self, Change::CreateVolume(create.clone())).await? {
            Created::Volume(name) if name == create.name => Ok(()),
            other => panic!("not the volume: {other:?}"),
        }
    }

    async fn create_container(&self, create: &ContainerCreate) -> Result<ContainerId, EngineError> {
        match make(self, Change::CreateContainer(Box::new(create.clone()))).await? {
            Created::Container(id) => Ok(id),
            other => panic!("not a container: {other:?}"),
        }
    }

    async fn remove_network(&self, network: &NetworkId) -> Result<(), EngineError> {
        creates_nothing(make(self, Change::RemoveNetwork { network: network.clone() }).await)
    }

    async fn connect(
        &self,
        network: &NetworkId,
        container: &ContainerId,
        aliases: &[String],
    ) -> Result<(), EngineError> {
        let (network, container, aliases) = (network.clone(), container.clone(), aliases.to_vec());
        creates_nothing(make(self, Change::Connect { network, container, aliases, address: None }).await)
    }

    async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        creates_nothing(make(self, Change::RemoveVolume { name: name.to_owned() }).await)
    }

    async fn upload(&self, container: &ContainerId, files: &[FileConfig]) -> Result<(), EngineError> {
        let (container, files) = (container.clone(), files.to_vec());
        creates_nothing(make(self, Change::Upload { container, files }).await)
    }

    async fn start(&self, container: &ContainerId) -> Result<(), EngineError> {
        creates_nothing(make(self, Change::Start { container: container.clone() }).await)
    }

    async fn stop(&self, container: &ContainerId, grace: Option<u32>) -> Result<(), EngineError> {
        creates_nothing(make(self, Change::Stop { container: container.clone(), grace }).await)
    }

    async fn restart(&self, container: &ContainerId) -> Result<(), EngineError> {
        creates_nothing(make(self, Change::Restart { container: container.clone() }).await)
    }

    async fn unpause(&self, container: &ContainerId) -> Result<(), EngineError> {
        creates_nothing(make(self, Change::Unpause { container: container.clone() }).await)
    }

    async fn update(&self, container: &ContainerId, update: &ContainerUpdate) -> Result<(), EngineError> {
        creates_nothing(make(self, Change::Update { container: container.clone(), update: *update }).await)
    }

    async fn rename(&self, container: &ContainerId, name: &str) -> Result<(), EngineError> {
        let (container, name) = (container.clone(), name.to_owned());
        creates_nothing(make(self, Change::Rename { container, name }).await)
    }

    async fn remove_container(&self, container: &ContainerId) -> Result<(), EngineError> {
        creates_nothing(make(self, Change::RemoveContainer { container: container.clone() }).await)
    }
}

impl<E: Engine> Changes for E {}

async fn make<E: Engine + ?Sized>(engine: &E, change: Change) -> Result<Created, EngineError> {
    engine.change(&change, &|progress| panic!("{change:?} takes long: {progress:?}")).await
}

fn creates_nothing(answer: Result<Created, EngineError>) -> Result<(), EngineError> {
    match answer? {
        Created::Nothing => Ok(()),
        made => panic!("created {made:?}"),
    }
}
