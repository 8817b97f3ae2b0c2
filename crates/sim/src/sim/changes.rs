//! The changing calls: their subjects, their effects, and how long the engine works on each.

use super::Sim;
use super::calls::pause;
use super::daemon::Daemon;
use moat_model::engine::{Change, ContainerCreate, Created, EngineError, ImageBuild, Progress, PullProgress};
use moat_model::resource::{ContainerId, ImageRef, Platform};

/// The total bytes of a pull.
const PULL_BYTES: u64 = 100 << 20;

impl Sim {
    pub(super) async fn make(&self, change: &Change, progress: &dyn Fn(Progress<'_>)) -> Result<Created, EngineError> {
        match change {
            Change::Pull { reference, platform } => {
                return self.pull(change, reference, platform.as_ref(), progress).await;
            }
            Change::Build(build) => return self.build(change, build, progress).await,
            Change::CreateNetwork(create) => {
                return self.quick(change, |d| d.create_network(create)).await.map(Created::Network);
            }
            Change::CreateVolume(create) => {
                let made = |()| Created::Volume(create.name.clone());
                return self.quick(change, |d| d.create_volume(create)).await.map(made);
            }
            Change::CreateContainer(create) => return self.create_container(change, create).await,
            Change::RemoveNetwork { network } => self.quick(change, |d| d.remove_network(network)).await,
            Change::Import { reference, labels } => {
                let import = |d: &mut Daemon| {
                    d.import(reference, labels);
                    Ok(())
                };
                self.quick(change, import).await
            }
            Change::Connect { network, container, aliases, address } => {
                self.quick(change, |d| d.connect(network, container, aliases, *address)).await
            }
            Change::Disconnect { network, container } => self.quick(change, |d| d.disconnect(network, container)).await,
            Change::SetPolicy { container, policy, .. } => {
                self.quick(change, |d| d.set_policy(container, policy)).await
            }
            Change::UnlockGrant { container, grant, value, restore, .. } => {
                self.quick(change, |d| d.unlock_grant(container, grant, value, *restore)).await
            }
            Change::RevokeGrant { container, grant, .. } => {
                self.quick(change, |d| d.revoke_grant(container, grant)).await
            }
            Change::RemoveVolume { name } => self.quick(change, |d| d.remove_volume(name)).await,
            Change::Upload { container, files } => self.quick(change, |d| d.upload(container, files)).await,
            Change::Start { container } => self.quick(change, |d| d.start(container)).await,
            Change::Stop { container, .. } => self.stop(change, container, false).await,
            Change::Restart { container } => self.stop(change, container, true).await,
            Change::Unpause { container } => self.quick(change, |d| d.unpause(container)).await,
            Change::Update { container, update } => self.quick(change, |d| d.update(container, update)).await,
            Change::Rename { container, name } => self.quick(change, |d| d.rename(container, name)).await,
            Change::RemoveContainer { container } => self.remove_container(change, container).await,
        }
        .map(|()| Created::Nothing)
    }

    /// A change that the engine makes immediately.
    async fn quick<T>(
        &self,
        change: &Change,
        effect: impl FnOnce(&mut Daemon) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let guarded = |d: &mut Daemon| {
            d.guard(change);
            effect(d)
        };
        self.call(change.call(), |d| d.subject(change), guarded).await
    }

    async fn pull(
        &self,
        change: &Change,
        reference: &ImageRef,
        platform: Option<&Platform>,
        progress: &dyn Fn(Progress<'_>),
    ) -> Result<Created, EngineError> {
        let mut ticket = self.enter(change.call(), |d| d.subject(change)).await?;
        let known = self.now().registry.contains_key(reference);
        if known {
            let half = PullProgress { current: PULL_BYTES / 2, total: PULL_BYTES, layers_done: 0, layers: 1 };
            progress(Progress::Pulled(half));
            pause(ticket.half).await;
        }
        // A pull is cancelled with its caller, so the image only appears at the end.
        let answer = if ticket.is_cut_off() { Ok(()) } else { self.now().pull(reference, platform) };
        ticket.leave(answer.map(|()| Created::Nothing))
    }

    async fn build(
        &self,
        change: &Change,
        build: &ImageBuild,
        progress: &dyn Fn(Progress<'_>),
    ) -> Result<Created, EngineError> {
        let mut ticket = self.enter(change.call(), |d| d.subject(change)).await?;
        progress(Progress::Step("Step 1/1 : FROM"));
        pause(ticket.half).await;
        // As with a pull: a build is cancelled with its caller.
        let answer = if ticket.is_cut_off() { Ok(()) } else { self.now().build(build) };
        ticket.leave(answer.map(|()| Created::Nothing))
    }

    async fn create_container(&self, change: &Change, create: &ContainerCreate) -> Result<Created, EngineError> {
        let begin = |d: &mut Daemon| {
            let takes = d.latencies.create_container / 2;
            d.create_container(create, takes)
        };
        let end = |d: &mut Daemon, id: ContainerId| d.container(&id).map(|_| id.clone());
        self.long_call(change.call(), |d| d.subject(change), begin, end).await.map(Created::Container)
    }

    async fn remove_container(&self, change: &Change, container: &ContainerId) -> Result<(), EngineError> {
        let begin = |d: &mut Daemon| {
            d.guard(change);
            let takes = d.latencies.remove_container / 2;
            Ok(((), d.remove_container(container, takes)))
        };
        self.long_call(change.call(), |d| d.subject(change), begin, |_, ()| Ok(())).await
    }

    async fn stop(&self, change: &Change, container: &ContainerId, again: bool) -> Result<(), EngineError> {
        let begin = |d: &mut Daemon| {
            d.guard(change);
            d.begin_stop(container, again).map(|until| ((), until))
        };
        let end = |d: &mut Daemon, ()| d.end_stop(container, again);
        self.long_call(change.call(), |d| d.subject(change), begin, end).await
    }
}

impl Daemon {
    /// The subject of a change, for the journal.
    fn subject(&self, change: &Change) -> String {
        match change {
            Change::Pull { reference, .. } | Change::Import { reference, .. } => reference.to_string(),
            Change::Build(build) => build.reference.to_string(),
            Change::CreateNetwork(create) => create.name.clone(),
            Change::RemoveNetwork { network } => self.name_of_network(network),
            Change::Connect { network, container, .. } => {
                format!("{} to {}", self.name_of_container(container), self.name_of_network(network))
            }
            Change::Disconnect { network, container } => {
                format!("{} from {}", self.name_of_container(container), self.name_of_network(network))
            }
            Change::CreateVolume(create) => create.name.clone(),
            Change::RemoveVolume { name } => name.clone(),
            Change::CreateContainer(create) => create.name.clone(),
            Change::Rename { container, name } => format!("{} to {name}", self.name_of_container(container)),
            Change::Upload { container, .. }
            | Change::SetPolicy { container, .. }
            | Change::UnlockGrant { container, .. }
            | Change::RevokeGrant { container, .. }
            | Change::Start { container }
            | Change::Stop { container, .. }
            | Change::Restart { container }
            | Change::Unpause { container }
            | Change::Update { container, .. }
            | Change::RemoveContainer { container } => self.name_of_container(container),
        }
    }

    /// Records a violation if the object of a change is not moat's. Objects that a change only refers to are checked
    /// with its effect.
    fn guard(&mut self, change: &Change) {
        match change {
            Change::Pull { .. }
            | Change::Build(_)
            | Change::Import { .. }
            | Change::CreateNetwork(_)
            | Change::CreateVolume(_)
            | Change::CreateContainer(_) => {}
            Change::RemoveNetwork { network } | Change::Connect { network, .. } => {
                self.guard_network(change.call(), network);
            }
            Change::RemoveVolume { name } => self.guard_volume(change.call(), name),
            // The network is not moat's: that is why a container is disconnected from it.
            Change::Disconnect { container, .. }
            | Change::SetPolicy { container, .. }
            | Change::UnlockGrant { container, .. }
            | Change::RevokeGrant { container, .. }
            | Change::Upload { container, .. }
            | Change::Start { container }
            | Change::Stop { container, .. }
            | Change::Restart { container }
            | Change::Unpause { container }
            | Change::Update { container, .. }
            | Change::Rename { container, .. }
            | Change::RemoveContainer { container } => self.guard_container(change.call(), container),
        }
    }
}
