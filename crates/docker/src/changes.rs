//! The request of each change.

use crate::Docker;
use crate::calls::{build, containers, networks, program, pull, volumes};
use crate::session::policy::{self, Unlock};
use moat_model::engine::{Change, Created, EngineError, Progress};

/// Makes a change; what it created, if anything.
pub(crate) async fn make(
    docker: &Docker,
    change: &Change,
    progress: &dyn Fn(Progress<'_>),
) -> Result<Created, EngineError> {
    match change {
        Change::CreateNetwork(create) => return networks::create(docker, create).await.map(Created::Network),
        Change::CreateVolume(create) => {
            return volumes::create(docker, create).await.map(|()| Created::Volume(create.name.clone()));
        }
        Change::CreateContainer(create) => return containers::create(docker, create).await.map(Created::Container),
        Change::Pull { reference, platform } => {
            pull::pull(docker, reference, platform.as_ref(), &|it| progress(Progress::Pulled(it))).await
        }
        Change::Build(build) => build::build(docker, build, &|step: &str| progress(Progress::Step(step))).await,
        Change::RemoveNetwork { network } => networks::remove(docker, network).await,
        Change::Import { reference, labels } => program::import(docker, reference, labels).await,
        Change::Connect { network, container, aliases, address } => {
            networks::connect(docker, network, container, aliases, *address).await
        }
        Change::Disconnect { network, container } => networks::disconnect(docker, network, container).await,
        Change::RemoveVolume { name } => volumes::remove(docker, name).await,
        Change::Upload { container, files } => containers::upload(docker, container, files).await,
        Change::SetPolicy { container, command, policy } => policy::set(docker, container, command, policy).await,
        Change::UnlockGrant { container, command, grant, value, restore } => {
            policy::unlock(docker, container, command, &Unlock { grant, value, restore: *restore }).await
        }
        Change::RevokeGrant { container, command, .. } => policy::revoke(docker, container, command).await,
        Change::Start { container } => containers::start(docker, container).await,
        Change::Stop { container, grace } => containers::stop(docker, container, *grace).await,
        Change::Restart { container } => containers::restart(docker, container).await,
        Change::Unpause { container } => containers::unpause(docker, container).await,
        Change::Update { container, update } => containers::update(docker, container, update).await,
        Change::Rename { container, name } => containers::rename(docker, container, name).await,
        Change::RemoveContainer { container } => containers::remove(docker, container).await,
    }
    .map(|()| Created::Nothing)
}
